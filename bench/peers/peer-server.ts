/**
 * A peer as a process of its own on the server's core, like every other server under test: started on a port that it is
 * given, since Python servers do not say where they listen, and ready when it answers a real request.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { descendantsOf, pinned } from "../process-cpu.ts";
import { lastWordsOf, SERVER_CORE, type ServerUnderTest } from "../server-under-test.ts";
import { PEERS } from "./python.ts";

/** How long a peer may take to answer, ms; importing what Feast needs takes ten seconds on a busy machine. */
const START_TIMEOUT_MS = 120_000;
/** How long it may take to end, with its workers, ms. */
const STOP_TIMEOUT_MS = 5_000;
const LOOK_PAUSE_MS = 200;

/** What to start. */
export interface PeerProgram {
  readonly command: readonly string[];
  readonly port: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Asks it something real; true when the answer is right. */
  readonly isReady: (url: string) => Promise<boolean>;
}

/** Starts a peer. Rejects with what it wrote when it ends or gives no right answer in time. */
export async function startPeer({ command, port, environment, isReady }: PeerProgram): Promise<ServerUnderTest> {
  const child = spawnPython(pinned(SERVER_CORE, command), environment);
  const said = lastWordsOf(child.stdout, child.stderr);
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const workers = descendantsOf(child.pid!);
    child.kill("SIGTERM");
    await Promise.race([ended, pause(STOP_TIMEOUT_MS, undefined, { ref: false }).then(() => child.kill("SIGKILL"))]);
    for (const worker of workers) endWorker(worker);
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (const endMs = performance.now() + START_TIMEOUT_MS; performance.now() < endMs; await pause(LOOK_PAUSE_MS)) {
    if (child.exitCode !== null) break;
    if (await isReady(url).catch(() => false)) return Object.freeze({ url, pid: child.pid!, stop });
  }
  await stop();
  throw new Error(`${command.join(" ")} gave no right answer:\n${said()}`);
}

function endWorker(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended with its parent, as it should.
  }
}

/** Runs a Python program of the peers to its end. Rejects with what it wrote when it fails. */
export async function runPeerProgram(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const child = spawnPython(command, environment);
  const said = lastWordsOf(child.stdout, child.stderr);
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${said()}`);
}

function spawnPython(
  [program, ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(program!, args, {
    cwd: PEERS,
    env: { ...process.env, ...environment, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
