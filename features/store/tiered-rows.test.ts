/** Who is kept in memory, who goes for others, and what it takes. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { entity } from "../entity.ts";
import { featureService } from "../feature-service.ts";
import { featureView } from "../feature-view.ts";
import { float32, int64, string } from "../field.ts";
import { compileReadPlan } from "../read-plan.ts";
import { createFeatureReader } from "../reader.ts";
import { compileEncodeRow } from "../row-codec.ts";
import { recordSchema, StoredSchemas } from "../stored-schema.ts";
import { openMemoryStore } from "./memory.ts";
import type { ReadRequest, RowWrite } from "./online-store.ts";
import { createTieredStore } from "./tiered.ts";
import { KeptRows } from "./tiered-rows.ts";

const MAX_BYTES = 2 ** 24;
const FIELDS = ["view"];
const request = (key: string, fields: readonly string[] = FIELDS): ReadRequest => ({ key, fields });

describe("who goes for others", () => {
  /** Memory for three entities, and who is in it when each of these was read in turn. */
  const keptAfter = (...keys: readonly string[]) => {
    const found = { tier: "remote", rows: [undefined] };
    const probe = new KeptRows(MAX_BYTES);
    probe.put(request("a"), found);
    const rows = new KeptRows(3 * probe.bytes);
    for (const key of keys) if (rows.get(key) === undefined) rows.put(request(key), found);
    return [...new Set(keys)].filter((key) => rows.peek(key) !== undefined).sort();
  };

  it("is the one read longest ago", () => {
    expect(keptAfter("a", "b", "c", "d")).toEqual(["b", "c", "d"]);
    expect(keptAfter("a", "b", "c", "a", "d")).toEqual(["a", "c", "d"]);
    expect(keptAfter("a", "b", "c", "a", "b", "d", "e")).toEqual(["b", "d", "e"]);
  });

  it("is nobody for an entity that is larger than all the memory: it is not kept", () => {
    const rows = new KeptRows(1_000);
    rows.put(request("a"), { tier: "remote", rows: [undefined] });
    rows.put(request("b"), { tier: "remote", rows: [{ bytes: new Uint8Array(1_000) }] });
    expect([rows.peek("a") !== undefined, rows.peek("b"), rows.evictions]).toEqual([true, undefined, 0]);
  });
});

describe("what an entity takes in memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapBytes = () => {
    for (let i = 0; i < 4; i++) collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const FLOATS = Array.from({ length: 3 }, () => float32());
  const order = (i: number) => ({
    eventTimestampUs: 1.7e15 + i,
    createdTimestampUs: 1.7e15 + i + 60_000_000,
    generation: 3,
    sourceRank: 2,
    position: i,
  });

  it.each([
    // First, so that the numbers after it are laid out as numbers whatever was decoded before.
    [
      "one view with text",
      1,
      [string(), string()],
      (i: number) => [`a text that is not short, number ${i}`, "segment"],
    ],
    [
      "one view of four numbers",
      1,
      [int64(), ...FLOATS],
      (i: number) => [i % 50, Math.fround(i / 7), Math.fround(i / 9), 1.5],
    ],
    [
      "five views of ten, each with a null",
      5,
      [...FLOATS, ...FLOATS, ...FLOATS, int64()],
      (i: number) => Array.from({ length: 10 }, (_, f) => (f < 9 ? Math.fround(i / (f + 3)) : null)),
    ],
    [
      "five views of ten",
      5,
      [...FLOATS, ...FLOATS, ...FLOATS, int64()],
      (i: number) => Array.from({ length: 10 }, (_, f) => (f < 9 ? Math.fround(i / (f + 3)) : i)),
    ],
    ["no row", 0, [float32()], () => []],
  ] as const)("is reckoned within a fifth, however many plans read it: %s", async (_, rowCount, types, valuesOf) => {
    const ENTITIES = 20_000;
    const encode = compileEncodeRow(types);
    const { control } = openMemoryStore();
    const schema = Object.fromEntries(types.map((type, i) => [`feature_${i}`, type]));
    const customer = entity("customer", { joinKeys: { customer_id: int64() } });
    const views = Array.from({ length: Math.max(rowCount, 1) }, (_, v) =>
      featureView(`view_${v}`, { entities: [customer], schema }),
    );
    const schemaIds = await Promise.all(views.map(({ name }) => recordSchema(control, name, schema)));
    const schemas = new StoredSchemas(control);
    await schemas.fetch(schemaIds);
    const rows = (i: number): RowWrite[] =>
      views.slice(0, rowCount).map(({ name }, v) => ({
        key: `customer_id=${1_000_000 + i}`,
        field: name,
        bytes: encode(order(i), { schemaId: schemaIds[v]!, writtenAtMs: 1.7e12, originId: 17 }, valuesOf(i)),
        expireAtMs: Number.POSITIVE_INFINITY,
      }));
    // One entity at a time is in the remote store, so that what grows is the memory before it.
    let current: RowWrite[] = [];
    const remote = openMemoryStore();
    const source = {
      ...remote,
      address: "one entity",
      tiers: [],
      control: remote.control,
      read: (requests: readonly ReadRequest[]) =>
        requests.map((one) => ({
          tier: "one entity",
          rows: one.fields.map((name) => {
            const row = current.find(({ field }) => field === name);
            return row && { bytes: Buffer.from(row.bytes) };
          }),
        })),
      subscribe: remote.subscribe.bind(remote),
    };
    const store = createTieredStore(source as never, { maxBytes: 2 ** 30, now: () => 0 });
    const readers = [views, views.slice(-1)].map((read) =>
      createFeatureReader(store, schemas, compileReadPlan(featureService("service", read))),
    );
    const fill = async (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        current = rows(i);
        for (const reader of readers) await reader.read([{ customer_id: 1_000_000 + i }], [], 1.7e12);
      }
    };
    await fill(0, 500);
    const heapBefore = heapBytes();
    const reckonedBefore = store.counts().bytes;
    await fill(500, 500 + ENTITIES);
    const grownBytes = (heapBytes() - heapBefore) / ENTITIES;
    const reckonedBytes = (store.counts().bytes - reckonedBefore) / ENTITIES;
    expect(reckonedBytes / grownBytes, `${reckonedBytes} reckoned, ${grownBytes} measured`).toBeGreaterThan(0.8);
    expect(reckonedBytes / grownBytes, `${reckonedBytes} reckoned, ${grownBytes} measured`).toBeLessThan(1.2);
  });
});
