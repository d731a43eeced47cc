/** Server programs that tests need, in a container where Docker runs and the program itself can't be had. */

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { afterAll } from "vitest";
import { INSTALL_TIMEOUT_MS, onPath } from "./program.ts";

/** How long the Docker daemon may take to answer, ms. */
const DOCKER_TIMEOUT_MS = 10_000;

/** What a program in a container begins with; the image and its command follow. */
const DOCKER = "docker:";

/** An image (and its command, where it has none of its own), pulled; undefined where there is no Docker. */
export function dockerProgram(image: string): string | undefined {
  // Elsewhere a container has no network or files in common with this process.
  if (process.platform !== "linux" || onPath("docker") === undefined) return undefined;
  try {
    execFileSync("docker", ["info"], { stdio: "ignore", timeout: DOCKER_TIMEOUT_MS });
    execFileSync("docker", ["pull", "--quiet", image.split(" ")[0]!], { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS });
  } catch {
    return undefined;
  }
  return DOCKER + image;
}

/** A program in a container. */
export interface Container {
  /** What to start instead of the program; its arguments follow. */
  readonly words: readonly string[];
  signal(name: NodeJS.Signals): void;
}

/**
 * A program as one in a container on this machine's network and temporary files, removed when the test file is done;
 * undefined for one that is no image.
 */
export function containerOf(program: string, environment: Readonly<Record<string, string>>): Container | undefined {
  if (!program.startsWith(DOCKER)) return undefined;
  const name = `headgate-test-${randomUUID()}`;
  const run = ["docker", "run", "--rm", "--name", name, "--network", "host", "--volume", `${tmpdir()}:${tmpdir()}`];
  const user = ["--user", `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`];
  const variables = Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]);
  const docker = (...words: readonly string[]) => execFileSync("docker", words, { stdio: "ignore" });
  afterAll(() => {
    try {
      docker("rm", "--force", name);
    } catch {
      // It has ended before, and removed itself.
    }
  });
  return {
    words: [...run, ...user, ...variables, ...program.slice(DOCKER.length).split(" ")],
    signal: (signal) => docker("kill", "--signal", signal, name),
  };
}
