/** The offline truth, held against DuckDB's of the same files: no fault of our reader can be on both sides. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../../features/applied-registry.ts";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import {
  array,
  bool,
  bytes,
  canonicalInteger,
  type FeatureValue,
  type FieldType,
  float32,
  float64,
  int32,
  int64,
  string,
  timestamp,
} from "../../features/field.ts";
import { createRegistry } from "../../features/registry.ts";
import { readRowOrder } from "../../features/row-order.ts";
import { fileSource } from "../../features/source.ts";
import { openLmdbStore } from "../../features/store/lmdb.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { materialize } from "../materialize.ts";
import { runParity } from "./parity.ts";
import { isSameValue } from "./parity-pair.ts";
import type { ParityReport } from "./parity-result.ts";
import type { ComparedPair } from "./parity-run.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/parity/", import.meta.url));
type Shown = null | string | boolean | readonly Shown[];
const truth = JSON.parse(readFileSync(join(FIXTURES, "truth.json"), "utf8")) as { end_us: number; rows: Shown[][] };
const DAY_MS = 86_400_000;
const NOW_MS = truth.end_us / 1_000 + DAY_MS;

const SCHEMA = {
  f32: float32(),
  f64: float64(),
  i32: int32(),
  i64: int64(),
  text: string(),
  flag: bool(),
  blob: bytes(),
  at: timestamp(),
  scores: array(float32()),
};
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const golden = featureView("golden", {
  entities: [customer],
  schema: SCHEMA,
  source: fileSource({ path: "*.parquet", timestampField: "event_ts", createdField: "created" }),
});
const settings = {
  ...{ lookback: 7 * DAY_MS, maxBadRows: 0, maxFuture: 300_000, expiryGrace: 7 * DAY_MS, leaseTtl: 60_000 },
  ...{ materializeRate: 0, decodeTimeout: 60_000, parityRate: 0, parityMinCompared: 1, parityMaxMismatch: 0 },
  onlineStoreLayout: "packed",
} as const;

const directory = mkdtempSync(join(tmpdir(), "headgate-parity-test-"));
const pairs: ComparedPair["pair"][] = [];
let store: OnlineStore;
let report: ParityReport;

beforeAll(async () => {
  for (const name of ["part-0.parquet", "part-1.parquet"]) copyFileSync(join(FIXTURES, name), join(directory, name));
  mkdirSync(join(directory, "online"));
  store = openLmdbStore({ directory: join(directory, "online") });
  const registry = createRegistry([customer, golden].map((definition) => ({ definition, file: "features.ts" })));
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = await readAppliedRegistry(store.control);
  const project = { store, registry, applied, projectDirectory: directory, settings, now: () => NOW_MS };
  const holder = { host: "test", pid: process.pid };
  await materialize({ ...project, holder, range: { incremental: true, endUs: truth.end_us }, rangeRows: 300 });
  report = await runParity({
    ...project,
    rangeRows: 500,
    observerOf: () => ({
      take: (compared) => void pairs.push(...compared.map(({ pair }) => pair)),
      finish: () => [],
    }),
  });
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

test("the fixture has entities enough, ties among them", () => {
  expect(truth.rows.length).toBeGreaterThan(800);
});

test("the latest row of each entity, and every value of it, is DuckDB's", () => {
  const found = new Map(pairs.map(({ key, offline }) => [key, offline!]));
  expect(found.size).toBe(truth.rows.length);
  for (const [id, event, created, ...values] of truth.rows) {
    const row = found.get(`customer_id=${id as string}`)!;
    const order = readRowOrder(row.bytes);
    expect([order.eventTimestampUs, order.createdTimestampUs]).toEqual([Number(event), Number(created)]);
    Object.values(SCHEMA).forEach((type, i) => {
      expect(isSameValue(row.values[i]!, canonicalValue(type, values[i]!)), `customer ${id}, ${i}: ${values[i]}`).toBe(
        true,
      );
    });
  }
});

test("what is served is the same, so that parity passes", () => {
  for (const { offline, served } of pairs) {
    expect(served.values.every((value, i) => isSameValue(value, offline!.values[i]!))).toBe(true);
  }
  expect(report.views[0]).toMatchObject({
    verdict: "pass",
    compared: truth.rows.length,
    offline_entities: truth.rows.length,
    outcomes: { match: truth.rows.length },
  });
});

/** A value of the JSON in its canonical form. */
function canonicalValue(type: FieldType, shown: Shown): FeatureValue {
  if (shown === null || typeof shown === "boolean") return shown;
  if (Array.isArray(shown)) return shown.map((one) => canonicalValue({ ...type, list: false }, one) as number | null);
  const text = shown as string;
  if (type.kind === "string") return text;
  if (type.kind === "bytes") return Uint8Array.from(Buffer.from(text, "base64"));
  if (type.kind === "int64" || type.kind === "timestamp") return canonicalInteger(BigInt(text));
  return Number(text);
}
