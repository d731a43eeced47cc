/**
 * Versions come and go under load, as somebody puts folders and traffic files into the repository: no request fails, and
 * each is answered by a version that was to answer it. A slow model beside it delays nobody.
 */

import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";

const SLOW = fileURLToPath(new URL("../../models/fixtures/slow/slow.onnx", import.meta.url));
const CLIENTS = 12;
const project = copyExample();
const models = join(project, "models");
let gateway: ServedProject;
/** Customers that have features: whatever is not answered is a failure then. */
let customers: readonly number[];

beforeAll(async () => {
  expect((await run([process.execPath, "prepare.mjs"], project)).exitCode).toBe(0);
  expect((await run(headgate("apply"), project)).exitCode).toBe(0);
  expect((await run(headgate("materialize-incremental", "now"), project)).exitCode).toBe(0);
  gateway = await serve(project, { HEADGATE_MODELS_POLL: "100ms", HEADGATE_DEADLINE: "20s" });
  const ids = Array.from({ length: 500 }, (_, i) => i + 1);
  const body = JSON.stringify({ model: "churn", entities: ids.map((customer_id) => ({ customer_id })) });
  const headers = { "content-type": "application/json" };
  const answered = await fetch(`${gateway.url}/predict`, { method: "POST", headers, body });
  const { features } = (await answered.json()) as { features: { status: string }[] };
  customers = ids.filter((_, i) => features[i]!.status === "PRESENT");
  expect(customers.length).toBeGreaterThan(200);
}, 120_000);

afterAll(async () => {
  gateway.signal("SIGTERM");
  expect((await gateway.ended).exitCode).toBe(0);
});

interface Answer {
  readonly status: number;
  readonly customer: number;
  readonly version: number | undefined;
  readonly body: string;
}

async function predict(model: string, customer: number): Promise<Answer> {
  const response = await fetch(`${gateway.url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, entities: { customer_id: customer } }),
  });
  const body = await response.text();
  return { status: response.status, customer, version: JSON.parse(body).predictions?.[0]?.version, body };
}

/** Clients that ask one request after the other until they are told to stop; each one's answers, in order. */
function load(model: string) {
  let isOver = false;
  const client = async (number: number): Promise<Answer[]> => {
    const answers: Answer[] = [];
    for (let i = 0; !isOver; i++) answers.push(await predict(model, customers[(number * 17 + i) % customers.length]!));
    return answers;
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  return {
    stop: () => {
      isOver = true;
      return Promise.all(clients);
    },
  };
}

/** Puts a version whole, as a careful hand does: under another name first. */
function put(model: string, version: number, file = join(models, "churn/1/model.onnx")): void {
  const hidden = join(project, `version-${model}-${version}`);
  mkdirSync(hidden);
  cpSync(file, join(hidden, "model.onnx"));
  renameSync(hidden, join(models, model, String(version)));
}

function putTraffic(traffic: object): void {
  writeFileSync(join(project, "traffic.json"), JSON.stringify(traffic));
  renameSync(join(project, "traffic.json"), join(models, "churn/traffic.json"));
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by assertions only
const described = async (model: string): Promise<any> => (await fetch(`${gateway.url}/models/${model}`)).json();
const until = (condition: () => Promise<unknown>, expected: unknown) =>
  expect.poll(condition, { timeout: 30_000, interval: 50 }).toEqual(expected);

test("versions that are put there are swapped in, and no request fails", async () => {
  const clients = load("churn");
  for (let version = 2; version <= 8; version++) {
    put("churn", version);
    await until(async () => (await predict("churn", customers[0]!)).version, version);
  }
  const broken = join(project, "broken.onnx");
  writeFileSync(broken, readFileSync(join(models, "churn/1/model.onnx")).subarray(0, 50_000));
  put("churn", 9, broken);
  await until(async () => (await described("churn")).versions[0].reason?.includes("cut short"), true);
  const answers = await clients.stop();
  expect(answers.flat().filter(({ status }) => status !== 200)).toEqual([]);
  for (const own of answers) {
    const versions = own.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort());
    expect(versions.at(-1)).toBe(8);
  }
}, 120_000);

test("traffic files move entities, and an entity keeps its version", async () => {
  const clients = load("churn");
  putTraffic({ stable: 3, canary: { version: 5, percent: 50 }, shadow: [7] });
  await until(async () => (await described("churn")).canary, { version: 5, percent: 50, ended_because: null });
  await until(async () => (await described("churn")).shadows, [7]);
  const share = async () => Promise.all(customers.slice(0, 200).map((customer) => predict("churn", customer)));
  const versions = (await share()).map(({ version }) => version);
  expect(new Set(versions)).toEqual(new Set([3, 5]));
  expect((await share()).map(({ version }) => version)).toEqual(versions);
  for (let turn = 0; turn < 10; turn++) {
    const stable = turn % 2 === 0 ? 5 : 3;
    putTraffic({ stable, previous: 8 - stable });
    await until(async () => (await predict("churn", customers[0]!)).version, stable);
  }
  const answers = (await clients.stop()).flat();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answers.every(({ version }) => [3, 5, 8].includes(version!))).toBe(true);
}, 120_000);

test("a slow model runs in processes of its own, beside the light one", async () => {
  const features = JSON.parse(readFileSync(join(models, "churn/model.json"), "utf8")).inputs.input as string[];
  mkdirSync(join(models, "heavy"));
  put("heavy", 1, SLOW);
  const manifest = { service: "churn_v1", inputs: { X: features }, outputs: { mean: "Y" }, max_batch: 1 };
  writeFileSync(join(models, "heavy/model.json"), JSON.stringify(manifest));
  await until(async () => (await described("heavy")).state, "READY");
  const { stable } = await described("heavy");
  expect(stable.placement).toBe("workers");
  const alone = await lightTimes();
  let isOver = false;
  const heavy = (async () => {
    while (!isOver) expect((await predict("heavy", customers[0]!)).status).toBe(200);
  })();
  const beside = await lightTimes();
  isOver = true;
  await heavy;
  // On the event loop every run of the heavy one would hold the light one up, nearly always.
  expect(beside).toBeLessThan(Math.max(4 * alone, stable.run_microseconds / 2_000));
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/^headgate_model_placement\{model="heavy",version="1",placement="workers"\} 1$/m);
  expect(metrics).toMatch(/^headgate_event_loop_lag_seconds\{quantile="0.99"\} \d/m);
}, 120_000);

/** The median time of requests for the light model that come now and then, ms. */
async function lightTimes(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 150; i++) {
    const startMs = performance.now();
    expect((await predict("churn", customers[i]!)).status).toBe(200);
    times.push(performance.now() - startMs);
    await sleep(2);
  }
  return times.sort((a, b) => a - b)[times.length / 2]!;
}
