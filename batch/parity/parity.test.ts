import { randomUUID } from "node:crypto";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { readParityVerdicts } from "../../features/parity-verdict.ts";
import { openLmdbStore } from "../../features/store/lmdb.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { openRedisStore } from "../../features/store/redis.ts";
import { findRedis, GIVEN_REDIS, givenOrStartedRedis, until } from "../../test/harness/redis.ts";
import { hoursAgo, openParityProject, type ParityProject, WIDE, wideValues } from "./fixtures/parity-project.ts";
import { expectedOf, PLANT_KINDS, type PlantName, plant, streamedWrite } from "./fixtures/planted.ts";
import { keyHash } from "./key-hash.ts";
import type { ViewParity } from "./parity-result.ts";

const found = findRedis();
let redisUrl = "";

const STORES: Readonly<Record<string, (directory: string) => OnlineStore | Promise<OnlineStore>>> = {
  memory: () => openMemoryStore(),
  lmdb: (directory) => openLmdbStore({ directory }),
  redis: () => openRedisStore(redisUrl, { keyPrefix: `t${randomUUID()}` }),
};

const KINDS = Object.keys(PLANT_KINDS) as PlantName[];
/** Each kind three times, and enough that are equal. */
const PLANTED = [...KINDS, ...KINDS, ...KINDS, ...new Array<PlantName>(20).fill("same")];
const counted = ({ outcomes, causes, compared }: ViewParity) => ({
  ...{ outcomes, compared },
  causes: Object.fromEntries(causes.map(({ cause, entities }) => [cause, entities])),
});
const storedOf = async (store: OnlineStore) =>
  new Map((await store.scan(WIDE, 10_000)).rows.map(({ key, bytes }) => [key, Buffer.from(bytes).toString("hex")]));

let project: ParityProject;
afterEach(() => project.close());

describe.each(Object.keys(STORES))("on %s", (kind) => {
  const isMissing = kind === "redis" && "missing" in found && GIVEN_REDIS === undefined;
  const it = test.skipIf(isMissing);
  beforeAll(async () => {
    if (kind === "redis" && !isMissing)
      redisUrl = (await givenOrStartedRedis("program" in found ? found.program : "")).url;
  });

  it("differences of every cause are found, named and counted", async () => {
    project = await openParityProject(STORES[kind]!);
    await plant(project, PLANTED);
    const report = await project.run();
    expect(report.ok).toBe(false);
    const view = report.views[0]!;
    expect(counted(view)).toEqual(expectedOf(PLANTED));
    expect(view).toMatchObject({ verdict: "fail", sample: null, view: WIDE });
    expect(view.mismatch_rate).toBe(view.mismatch_rate_bound);
    expect(view.checked).toBe(Object.values(view.outcomes).reduce((sum, entities) => sum + entities));
    const isolated = view.features.filter(({ mismatched }) => mismatched > 0).map(({ feature }) => feature);
    expect(isolated).toEqual(["f64", "i64", "blob"]);
  });

  it("a view that was only loaded passes, with every row compared", async () => {
    project = await openParityProject(STORES[kind]!);
    await plant(project, new Array<PlantName>(50).fill("same"));
    const report = await project.run();
    expect(report.ok).toBe(true);
    expect(report.views[0]).toMatchObject({
      verdict: "pass",
      compared: 50,
      checked: 50,
      offline_entities: 50,
      mismatch_rate: 0,
      causes: [],
      examples: [],
      reason: "50 entities compared by the latest row of each, all equal.",
    });
    const verdict = (await readParityVerdicts(project.store.control, [WIDE, "other"])).get(WIDE);
    expect(verdict).toMatchObject({ verdict: "pass", compared: 50, mismatch_rate: 0, run: report.run });
  });

  it("a repair puts right what a load would, and nothing as a dry run", async () => {
    project = await openParityProject(STORES[kind]!);
    await plant(project, PLANTED);
    const before = await storedOf(project.store);
    const dry = await project.runView({ repair: "plan" });
    expect(await storedOf(project.store)).toEqual(before);
    const done = await project.runView({ repair: "write" });
    expect(done.repair).toEqual({ ...dry.repair, dry_run: false });
    expect(dry.repair).toMatchObject({ left_newer: 6, left_extra: 12, overtaken: 0 });
    expect(counted(await project.runView())).toEqual(expectedOf(PLANTED, true));
  });

  it("a sample looks at the same entities on both sides, whatever else there is", async () => {
    project = await openParityProject(STORES[kind]!);
    await plant(project, PLANTED);
    const sample = { share: 0.4, seed: 7 };
    const view = await project.runView({ sample });
    const chosen = PLANTED.filter((name, i) => {
      return !name.startsWith("extra") && keyHash(`customer_id=${i + 1}`, 7) < 0.4 * 2 ** 32;
    });
    expect(chosen.length).toBeGreaterThan(10);
    expect(counted(view)).toEqual(expectedOf(chosen));
    expect(view.mismatch_rate_bound).toBeGreaterThan(view.mismatch_rate);
  });
});

describe.each(Object.keys(STORES))("on %s, streamed to meanwhile,", (kind) => {
  const it = test.skipIf(kind === "redis" && "missing" in found && GIVEN_REDIS === undefined);

  it("what is new is counted, and nothing differs", async () => {
    project = await openParityProject(STORES[kind]!);
    const entities = 3_000;
    await plant(project, new Array<PlantName>(entities).fill("same"));
    let [isOver, streamed] = [false, 0];
    const streaming = (async () => {
      // Of half of the customers that the files have, and some that they don't.
      for (let count = 1; !isOver; count++) {
        const ids = Array.from({ length: 20 }, (_, i) => entities / 2 + ((count * 131 + i * 977) % entities));
        await project.store.write(ids.map((id) => streamedWrite(project, id, count)));
        streamed += ids.length;
        await new Promise(setImmediate);
      }
    })();
    await until("rows to be streamed", async () => streamed > 100);
    const views = [await project.runView(), await project.runView({ sample: { share: 0.5, seed: 1 } })];
    isOver = true;
    await streaming;
    for (const { outcomes, verdict } of views) {
      expect(outcomes).toMatchObject({ different: 0, stale: 0, missing: 0, extra: 0 });
      expect(outcomes.newer).toBeGreaterThan(0);
      expect(outcomes.match).toBeGreaterThan(0);
      expect(verdict).toBe("pass");
    }
  }, 120_000);
});

test("each cause is shown by a command line, and by examples with the values", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["same", "null_online", "late_missing", "extra"]);
  const { causes, examples } = await project.runView();
  expect(causes.find(({ cause }) => cause === "null_for_missing")).toMatchObject({
    entities: 1,
    example: { customer_id: 2 },
    shown_by: "headgate features get wide customer_id=2",
  });
  expect(examples.find(({ outcome }) => outcome === "different")).toMatchObject({
    entity: { customer_id: 2 },
    feature: "f64",
    online: null,
    offline: wideValues(2)[1],
  });
  expect(examples.find(({ outcome }) => outcome === "missing")).toMatchObject({ online_event_timestamp: null });
  expect(examples.find(({ outcome }) => outcome === "extra")).toMatchObject({ offline_event_timestamp: null });
});

test("a row that expired in the store and is fresh in the files is missing, as expired", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["same", "same"]);
  const { store } = project;
  const { rows } = (await store.read([{ key: "customer_id=1", fields: [WIDE] }]))[0]!;
  const gone = { key: "customer_id=1", field: WIDE, bytes: rows[0]!.bytes, expireAtMs: hoursAgo(1) / 1_000 };
  expect(await store.replace(gone, rows[0]!.bytes)).toBe(true);
  expect(await store.sweep(hoursAgo(0) / 1_000)).toBe(1);
  expect(counted(await project.runView())).toMatchObject({
    causes: { expired: 1 },
    outcomes: { missing: 1, match: 1 },
  });
});

test("a view that was never materialized fails, and says what to do", async () => {
  project = await openParityProject(STORES.memory!);
  project.write("data/base.parquet", []);
  expect(await project.runView()).toMatchObject({
    verdict: "fail",
    materialized_to: null,
    reason: expect.stringContaining("headgate materialize-incremental now"),
  });
});

test("a parity that compared less than it must fails", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["streamed", "too_old", "streamed"]);
  expect(await project.runView()).toMatchObject({ verdict: "fail", compared: 0, mismatch_rate: 0 });
  await project.close();
  project = await openParityProject(STORES.memory!);
  await plant(project, ["same", "same"]);
  const settings = { parityMinCompared: 3 };
  expect(await project.runView({ settings })).toMatchObject({
    verdict: "fail",
    reason: expect.stringContaining("(3)"),
  });
});

test("a share of mismatches that is allowed passes", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["value", "same", "same", "same"]);
  expect((await project.runView({ settings: { parityMaxMismatch: 0.24 } })).verdict).toBe("fail");
  expect(await project.runView({ settings: { parityMaxMismatch: 0.25 } })).toMatchObject({
    verdict: "pass",
    reason: "1 of 4 entities differ (1 different).",
  });
});

test("a sample that passes leaves the failing verdict of all entities, and says so, until all are looked at again", async () => {
  project = await openParityProject(STORES.memory!);
  // The sample has none of what differs.
  const sample = { share: 0.4, seed: 7 };
  await plant(
    project,
    Array.from({ length: 20 }, (_, i) => (keyHash(`customer_id=${i + 1}`, 7) < 0.4 * 2 ** 32 ? "same" : "value")),
  );
  const kept = async () => (await readParityVerdicts(project.store.control, [WIDE])).get(WIDE);
  expect(await project.runView({ sample })).not.toHaveProperty("standing_failure");
  expect(await kept()).toMatchObject({ verdict: "pass", sample });
  const { run, views } = await project.run();
  expect(views[0]).toMatchObject({ verdict: "fail" });
  const failing = await kept();
  const sampled = await project.run({ sample });
  expect(sampled).toMatchObject({ ok: true, views: [{ verdict: "pass", sample }] });
  const standing = { run, at: new Date(failing!.at_ms).toISOString(), reason: views[0]!.reason };
  expect(sampled.views[0]!.standing_failure).toEqual(standing);
  expect(await kept()).toEqual(failing);
  // What could not be compared was not looked at.
  expect((await project.runView({ projectDirectory: "/nowhere" })).standing_failure).toEqual(standing);
  await project.runView({ repair: "write" });
  expect(await project.runView()).not.toHaveProperty("standing_failure");
  expect(await kept()).toMatchObject({ verdict: "pass", sample: null });
});

test("a file that is gone is the view's error", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["same"]);
  const view = await project.runView({ projectDirectory: "/nowhere" });
  expect(view).toMatchObject({ verdict: "error", error: { code: "SOURCE_NOT_FOUND" } });
});

test("an abort stops it", async () => {
  project = await openParityProject(STORES.memory!);
  await plant(project, ["same"]);
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(project.run({ signal: aborted })).rejects.toThrow("enough");
});
