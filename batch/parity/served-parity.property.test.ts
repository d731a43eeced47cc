/**
 * Served parity against a naive oracle: random histories in random files, random servings. And values of every type, from
 * the gateway's line to the comparison, bit by bit.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { featureService } from "../../features/feature-service.ts";
import { type FeatureStatus, STATUS } from "../../features/feature-status.ts";
import { featureView } from "../../features/feature-view.ts";
import {
  array,
  bool,
  bytes,
  compileAccept,
  type FeatureValue,
  float32,
  float64,
  int32,
  int64,
  string,
  timestamp,
} from "../../features/field.ts";
import { compileReadPlan } from "../../features/read-plan.ts";
import { createRegistry } from "../../features/registry.ts";
import { fileSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { compileServedLine } from "../../gateway/served-log-line.ts";
import { openObjectStore } from "../../object-store.ts";
import {
  customer,
  HOUR,
  hours,
  NOW_MS,
  openScoreProject,
  type ScoreRow,
  scoreView,
} from "../fixtures/score-project.ts";
import { isSameValue } from "./parity-pair.ts";
import { compileTakeLine } from "./served-line.ts";
import { servedParity } from "./served-parity.ts";
import type { ServedOutcome } from "./served-result.ts";

const LAST_HOUR = 12;
const FILES = ["data/a.parquet", "data/b.parquet", "data/c.parquet"];
const TTL_HOURS = 5;

const offlineRow = fc.record({
  file: fc.nat(FILES.length - 1),
  id: fc.nat(1),
  hour: fc.nat(LAST_HOUR),
  /** Made so many hours after the event; −1 is refused, null is not said. */
  madeAfter: fc.option(fc.integer({ min: -1, max: 9 }), { freq: 8 }),
  // No 0: the writer of these files has one entry for 0 and −0 in its dictionary.
  score: fc.constantFrom(1, 2, 3, -0, Number.NaN, null),
});
const serving = fc.record({
  id: fc.nat(2),
  /** Half hours, so that servings lie between the hours of events and on them. */
  atHalves: fc.integer({ min: 0, max: 2 * LAST_HOUR + 8 }),
  eventHour: fc.option(fc.integer({ min: -1, max: LAST_HOUR }), { freq: 6 }),
  /** Served is the entity and the event of this offline row, where there is one. */
  ofRow: fc.option(fc.nat(30), { freq: 3 }),
  score: fc.constantFrom(1, 2, 3, -0, 0, Number.NaN, null),
});
const drawn = fc.record({
  rows: fc.array(offlineRow, { maxLength: 25 }),
  servings: fc.array(serving, { minLength: 1, maxLength: 15 }),
  hasCreated: fc.boolean(),
  hasTtl: fc.boolean(),
  rowGroupSize: fc.integer({ min: 1, max: 6 }),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer Value> ? Value : never;

/** A row with what orders it. */
interface NaiveRow {
  readonly at: number;
  readonly knownAt: number;
  readonly created: number;
  readonly position: number;
  readonly score: number | null;
}

function naiveRows(files: ReadonlyMap<string, readonly ScoreRow[]>, id: number, hasCreated: boolean): NaiveRow[] {
  return [...files.values()].flatMap((rows, file) =>
    rows.flatMap((row, position) => {
      // The first file was written a millisecond before the second.
      const fileCreated = NOW_MS * 1_000 + (file + 1) * 1_000;
      const created = (hasCreated ? row.created : null) ?? fileCreated;
      const isRefused = row.at! - created > 300_000_000;
      if (row.id !== id || isRefused) return [];
      const knownAt = hasCreated ? Math.max(row.at!, row.created ?? row.at!) : row.at!;
      return [{ at: row.at!, knownAt, created, position, score: row.score }];
    }),
  );
}

const isNewer = (a: NaiveRow, b: NaiveRow): boolean =>
  a.at !== b.at ? a.at > b.at : a.created !== b.created ? a.created > b.created : a.position > b.position;

/** The definition, word by word, for one serving. */
function naiveOutcome(
  rows: readonly NaiveRow[],
  served: { readonly at: number; readonly event: number | undefined; readonly score: number | null },
  maxAge: number,
  firstEvent: number,
): ServedOutcome {
  const known = rows.filter((row) => row.knownAt <= served.at);
  const offline = known.find((row) => known.every((other) => other === row || isNewer(row, other)));
  const offlineCounts = offline !== undefined && served.at - offline.at <= maxAge;
  const servedCounts = served.event !== undefined && served.at - served.event <= maxAge;
  if (!offlineCounts && !servedCounts) return "absent";
  if (served.event === undefined) return "missing";
  if (offline !== undefined && offline.at === served.event)
    return Object.is(offline.score, served.score) ? "match" : "different";
  if (offline !== undefined && offline.at > served.event)
    return servedCounts && Object.is(offline.score, served.score) ? "match" : "stale";
  if (rows.some((row) => row.at === served.event)) return "offline_later";
  return firstEvent > served.event ? "no_history" : "newer";
}

async function isAsTheOracleSays({ rows, servings, hasCreated, hasTtl, rowGroupSize }: Drawn): Promise<void> {
  const source = hasCreated ? {} : { createdField: undefined as never };
  const view = scoreView("scores", "data/*.parquet", { ttl: hasTtl ? `${TTL_HOURS}h` : "300d", ...source });
  const service = featureService("all", [view]);
  const project = await openScoreProject(() => openMemoryStore(), [view, service]);
  const objects = openObjectStore({ directory: project.directory });
  try {
    const files = new Map<string, ScoreRow[]>(FILES.map((path) => [path, []]));
    const tie = (i: number) => i;
    for (const [i, { file, id, hour, madeAfter, score }] of rows.entries()) {
      const at = hours(hour);
      // Microseconds tell rows of one hour apart, across files too.
      const created = madeAfter === null ? null : at + madeAfter * HOUR + tie(i);
      files.get(FILES[file]!)!.push({ id, at, created, score });
    }
    project.write("data/0.parquet", []);
    for (const [path, content] of files) project.write(path, content, rowGroupSize);
    const maxAgeHours = hasTtl ? TTL_HOURS : 300 * 24;
    const asked = servings.map(({ ofRow, atHalves, ...free }) => {
      const row = ofRow === null ? undefined : rows[ofRow];
      const { id, eventHour, score } = row === undefined ? free : { ...row, eventHour: row.hour };
      const at = hours(0) + (atHalves * HOUR) / 2;
      const event = eventHour === null ? undefined : hours(eventHour);
      return { id, at, event, score, isFresh: event !== undefined && at - event <= maxAgeHours * HOUR };
    });
    writeLog(
      project.directory,
      asked,
      compileServedLine({ model: { name: "m", version: 1 }, reader: { plan: compileReadPlan(service) } }),
    );
    const registry = createRegistry([customer, view, service].map((definition) => ({ definition, file: "f.ts" })));
    const interval = { startUs: hours(0), endUs: hours(100) };
    const limits = {
      maxVectors: 1_000,
      maxMismatchShare: 0,
      minCompared: 1,
      maxFutureMs: 300_000,
      onlineStoreLayout: "packed" as const,
      rangeRows: 4,
      now: () => NOW_MS,
    };
    const report = await servedParity({ registry, objects, folder: "served", interval, ...limits });
    const expected: Record<string, number> = {};
    const firstEvent = Math.min(...rows.map(({ hour }) => hours(hour)));
    for (const one of asked) {
      const outcome = naiveOutcome(naiveRows(files, one.id, hasCreated), one, maxAgeHours * HOUR, firstEvent);
      expected[outcome] = (expected[outcome] ?? 0) + 1;
    }
    const [found] = report.views;
    expect(nonZero(found!.outcomes)).toEqual(expected);
    const [feature] = found!.features;
    const { match = 0, different = 0, stale = 0, missing = 0 } = expected;
    expect(feature).toMatchObject({
      compared: match + different + stale + missing,
      causes: { different, stale, missing },
    });
    expect(report.ok).toBe(match > 0 && different + stale + missing === 0);
  } finally {
    await objects.close();
    await project.close();
  }
}

type Served = {
  readonly id: number;
  readonly at: number;
  readonly event: number | undefined;
  readonly score: number | null;
  readonly isFresh: boolean;
};

function writeLog(directory: string, asked: readonly Served[], line: ReturnType<typeof compileServedLine>): void {
  for (const [i, { id, at, event, score, isFresh }] of asked.entries()) {
    const status: FeatureStatus =
      event === undefined ? STATUS.NOT_FOUND : isFresh ? STATUS.PRESENT : STATUS.OUTSIDE_MAX_AGE;
    const value = isFresh ? score : null;
    const statuses = [status === STATUS.PRESENT && value === null ? STATUS.NULL_VALUE : status];
    const views = [{ status, eventTimestampUs: event, tier: "memory" }];
    const text = line(`r${i}`, at / 1_000, { customer_id: id }, { values: [value], statuses, views });
    const hour = new Date(at / 1_000).toISOString();
    const folder = join(directory, "served", hour.slice(0, 10), hour.slice(11, 13));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `gw-${i}.ndjson`), text);
  }
}

const nonZero = (counts: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(counts).filter(([, times]) => times > 0));

test("whatever the history and whenever it was served, the report is the naive one", { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(drawn, isAsTheOracleSays), { numRuns: 150 });
});

const TYPES = {
  i32: int32(),
  i64: int64(),
  f32: float32(),
  f64: float64(),
  s: string(),
  b: bool(),
  raw: bytes(),
  t: timestamp(),
  list: array(float32()),
  wide: array(int64()),
};
const int64s = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const VALUES = fc.record({
  i32: fc.option(fc.integer()),
  i64: fc.option(int64s),
  f32: fc.option(fc.float()),
  f64: fc.option(fc.double()),
  s: fc.option(fc.string({ unit: "binary" })),
  b: fc.option(fc.boolean()),
  raw: fc.option(fc.uint8Array({ maxLength: 5 })),
  t: fc.option(int64s),
  list: fc.option(fc.array(fc.option(fc.float()), { maxLength: 3 })),
  wide: fc.option(fc.array(fc.option(int64s), { maxLength: 3 })),
});

test("values of every type come back from a line bit by bit, with the entity key that the files lead to", () => {
  const source = fileSource({ path: "x.parquet", timestampField: "t" });
  const view = featureView("wide", { entities: [customer], schema: TYPES, source });
  const service = featureService("all", [view]);
  const registry = createRegistry([customer, view, service].map((definition) => ({ definition, file: "f.ts" })));
  const line = compileServedLine({ model: { name: "m", version: 1 }, reader: { plan: compileReadPlan(service) } });
  const take = compileTakeLine(registry);
  const accept = Object.values(TYPES).map((type) => compileAccept(type));
  fc.assert(
    fc.property(VALUES, int64s, (drawnValues, id) => {
      const values = Object.values(drawnValues).map((value, i) => accept[i]!(value) as FeatureValue);
      const statuses = values.map((value) => (value === null ? STATUS.NULL_VALUE : STATUS.PRESENT));
      const views = [{ status: STATUS.PRESENT, eventTimestampUs: 1_234_567_890_123_456, tier: "memory" }];
      const { rows, skipped } = take(line("r", NOW_MS, { customer_id: id }, { values, statuses, views }).trimEnd());
      const { row } = rows[0]!;
      expect([row.key, row.eventTimestampUs, skipped]).toEqual([`customer_id=${id}`, 1_234_567_890_123_456, []]);
      for (const [i, value] of values.entries()) expect(isSameValue(row.values[i]!, value)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
