/** Where a figure comes from: the machine, the versions that matter to it, the commit. A figure without these is a rumour. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** The machine and what runs on it. */
export interface Machine {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly platform: string;
    /** Of the operating system. */
    readonly kernel: string;
    /** Processes that wanted to run during the minute before; over 0.5 the machine was not quiet. */
    readonly loadBefore: number;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** With "+" where the checkout had changes; undefined outside of one. */
  readonly commit: string | undefined;
}

const PACKAGES = [
  ...["hono", "@hono/node-server", "lmdb", "ioredis", "lru-cache", "onnxruntime-node", "msgpackr", "hyparquet"],
  ...["kafkajs", "autocannon"],
];
const ROOT = new URL("../", import.meta.url);

/** Looks at the machine. */
export function describeMachine(): Machine {
  return {
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: availableParallelism(),
      memoryGb: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
      kernel: release(),
      loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    },
    versions: {
      headgate: versionIn(new URL("package.json", ROOT)),
      node: process.versions.node,
      ...Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
    },
    commit: commit(),
  };
}

function packageVersion(name: string): string {
  const { resolve } = createRequire(import.meta.url);
  const paths = resolve.paths(name) ?? [];
  for (const path of paths) {
    try {
      // Not every package exports its package.json.
      return versionIn(`${path}/${name}/package.json`);
    } catch {}
  }
  return "unknown";
}

function versionIn(file: URL | string): string {
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function commit(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+");
  } catch {
    return undefined;
  }
}
