import cluster from "node:cluster";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { forkWorker, linkOfThisProcess } from "./workers-process.ts";

const before = { ...cluster.settings };
afterAll(() => cluster.setupPrimary(before));

const WORKER = fileURLToPath(new URL("fixtures/echoing-worker.mjs", import.meta.url));

test("a process that the system does not start has ended, once, and why is told", async () => {
  cluster.setupPrimary({ exec: WORKER, args: [], execArgv: [], cwd: join(tmpdir(), "headgate-no-such-folder") });
  const worker = forkWorker(1);
  expect(worker.pid).toBeUndefined();
  const told: unknown[] = [];
  await new Promise<void>((ended) => {
    worker.onExit((...end) => {
      told.push(end);
      ended();
    });
  });
  // Neither does anything, and neither throws.
  worker.send({ kind: "drain" });
  worker.kill();
  await new Promise((turned) => setImmediate(turned));
  expect(told).toEqual([[null, null, expect.stringContaining("ENOENT")]]);
});

test("a worker knows its place and what it was given, is sent to, and its end has a code or a signal", async () => {
  cluster.setupPrimary({ exec: WORKER, args: [], execArgv: [], cwd: tmpdir() });
  const ended = async (end: "drain" | "kill") => {
    const worker = forkWorker(2, { HEADGATE_PORT: "4711" });
    const heard = new Promise((hear) => worker.onMessage(hear));
    const exited = new Promise((exit) => worker.onExit((...how) => exit(how)));
    expect(await heard).toEqual({ kind: "listening", welcome: "2 4711" });
    if (end === "kill") worker.kill();
    else worker.send({ kind: "drain" });
    const how = await exited;
    // A message to one that has ended is lost, and nothing else.
    worker.send({ kind: "drain" });
    return how;
  };
  expect(await ended("drain")).toEqual([5, null]);
  expect(await ended("kill")).toEqual([null, "SIGKILL"]);
});

test("a process that no supervisor started has no link", () => {
  expect(linkOfThisProcess({ HEADGATE_WORKER_PLACE: "1" })).toBeUndefined();
});
