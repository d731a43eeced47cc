/**
 * Several workers on one port, as real processes: both answer, /metrics is their sum, a change of traffic is everybody's at
 * once. A worker that is killed under load takes its own requests with it and no others, is replaced, and what it had
 * counted stays counted. SIGTERM loses nothing. What keeps a worker from starting is told once.
 */

import { cpSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { findRedis, startRedis, until } from "../harness/redis.ts";

const BODY = JSON.stringify({ model: "churn", entities: { customer_id: 17 } });
const HEADERS = { "content-type": "application/json", "content-length": Buffer.byteLength(BODY) };
const CLIENTS = 8;
/** How long a client waits for an answer, ms. */
const PATIENCE_MS = 15_000;
const TOKEN = "workers-test";
/** What a client sees of a connection that has ended before its request was read, or with the process that had it. */
const BROKEN = ["ECONNRESET", "EPIPE", "ECONNREFUSED"];

const project = copyExample();

beforeAll(async () => {
  await run([process.execPath, "prepare.mjs"], project);
  for (const words of [["apply"], ["materialize-incremental", "now"]]) {
    expect((await run(headgate(...words), project)).exitCode).toBe(0);
  }
}, 120_000);

const serveByTwo = (environment: Readonly<Record<string, string>> = {}) =>
  serve(project, { HEADGATE_WORKERS: "2", HEADGATE_ADMIN_TOKEN: TOKEN, HEADGATE_MODELS_POLL: "1h", ...environment });

/** A request of a connection of its own, or of the agent's: its status, or "broken". */
function ask(url: string, agent?: Agent): Promise<{ readonly status: number | "broken"; readonly text: string }> {
  return new Promise((done, fail) => {
    const broken = (cause: NodeJS.ErrnoException) =>
      BROKEN.includes(cause.code ?? "") ? done({ status: "broken", text: "" }) : fail(cause);
    const asked = request(
      `${url}/predict`,
      { method: "POST", headers: HEADERS, ...(agent && { agent }) },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("end", () => done({ status: response.statusCode!, text }));
        response.once("error", broken);
      },
    );
    asked.once("error", broken);
    asked.setTimeout(PATIENCE_MS, () => done({ status: "broken", text: "" }));
    asked.end(BODY);
  });
}

/** Clients, each with one kept-alive connection, that ask on and on until they are told to stop; what each one saw. */
function load(url: string) {
  let isOver = false;
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const seen: (number | "broken")[] = [];
    while (!isOver) seen.push((await ask(url, agent)).status);
    agent.destroy();
    return seen;
  };
  const clients = Array.from({ length: CLIENTS }, client);
  return {
    stop: () => {
      isOver = true;
      return Promise.all(clients);
    },
  };
}

/** The sum of a metric's series. */
async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].map(([, value]) =>
    Number(value),
  );
  return values.reduce((sum, value) => sum + value, 0);
}

const answered = (url: string) => metric(url, "headgate_prediction_entities_total");

/** The processes that have served in a place, the latest last. */
function processesOf(gateway: ServedProject, place: number): readonly number[] {
  const lines = gateway.stderr().matchAll(new RegExp(`"worker ${place} serves","pid":(\\d+)`, "g"));
  return [...lines].map(([, pid]) => Number(pid));
}

const setStable = (gateway: ServedProject, stable: number) =>
  fetch(`${gateway.url}/models/churn/traffic`, {
    method: "PUT",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ stable }),
  });

/** The versions that answer, of connections one each, so that both workers are asked. */
async function versionsOf(gateway: ServedProject): Promise<readonly number[]> {
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask(gateway.url)));
  return answers.map(({ text }) => JSON.parse(text).predictions[0].version as number);
}

async function end(gateway: ServedProject): Promise<void> {
  gateway.signal("SIGTERM");
  expect((await gateway.ended).exitCode).toBe(0);
}

test("two workers answer, and one that is killed under load fails its own requests alone", async () => {
  const gateway = await serveByTwo();
  const before = await Promise.all(Array.from({ length: 20 }, () => ask(gateway.url)));
  expect(before.map(({ status }) => status)).toEqual(new Array(20).fill(200));
  // Asked of whichever worker: each says what both have counted.
  for (let i = 0; i < 4; i++) {
    expect(await answered(gateway.url)).toBe(20);
    const comparison = await fetch(`${gateway.url}/models/churn/comparison`).then((response) => response.json());
    expect((comparison as { versions: readonly object[] }).versions).toMatchObject([{ version: 1, requests: 20 }]);
  }

  const clients = load(gateway.url);
  await until("load", async () => (await answered(gateway.url)) > 1_000);
  const counted = await answered(gateway.url);
  const [first] = processesOf(gateway, 1);
  process.kill(first!, "SIGKILL");
  await until("the end to be told", async () => /"worker 1 has ended".*"signal":"SIGKILL"/.test(gateway.stderr()));
  expect(await answered(gateway.url)).toBeGreaterThanOrEqual(counted);
  await until("another in its place", async () => processesOf(gateway, 1).length === 2);
  expect(await answered(gateway.url)).toBeGreaterThanOrEqual(counted);
  const seen = await clients.stop();

  for (const statuses of seen) {
    // One request at a time was its connection's; the next connection may be dealt to it before its end is noticed.
    expect(statuses.filter((status) => status === "broken").length).toBeLessThanOrEqual(2);
    expect(statuses.filter((status) => status !== "broken" && status !== 200)).toEqual([]);
  }
  expect(seen.some((statuses) => statuses.includes("broken"))).toBe(true);
  expect(seen.some((statuses) => !statuses.includes("broken"))).toBe(true);
  await end(gateway);
}, 60_000);

test("what one worker is told to change all serve, before it says so", async () => {
  const gateway = await serveByTwo();
  cpSync(join(project, "models/churn/1"), join(project, "models/churn/2"), { recursive: true });
  for (const stable of [2, 1, 2, 1]) {
    const told = await setStable(gateway, stable);
    expect([told.status, await told.text()]).toEqual([200, expect.anything()]);
    expect(await versionsOf(gateway)).toEqual(new Array(6).fill(stable));
  }
  // At once, so that each worker is told one thing and asked for another.
  for (let round = 0; round < 5; round++) {
    const told = await Promise.all([1, 2, 1, 2].map((stable) => setStable(gateway, stable)));
    // Of two that change the same one may be refused; never all.
    expect(told.map(({ status }) => status)).toContain(200);
    expect(told.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    const { stable } = (await (await fetch(`${gateway.url}/models/churn`)).json()) as { stable: { version: number } };
    expect(await versionsOf(gateway)).toEqual(new Array(6).fill(stable.version));
  }
  await end(gateway);
}, 60_000);

test("all are killed: those in their places listen where the first did, and what each has counted is kept", async () => {
  const gateway = await serveByTwo();
  await Promise.all(Array.from({ length: 20 }, () => ask(gateway.url)));
  expect(await answered(gateway.url)).toBe(20);
  expect(await metric(gateway.url, "headgate_workers")).toBe(2);
  expect(await metric(gateway.url, "headgate_workers_ended_total")).toBe(0);
  const pids = [1, 2].map((place) => processesOf(gateway, place)[0]!);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await until("others in their places", async () => [1, 2].every((place) => processesOf(gateway, place).length === 2));
  expect((await ask(gateway.url)).status).toBe(200);
  expect(await answered(gateway.url)).toBe(21);
  expect(await metric(gateway.url, "headgate_workers")).toBe(2);
  expect(await metric(gateway.url, "headgate_workers_ended_total")).toBe(2);
  await end(gateway);
}, 60_000);

test("one that fails while it ends is told, and the exit code is 1", async () => {
  const gateway = await serveByTwo({ HEADGATE_DRAIN_GRACE: "30s" });
  gateway.signal("SIGTERM");
  await until("the drain", async () => (await fetch(`${gateway.url}/readyz`)).status === 503);
  for (const place of [1, 2]) process.kill(processesOf(gateway, place)[0]!, "SIGKILL");
  const { exitCode, stderr } = await gateway.ended;
  expect(exitCode).toBe(1);
  expect(stderr.match(/"worker \d has ended"/g)).toHaveLength(2);
}, 60_000);

test("SIGTERM under load: every accepted request is answered by both", async () => {
  const gateway = await serveByTwo({ HEADGATE_DRAIN_GRACE: "500ms" });
  const clients = load(gateway.url);
  await until("load", async () => (await answered(gateway.url)) > 1_000);
  gateway.signal("SIGTERM");
  const { exitCode, stderr } = await gateway.ended;
  const seen = await clients.stop();
  expect(exitCode).toBe(0);
  expect(stderr).not.toContain("has ended");
  // After the first connection that could not be made nothing listened; before it, all was answered.
  for (const statuses of seen) {
    const last = statuses.indexOf("broken");
    expect(statuses.slice(0, last === -1 ? undefined : last).filter((status) => status !== 200)).toEqual([]);
  }
}, 60_000);

test("what keeps all from starting is told once, with its exit code", async () => {
  const times = (text: string, word: string) => text.split(word).length - 1;
  const wrong = await run(headgate("serve", "--workers", "2"), project, { HEADGATE_DEADLINE: "soon" });
  expect([wrong.exitCode, times(wrong.stderr, "CONFIG_INVALID")]).toEqual([1, 1]);
  const { exitCode, stderr } = await run(headgate("serve", "--workers", "none"), project);
  expect([exitCode, times(stderr, "USAGE")]).toEqual([2, 1]);
  const alone = await run(headgate("serve"), project, { HEADGATE_ONLINE_STORE: "memory:", HEADGATE_WORKERS: "2" });
  expect([alone.exitCode, times(alone.stderr, "CONFIG_INVALID")]).toEqual([1, 1]);
  expect(alone.stderr).toContain('the online store "memory:" is of one process');
  const away = { HEADGATE_ONLINE_STORE: "redis://127.0.0.1:1", HEADGATE_WORKERS: "2" };
  const refused = await run(headgate("serve"), project, away);
  expect([refused.exitCode, times(refused.stderr, "STORE_UNREACHABLE")]).toEqual([1, 1]);
}, 60_000);

const found = findRedis();
const absent = "missing" in found ? ` (${found.missing})` : "";

test.skipIf(absent !== "")(
  `on Redis each has a memory of its own, and /metrics shows them together${absent}`,
  async () => {
    const server = await startRedis((found as { readonly program: string }).program);
    const store = { HEADGATE_ONLINE_STORE: server.url };
    for (const words of [["apply"], ["materialize-incremental", "now"]]) {
      expect((await run(headgate(...words), project, store)).exitCode).toBe(0);
    }
    const gateway = await serveByTwo(store);
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(gateway.url)));
    expect(answers.map(({ status }) => status)).toEqual(new Array(12).fill(200));
    await until("both to be armed", async () => (await metric(gateway.url, "headgate_memory_armed")) === 1);
    expect(await metric(gateway.url, "headgate_memory_entities")).toBeGreaterThanOrEqual(1);
    await end(gateway);
  },
  60_000,
);
