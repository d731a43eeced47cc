/**
 * How long a new user waits: from `npm start` on a copy of the checkout whose packages are installed and nothing else is
 * there, to the answer of the first prediction, by the request that the program itself prints. Then once more, when all
 * is built and loaded.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endingAll } from "./ends.ts";
import { atMost, type BenchResult } from "./result.ts";

/** How to measure. */
export interface StartOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** When a start that has printed no request is given up, ms. */
const GIVE_UP_MS = 120_000;

/** Runs the bench in a temporary copy, which is gone when it ends. */
export function benchStart({ tell }: StartOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const copy = mkdtempSync(join(tmpdir(), "headgate-start-"));
    await keep({ remove: () => rmSync(copy, { recursive: true, force: true }) });
    copyCheckout(copy);
    const firstSeconds = await secondsToFirstPrediction(copy);
    tell(`first npm start: ${firstSeconds.toFixed(1)} s to the first prediction`);
    const secondSeconds = await secondsToFirstPrediction(copy);
    tell(`second npm start: ${secondSeconds.toFixed(1)} s\n`);
    return {
      figures: { firstSeconds, secondSeconds },
      bars: [atMost("npm start to the first prediction, after npm ci", firstSeconds, "s", 15)],
    };
  });
}

/** What git would check out, with what is changed here; the installed packages are linked. */
function copyCheckout(target: string): void {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const file of listed.split("\0")) {
    // A checkout may itself have its packages by a link, which git then lists.
    if (file !== "" && file !== "node_modules" && existsSync(join(ROOT, file))) {
      cpSync(join(ROOT, file), join(target, file));
    }
  }
  symlinkSync(join(ROOT, "node_modules"), join(target, "node_modules"));
}

function secondsToFirstPrediction(directory: string): Promise<number> {
  return endingAll(async (keep) => {
    const startMs = performance.now();
    // A group of its own: npm, its shell and the gateway end together.
    const child = spawn("npm", ["start"], {
      cwd: directory,
      env: { ...process.env, HEADGATE_PORT: "0", HEADGATE_ONLINE_STORE: "", HEADGATE_ADMIN_TOKEN: "" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    await keep({ stop: () => endGroup(child) });
    const { url, body } = await printedRequest(child);
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`The first prediction was answered ${response.status}: ${text}`);
    return (performance.now() - startMs) / 1_000;
  });
}

/** The request of the printed curl line. */
function printedRequest(child: ChildProcess): Promise<{ url: string; body: string }> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const timer = setTimeout(() => fail(`printed no request within ${GIVE_UP_MS} ms`), GIVE_UP_MS);
    const fail = (why: string) => {
      clearTimeout(timer);
      reject(new Error(`npm start ${why}:\n${printed.slice(-4_000)}`));
    };
    const read = (chunk: Buffer) => {
      printed += chunk.toString();
      const request = /curl -s (\S+).* -d '(.*)'/.exec(printed);
      if (request === null) return;
      clearTimeout(timer);
      resolve({ url: request[1]!, body: request[2]! });
    };
    child.stdout!.on("data", read);
    child.stderr!.on("data", read);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`ended with ${code}`));
  });
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  // All of the group have its output open: npm ends before a compiler that still writes into the copy.
  const ended = once(child, "close");
  process.kill(-child.pid, "SIGTERM");
  await ended;
}
