/**
 * `headgate nightly` as a process: one run and its exit code, and a schedule that is kept, told of and given up on
 * SIGTERM. The schedule is of every second, and what is waited for is what it did, not time.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { takeLease, thisHolder } from "../../batch/lease.ts";
import { openLmdbStore } from "../../features/store/lmdb.ts";
import { copyExample, headgate, run, serve, start } from "../harness/project.ts";
import { until } from "../harness/redis.ts";
import { s3Environment } from "../harness/s3.ts";
import { type S3Fault, startScriptedS3 } from "../harness/scripted-s3.ts";

const VIEW = "customer_30d_features";
// Several processes a test, each of which loads the example.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const project = copyExample();

beforeAll(async () => {
  await run([process.execPath, "prepare.mjs"], project);
  await run(headgate("apply"), project);
});

test("a schedule is caught up with, kept without a run too many, shown, and given up on SIGTERM", async () => {
  const nightly = start(headgate("nightly"), project, {
    HEADGATE_NIGHTLY_SCHEDULE: "* * * * * *",
    HEADGATE_NIGHTLY_HEALTH_PORT: "0",
  });
  await nightly.waitFor(/customer_30d_features: nothing new; [\s\S]*nothing new; /);
  expect(nightly.stdout()).toMatch(/^customer_30d_features: [\d,]+ rows of 1 file \([\d,]+ written/);
  const log = () =>
    nightly
      .stderr()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
  expect(log().map(({ message }) => message)).toEqual(expect.arrayContaining(["nightly run catches up"]));
  const url = log()[0]!.health!;
  const ready = await fetch(`${url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ schedule: "* * * * * *", last: { status: "done" } });
  // The records are read anew after some seconds.
  await until("the metrics to show the load", async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const [, seconds] =
      new RegExp(`last_success_timestamp_seconds\\{feature_view="${VIEW}"\\} (\\S+)`).exec(metrics) ?? [];
    return Number(seconds) > 1.7e9 && /headgate_nightly_runs_total\{status="done"\} [1-9]/.test(metrics);
  });
  nightly.signal("SIGTERM");
  expect((await nightly.ended).exitCode).toBe(0);
});

test("one run is done, and features describe tells of it", async () => {
  const once = await run(headgate("nightly", "--json"), project);
  expect(JSON.parse(once.stdout)).toMatchObject({
    status: "done",
    tries: 1,
    steps: { materialize: [{ view: VIEW, status: "done" }] },
  });
  expect(once).toMatchObject({ exitCode: 0, stderr: "" });
  const described = await run(headgate("features", "describe", VIEW), project);
  expect(described.stdout).toMatch(/loaded {5}\d{4}-\d\d-\d\dT\S+, up to \d{4}-\S+, \d+ rows written\n/);
});

test("a gateway shows when the view was last loaded, though another process did it", async () => {
  const gateway = await serve(project);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const gauge = (name: string) =>
    Number(new RegExp(`^headgate_materialize_${name}\\{feature_view="${VIEW}"\\} (\\S+)$`, "m").exec(metrics)?.[1]);
  expect(gauge("last_success_timestamp_seconds")).toBeGreaterThan(1.7e9);
  expect(gauge("end_timestamp_seconds")).toBeGreaterThan(1.7e9);
  expect(gauge("last_failure_timestamp_seconds")).toBe(0);
  const listed = (await (await fetch(`${gateway.url}/features`)).json()) as { feature_views: Record<string, string>[] };
  const seconds = Date.parse(listed.feature_views[0]!.last_materialized_at!) / 1_000;
  expect(seconds).toBeCloseTo(gauge("last_success_timestamp_seconds"), 2);
  gateway.signal("SIGTERM");
  await gateway.ended;
});

test("--once makes one run, whatever the schedule", async () => {
  const once = await run(headgate("nightly", "--once"), project, { HEADGATE_NIGHTLY_SCHEDULE: "0 0 1 1 *" });
  expect(once).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`${VIEW}: nothing new`) });
});

test("a view that another process loads is in good hands", async () => {
  const store = openLmdbStore({ directory: join(project, ".headgate", "online") });
  const lease = await takeLease({
    control: store.control,
    view: VIEW,
    holder: thisHolder(),
    ttlMs: 60_000,
    now: () => Date.now(),
  });
  const once = await run(headgate("nightly"), project, { HEADGATE_NIGHTLY_TRIES: "1" });
  await lease.release();
  await store.close();
  expect(once).toMatchObject({ exitCode: 0, stdout: "" });
  expect(once.stderr).toContain("[MATERIALIZE_RUNNING]");
});

test("a run that fails says so and is told of", async () => {
  const other = copyExample();
  const unapplied = await run(headgate("nightly"), other);
  expect(unapplied).toMatchObject({ exitCode: 1, stdout: "" });
  expect(unapplied.stderr).toMatch(/customer_30d_features: failed\. .*\[REGISTRY_NOT_APPLIED\]/);
  await run(headgate("apply"), other);
  const fileless = await run(headgate("nightly"), other);
  expect(fileless.exitCode).toBe(1);
  expect(fileless.stderr).toContain("[SOURCE_NOT_FOUND]");
  const described = await run(headgate("features", "describe", VIEW), other);
  expect(described.stdout).toMatch(/loaded {5}never; failed \S+ \[SOURCE_NOT_FOUND\]\n/);
});

test.each([["nightly"], ["materialize-incremental", "now"]])(
  "SIGTERM ends %s at once while it waits for an S3 that never answers",
  async (...words) => {
    const s3 = await startScriptedS3(new Uint8Array());
    s3.failNext(...Array<S3Fault>(100).fill("stalls"));
    const other = copyExample();
    const file = join(other, "features", "customer.ts");
    writeFileSync(file, readFileSync(file, "utf8").replace(".headgate/customer_30d.parquet", "s3://features/data"));
    await run(headgate("apply"), other);
    const loading = start(headgate(...words), other, s3Environment(s3.endpoint));
    await until("the first request", async () => s3.requests.length > 0);
    const beforeMs = Date.now();
    loading.signal("SIGTERM");
    expect((await loading.ended).exitCode).toBe(1);
    // A request is given up after 15 s at the earliest, and then tried again.
    expect(Date.now() - beforeMs).toBeLessThan(10_000);
    expect(s3.requests.length).toBe(1);
    await s3.close();
  },
);

test.each([
  [["--views", "orders"], {}, 2, "VIEW_NOT_FOUND"],
  [[], { HEADGATE_NIGHTLY_SCHEDULE: "at night" }, 1, "CONFIG_INVALID"],
])("nightly %j with %j is refused before anything is done", async (words, environment, exitCode, code) => {
  const refused = await run(headgate("nightly", ...words), project, environment);
  expect(refused).toMatchObject({ exitCode, stdout: "" });
  expect(refused.stderr).toContain(`[${code}]`);
});
