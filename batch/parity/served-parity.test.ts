/** Served parity over small logs: the verdict, what bounds it, and what is told of what can't be compared or read. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { featureService } from "../../features/feature-service.ts";
import { featureView } from "../../features/feature-view.ts";
import { float32, float64 } from "../../features/field.ts";
import { onDemandFeatureView } from "../../features/on-demand-view.ts";
import { createRegistry } from "../../features/registry.ts";
import { requestSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { type ObjectStore, openObjectStore } from "../../object-store.ts";
import { customer, hours, NOW_MS, openScoreProject, type ScoreProject, scoreView } from "../fixtures/score-project.ts";
import { formatServedParity } from "./served-format.ts";
import { type ServedParityOptions, servedParity } from "./served-parity.ts";
import type { ServedParityReport } from "./served-result.ts";

const view = scoreView("scores", "data/*.parquet");
const streamed = featureView("streamed", { entities: [customer], schema: { clicks: float32() } });
const cart = requestSource("cart", { basket: float64() });
const ratio = onDemandFeatureView("ratio", {
  inputs: [view, cart],
  schema: { r: float64() },
  transform: () => ({ r: 0 }),
});
const service = featureService("all", [view, streamed, ratio, cart]);
const definitions = [customer, view, streamed, cart, ratio, service];
const registry = createRegistry(definitions.map((definition) => ({ definition, file: "features.ts" })));

let project: ScoreProject;
let objects: ObjectStore;
beforeEach(async () => {
  project = await openScoreProject(() => openMemoryStore(), [view, streamed, cart, ratio, service]);
  objects = openObjectStore({ directory: project.directory });
});
afterEach(async () => {
  await objects.close();
  await project.close();
});

const compare = (more: Partial<ServedParityOptions> = {}): Promise<ServedParityReport> =>
  servedParity({
    registry,
    objects,
    folder: "served",
    interval: { startUs: hours(0), endUs: hours(72) },
    maxVectors: 1_000,
    maxMismatchShare: 0.01,
    minCompared: 1,
    maxFutureMs: 300_000,
    onlineStoreLayout: "packed",
    now: () => NOW_MS,
    ...more,
  });

/** A line: customer `id` was served `score` of hour `at`, at hour `servedAt`. */
function line(id: number, score: number | null, at: number, servedAt: number, features: object = {}): string {
  const told = {
    request_id: `r${id}`,
    served_at: formatTimestampUs(hours(servedAt)),
    model: "churn",
    version: 2,
    feature_service: "all",
    entity: { customer_id: id },
    views: { scores: { status: "PRESENT", event_timestamp: formatTimestampUs(hours(at)), max_age_ms: 172_800_000 } },
    features: { "scores:score": { value: score, status: score === null ? "NULL_VALUE" : "PRESENT" }, ...features },
  };
  return `${JSON.stringify(told)}\n`;
}

function write(path: string, content: string | Uint8Array): void {
  const file = join(project.directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

test("what was served as the files have it passes", async () => {
  project.write(
    "data/a.parquet",
    [1, 2, 3].map((id) => ({ id, at: hours(1), score: id / 2 })),
  );
  write("served/2026-01-01/02/a-0.ndjson", line(1, 0.5, 1, 2) + line(2, 1, 1, 2.5));
  write("served/2026-01-01/03/b-0.ndjson.gz", gzipSync(line(3, 1.5, 1, 3)));
  const report = await compare();
  expect(report).toMatchObject({
    ok: true,
    reason: "All 3 compared values are equal.",
    from: "2026-01-01T00:00:00.000Z",
    to: "2026-01-04T00:00:00.000Z",
    log: { files: 2, vectors: 3, vectors_left_out: 0, lines_bad: 0, first_served_at: formatTimestampUs(hours(2)) },
    views: [{ view: "scores", served: 3, outcomes: { match: 3 }, offline_rows_read: 3 }],
  });
});

test("a feature that differs too often is named, with the worst of it and how to look at it", async () => {
  project.write("data/a.parquet", [
    ...[1, 2, 3, 4].map((id) => ({ id, at: hours(1), score: 1 })),
    { id: 4, at: hours(2), score: 9 },
  ]);
  write("served/2026-01-01/03/a-0.ndjson", line(1, 1, 1, 3) + line(2, 1.5, 1, 3) + line(3, 4, 1, 3) + line(4, 1, 1, 3));
  const report = await compare({ maxMismatchShare: 0.5 });
  const [feature] = report.views[0]!.features;
  expect(feature).toMatchObject({
    feature: "scores:score",
    type: "float32",
    compared: 4,
    mismatched: 3,
    mismatch_share: 0.75,
  });
  expect(feature!.causes).toEqual({ different: 2, stale: 1, missing: 0 });
  expect(
    feature!.examples.map(({ entity, outcome, served, offline }) => [entity.customer_id, outcome, served, offline]),
  ).toEqual([
    [4, "stale", 1, 9],
    [3, "different", 4, 1],
    [2, "different", 1.5, 1],
  ]);
  expect(report.reason).toBe("scores:score differs in 3 of 4 served values (75 %); at most 50 % may.");
  expect((await compare({ maxMismatchShare: 0.75 })).ok).toBe(true);
  expect(formatServedParity(report).split("\n").slice(2)).toEqual([
    "scores: 4 served rows against 5 rows of its files",
    "  score: 4 compared, 3 differ (75 %): 2 different, 1 stale",
    '    {"customer_id":4} at 2026-01-01T03:00:00.000Z: served 1 (of 2026-01-01T01:00:00.000Z), offline 9 (of 2026-01-01T02:00:00.000Z)',
    "    request r4; now: headgate features get scores customer_id=4",
    '    {"customer_id":3} at 2026-01-01T03:00:00.000Z: served 4 (of 2026-01-01T01:00:00.000Z), offline 1 (of 2026-01-01T01:00:00.000Z)',
    "    request r3; now: headgate features get scores customer_id=3",
  ]);
});

test("a row that was made late is compared from then on, and an older event never replaces a newer", async () => {
  project.write("data/a.parquet", [
    { id: 1, at: hours(4), created: hours(4), score: 4 },
    { id: 1, at: hours(2), created: hours(6), score: 2 },
    { id: 1, at: hours(5), created: hours(9), score: 5 },
  ]);
  write("served/2026-01-01/05/a-0.ndjson", line(1, 4, 4, 5));
  write("served/2026-01-01/07/a-0.ndjson", line(1, 4, 4, 7));
  write("served/2026-01-01/08/a-0.ndjson", line(1, 5, 5, 8));
  write("served/2026-01-01/10/a-0.ndjson", line(1, 4, 4, 10) + line(1, 5, 5, 10));
  const report = await compare();
  expect(report.views[0]!.outcomes).toMatchObject({ match: 3, stale: 1, offline_later: 1, newer: 0, different: 0 });
});

test("the newest are taken, and older files are not read", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  for (let hour = 1; hour < 72; hour++) {
    const day = formatTimestampUs(hours(hour));
    write(
      `served/${day.slice(0, 10)}/${day.slice(11, 13)}/a-${hour}.ndjson`,
      line(1, 1, 1, hour) + line(1, 1, 1, hour + 0.5),
    );
  }
  const { log } = await compare({ maxVectors: 5 });
  expect(log).toMatchObject({
    files: 3,
    vectors: 5,
    vectors_left_out: 1,
    last_served_at: formatTimestampUs(hours(71.5)),
  });
  const some = await compare({ interval: { startUs: hours(5.5), endUs: hours(33.5) } });
  expect(some.log).toMatchObject({ files: 29, vectors: 56, first_served_at: formatTimestampUs(hours(5.5)) });
  expect((await compare()).log).toMatchObject({ files: 71, vectors: 142 });
});

test("features without an offline history are skipped and counted", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  const others = { "streamed:clicks": 3, "ratio:r": 0.5, "cart:basket": 12.5, "gone:x": 1, "scores:gone": 1 };
  const told = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, { value, status: "PRESENT" }]));
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1, 2, told) + line(1, 1, 1, 2, told));
  const report = await compare();
  expect(report.ok).toBe(true);
  expect(report.skipped).toEqual([
    { feature: "streamed:clicks", reason: "no_file_source", values: 2 },
    { feature: "ratio:r", reason: "on_demand", values: 2 },
    { feature: "cart:basket", reason: "request", values: 2 },
    { feature: "gone:x", reason: "undeclared", values: 2 },
    { feature: "scores:gone", reason: "undeclared", values: 2 },
  ]);
});

test("lines and files that can't be read are told of and hide nothing", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  const wrong = [
    "{",
    "[]",
    line(1, 1, 1, 2).replace('"served_at"', '"served"'),
    line(1, 1, 1, 2).replace('"PRESENT"', '"THERE"'),
    line(1, 1, 1, 2).replace('"value":1', '"value":"one"'),
    line(1, 1, 1, 2).replace('"customer_id":1', '"customer_id":"one"'),
  ].map((text) => text.trimEnd());
  write("served/2026-01-01/02/a-0.ndjson", [...wrong, line(1, 1, 1, 2)].join("\n"));
  write("served/2026-01-01/02/b-0.ndjson.gz", "no gzip");
  const report = await compare({ maxMismatchShare: 1 });
  expect(report).toMatchObject({
    ok: true,
    log: { files: 2, files_unreadable: 1, lines: 7, lines_bad: 6, vectors: 1 },
  });
  expect(report.log.samples[0]).toBe("served/2026-01-01/02/b-0.ndjson.gz: incorrect header check");
  expect(report.log.samples[3]).toBe("served/2026-01-01/02/a-0.ndjson: line 3: served_at is no time");
});

test("a log that is mostly unreadable is no pass", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  write("served/2026-01-01/02/a-0.ndjson", "{bad\n".repeat(2) + line(1, 1, 1, 2).repeat(98));
  expect(await compare()).toMatchObject({
    ok: false,
    reason: "2 of the log's 100 lines can't be read (2 %); at most 1 % may.",
  });
  expect((await compare({ maxMismatchShare: 0.02 })).ok).toBe(true);
  write("served/2026-01-01/03/b-0.ndjson.gz", "no gzip");
  expect((await compare({ maxMismatchShare: 0.02 })).reason).toBe(
    "1 of the log's 2 files can't be read (50 %); at most 2 % may.",
  );
});

test("files beyond a size are not read, packed or not", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1, 2));
  write("served/2026-01-01/02/b-0.ndjson", line(1, 1, 1, 2).repeat(20));
  write("served/2026-01-01/02/c-0.ndjson.gz", gzipSync(line(1, 1, 1, 2).repeat(20)));
  const fileBytesMax = 1_000;
  const { log } = await compare({ fileBytesMax });
  expect(log).toMatchObject({ files: 3, files_unreadable: 2, vectors: 1 });
  expect(log.samples[1]).toMatch(/b-0\.ndjson: the file has \d+ bytes, more than 1000/);
});

test("too little compared is no pass", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1, 2).repeat(3) + line(1, 1, 1.5, 2).repeat(9));
  expect((await compare({ minCompared: 3 })).ok).toBe(true);
  expect(await compare({ minCompared: 4 })).toMatchObject({
    ok: false,
    min_compared: 4,
    reason: expect.stringContaining("Only 3 served rows could be compared, fewer than parityMinCompared (4)"),
  });
});

test("a share just above the limit is not written as the limit", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  write("served/2026-01-01/02/a-0.ndjson", line(1, 2, 1, 2).repeat(101) + line(1, 1, 1, 2).repeat(9_899));
  const report = await compare({ maxVectors: 100_000 });
  expect(report.reason).toBe("scores:score differs in 101 of 10,000 served values (1.01 %); at most 1 % may.");
});

test("nothing compared is no pass, and the sentence says why", async () => {
  const reasonOf = async () => {
    const { ok, reason } = await compare();
    expect(ok).toBe(false);
    return reason;
  };
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  expect(await reasonOf()).toContain("the served log has no file of that time");
  write("served/2026-01-01/02/a-0.ndjson", "{\n");
  expect(await reasonOf()).toBe("Nothing was compared: no vector that can be read is in the log's files (1).");
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1.5, 2));
  expect(await reasonOf()).toBe("Nothing was compared: of what was served is 1 newer.");
  expect(formatServedParity(await compare())).toContain("not compared: 1 served from rows that no file has");
  project.remove("data/a.parquet");
  project.write("data/b.parquet", [{ id: 2, at: hours(3), score: 1 }]);
  expect(await reasonOf()).toBe("Nothing was compared: of what was served is 1 no_history.");
});

test("files that can't be read fail the run by name", async () => {
  write("data/a.parquet", "no parquet at all");
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1, 2));
  const report = await compare();
  expect(report).toMatchObject({ ok: false, views: [{ error: { code: "PARQUET_INVALID" } }] });
  expect(report.reason).toMatch(/^Feature view "scores": data\/a\.parquet can't be read as Parquet/);
  project.remove("data/a.parquet");
  expect((await compare()).views[0]!.error).toMatchObject({ code: "SOURCE_NOT_FOUND" });
});

test("an interrupted run ends with the interruption's reason", async () => {
  project.write("data/a.parquet", [{ id: 1, at: hours(1), score: 1 }]);
  write("served/2026-01-01/02/a-0.ndjson", line(1, 1, 1, 2));
  await expect(compare({ signal: AbortSignal.abort(new Error("interrupted")) })).rejects.toThrow("interrupted");
});
