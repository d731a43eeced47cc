/**
 * The main job as a new user meets it: the example prepared, planned, applied, materialized and served by the built
 * command line, then asked for predictions and for their reasons. The steps build on one another, in this order.
 */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";

/** In the newest snapshot of the example's data. */
const HOUSEHOLDS = 2_469;
const project = copyExample();
let gateway: ServedProject;

const command = async (...words: string[]) => {
  const ended = await run(headgate(...words), project);
  expect(ended.stderr.replace(/^.*\r/gm, ""), words.join(" ")).not.toContain("headgate:");
  expect(ended.exitCode, words.join(" ")).toBe(0);
  return ended.stdout;
};
const get = async (path: string) => {
  const response = await fetch(`${gateway.url}${path}`);
  expect(response.status, path).toBe(200);
  return response;
};
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by assertions only
const getJson = async (path: string): Promise<any> => (await get(path)).json();
const predict = async (body: unknown) => {
  const response = await fetch(`${gateway.url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as PredictAnswer };
};

interface PredictAnswer {
  readonly request_id: string;
  readonly predictions: { version: number; label: number; probabilities: number[]; error?: { code: string } }[];
  readonly features: {
    status: string;
    event_timestamp: string;
    age_seconds: number;
    defaulted: string[];
    values: Record<string, { value: number; status: string; event_timestamp: string; tier: string }>;
  }[];
}

test("the example's data is dated to last night", async () => {
  const { stdout, exitCode } = await run([process.execPath, "prepare.mjs"], project);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/moved all event times by \d+ days, so that the newest snapshot is last night's/);
});

test("plan says what apply would do, and apply does it once", async () => {
  const planned = await command("plan");
  for (const line of ["+ entity customer", "+ featureView customer_30d_features", "+ featureService churn_v1"]) {
    expect(planned).toContain(line);
  }
  expect(await command("apply")).toContain("Applied: registry ");
  expect(await command("plan")).toBe("Nothing to apply.\n");
});

test("materialize-incremental loads the newest row of every household", async () => {
  const { ok, views } = JSON.parse(await command("materialize-incremental", "now", "--json"));
  expect([ok, views.length]).toEqual([true, 1]);
  expect(views[0]).toMatchObject({ view: "customer_30d_features", status: "done", files: 1, rows_bad: 0 });
  expect(views[0].rows_written).toBeGreaterThanOrEqual(HOUSEHOLDS);
});

test("serve prints a request that works as pasted", async () => {
  gateway = await serve(project);
  expect(gateway.stdout()).toContain("churn: version 1 is READY");
  const pasted = await run(["bash", "-c", gateway.curl!], project);
  expect(pasted.exitCode).toBe(0);
  const answer = JSON.parse(pasted.stdout) as PredictAnswer;
  expect(answer.predictions[0]).toMatchObject({ version: 1, label: expect.any(Number) });
  expect(answer.features[0]).toMatchObject({ status: "PRESENT", defaulted: [] });
});

test("the answer that README.md shows is the one that its request gets", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const asked = /^curl .* -d '(.*)'$/m.exec(readme)![1]!;
  const shown = JSON.parse(/^\{"request_id":.*$/m.exec(readme)![0]) as PredictAnswer;
  const { body } = await predict(JSON.parse(asked));
  expect(body.predictions).toEqual(shown.predictions);
  expect(Object.keys(body.features[0]!)).toEqual(Object.keys(shown.features[0]!));
});

test("a prediction says which version and how old its features were", async () => {
  const { status, headers, body } = await predict({ model: "churn", entities: { customer_id: 17 } });
  expect(status).toBe(200);
  expect(headers.get("server-timing")).toMatch(/features;dur=.*model;dur=.*total;dur=/);
  expect(headers.get("x-request-id")).toBe(body.request_id);
  const [features] = body.features;
  expect(features!.age_seconds).toBeGreaterThan(2 * 3_600 - 1);
  expect(features!.age_seconds).toBeLessThan(26 * 3_600 + 60);
  expect(features!.event_timestamp).toMatch(/T00:00:00\.000Z$/);
});

test("entities that are not there are told apart from those that are", async () => {
  const entities = [{ customer_id: 17 }, { customer_id: 999_999 }, { customer_id: 18 }];
  const { status, body } = await predict({ model: "churn", entities });
  expect(status).toBe(200);
  expect(body.features.map((one) => one.status)).toEqual(["PRESENT", "NOT_FOUND", "PRESENT"]);
  expect(body.predictions.map((one) => one.error?.code)).toEqual([undefined, "FEATURES_MISSING", undefined]);
  const alone = await predict({ model: "churn", entities: { customer_id: 999_999 } });
  expect([alone.status, (alone.body as unknown as { code: string }).code]).toEqual([422, "FEATURES_MISSING"]);
});

test("explain, the debug view and features get tell the same values", async () => {
  const { body } = await predict({ model: "churn", entities: { customer_id: 17 }, explain: true });
  const explained = body.features[0]!.values;
  expect(Object.keys(explained)).toEqual(
    ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"].map((field) => `customer_30d_features:${field}`),
  );
  const debug = await getJson("/features/customer_30d_features?customer_id=17");
  const shown = JSON.parse(await command("features", "get", "customer_30d_features", "customer_id=17", "--json"));
  for (const [feature, { value, status, tier }] of Object.entries(explained)) {
    const field = feature.split(":")[1]!;
    expect(debug.served.values[field]).toMatchObject({ value, status });
    expect(shown.served.values[field]).toMatchObject({ value, status });
    expect(tier).toBe("lmdb");
  }
  expect(debug.tiers[0]).toMatchObject({ tier: "lmdb", found: true, origin: expect.anything() });
});

test("the gateway tells what it serves", async () => {
  expect(await getJson("/features")).toMatchObject({ feature_views: [{ name: "customer_30d_features" }] });
  expect(await getJson("/models")).toMatchObject({ models: [{ name: "churn", state: "READY" }] });
  expect(await getJson("/models/churn")).toMatchObject({ stable: { version: 1, service: "churn_v1" } });
  expect(await getJson("/livez")).toEqual({ status: "live" });
  const ready = await getJson("/readyz");
  expect(ready).toMatchObject({ status: "ready", registry_fingerprint: ready.applied_fingerprint });
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toMatch(/^headgate_prediction_entities_total\{model="churn",version="1"\} [1-9]/m);
  const api = await getJson("/openapi.json");
  expect(Object.keys(api.paths)).toContain("/predict");
});

test("a second start finds everything in place", async () => {
  gateway.signal("SIGTERM");
  expect((await gateway.ended).exitCode).toBe(0);
  const parquet = join(project, ".headgate", "customer_30d.parquet");
  const { mtimeMs } = statSync(parquet);
  const { stdout } = await run([process.execPath, "prepare.mjs"], project);
  expect(stdout).toContain("already is last night's");
  expect(statSync(parquet).mtimeMs).toBe(mtimeMs);
  expect(await command("apply")).toBe("Nothing to apply.\n");
  const { views } = JSON.parse(await command("materialize-incremental", "now", "--json"));
  expect(views[0]).toMatchObject({ status: "done", files: 0, files_skipped: 1, rows_read: 0, rows_written: 0 });
  gateway = await serve(project);
  expect((await predict({ model: "churn", entities: { customer_id: 17 } })).status).toBe(200);
});

test("npm start's own line of commands is this journey", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const words = ["prepare.mjs", "cli.js apply", "cli.js materialize-incremental now", "cli.js serve"];
  expect(scripts.example.split(" && ").slice(1)).toEqual(words.map((one) => expect.stringContaining(one)));
});
