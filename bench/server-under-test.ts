/**
 * A server as a process of its own, as users run it: plain node on built code, held to a core where that can be. It
 * says where it listens by a line of JSON, `{"url": …}`, which `headgate serve --json` and floor-server.mjs both print.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { pinned } from "./process-cpu.ts";

/** The core of the server; the load generator has the other. */
export const SERVER_CORE = 0;
/** How long a server may take to listen, ms. */
const START_TIMEOUT_MS = 30_000;
/** Characters of what a process wrote that a complaint repeats. */
const LAST_WORDS = 4_000;

/** A running server. */
export interface ServerUnderTest {
  readonly url: string;
  readonly pid: number;
  /** Asks it to end and waits until it has. */
  stop(): Promise<void>;
}

/** Reads what a process writes; asked, it tells the last of it. */
export function lastWordsOf(...streams: readonly Readable[]): () => string {
  let words = "";
  for (const stream of streams) {
    stream.on("data", (chunk: Buffer) => {
      words = (words + chunk.toString()).slice(-LAST_WORDS);
    });
  }
  return () => words;
}

/** Starts `node <args>`, held to its core unless it is not to be. Rejects with what it wrote to stderr when it ends or does not listen in time. */
export function startServer(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
  isPinned = true,
): Promise<ServerUnderTest> {
  const words = [process.execPath, ...args];
  const [command, ...rest] = isPinned ? pinned(SERVER_CORE, words) : words;
  const child = spawn(command!, rest, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const complaints = lastWordsOf(child.stderr);
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  return new Promise((resolve, reject) => {
    // Once it listens this changes nothing any more: a promise is settled once.
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${args.join(" ")} ${why}\n${complaints()}`));
    };
    const timer = setTimeout(fail, START_TIMEOUT_MS, `did not listen within ${START_TIMEOUT_MS} ms`);
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code) => fail(`ended with ${code} before it listened`));
    createInterface(child.stdout).once("line", (line) => {
      clearTimeout(timer);
      // taskset becomes node by exec, so the child's pid is the server's.
      resolve({ url: (JSON.parse(line) as { url: string }).url, pid: child.pid!, stop });
    });
  });
}
