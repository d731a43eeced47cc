/**
 * Rows through Feast's layout and back, bit by bit, whatever they hold; and newest wins while Feast writes into the same
 * hash, against a naive oracle: a Map, numbers and the rules in words.
 */

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { findRedis, startRedis } from "../../test/harness/redis.ts";
import {
  canonicalInteger,
  compileAccept,
  type FeatureValue,
  type FieldType,
  int64,
  type ScalarKind,
  type Schema,
  string,
  timestamp,
} from "../field.ts";
import { compileDecodeValues, compileEncodeRow, encodeTombstone } from "../row-codec.ts";
import { isTombstone, type RowOrder, readRowOrder } from "../row-order.ts";
import { recordSchema } from "../stored-schema.ts";
import { compileFeastKeys } from "./feast-key.ts";
import { createFeastLayout } from "./feast-layout.ts";
import { compileFeastRows } from "./feast-row.ts";
import { encodeFeastTime } from "./feast-timestamp.ts";
import { compileFeastValues } from "./feast-value.ts";
import type { OnlineStore } from "./online-store.ts";
import { openRedisStore } from "./redis.ts";
import { readBytes, scanAll } from "./test-fixtures/rows.ts";

const wide = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(canonicalInteger);
const SCALARS: Record<ScalarKind, fc.Arbitrary<Exclude<FeatureValue, null | readonly unknown[]>>> = {
  int32: fc.integer(),
  int64: fc.oneof(wide, fc.integer(), fc.constantFrom(2 ** 53 - 1, 2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n)),
  timestamp: fc.oneof(wide, fc.constantFrom(0, -1, 1.7e15, 1.7e15 + 1, -1_000_000)),
  float32: fc.oneof(fc.float(), fc.constantFrom(-0, 0, Number.NaN, Math.fround(0.1))),
  float64: fc.oneof(fc.double(), fc.constantFrom(-0, 0.1, Number.NaN, 2 ** 60, Number.MIN_VALUE)),
  string: fc.string({ unit: "grapheme" }),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 200 }),
};
const FIELD = fc.constantFrom(...(Object.keys(SCALARS) as ScalarKind[])).chain((kind) =>
  fc.boolean().chain((list) => {
    const one = fc.option(SCALARS[kind], { freq: 6 });
    const value: fc.Arbitrary<FeatureValue> = list ? fc.option(fc.array(one, { maxLength: 20 }), { freq: 8 }) : one;
    return value.map((made) => ({ type: { kind, list } as FieldType, value: made }));
  }),
);
const ORDER = fc.record({
  eventTimestampUs: fc.oneof(
    fc.constantFrom(0, -1, 999_999, 1_000_000, 1.7e15 + 1),
    fc.integer({ min: -2e15, max: 5e15 }),
  ),
  createdTimestampUs: fc.integer({ min: -2e15, max: 5e15 }),
  generation: fc.nat(300),
  sourceRank: fc.nat(2),
  position: fc.maxSafeNat(),
});

test("a row comes back as the bytes it was, of every type, with nulls and parts of seconds", () => {
  const property = fc.property(
    fc.array(FIELD, { minLength: 1, maxLength: 12 }),
    ORDER,
    fc.nat(),
    (fields, order, originId) => {
      const schema: Schema = Object.fromEntries(fields.map(({ type }, i) => [`f${i}`, type]));
      const values = fields.map(({ type, value }) => compileAccept(type)(value) as FeatureValue);
      const row = compileEncodeRow(Object.values(schema))(
        order,
        { schemaId: 300, writtenAtMs: 1.7e12, originId },
        values,
      );
      const rows = compileFeastRows({ name: "view", schema });
      const { header, time, values: stored } = rows.encode(row, values);
      const found = [time, header, ...stored].map((bytes) => Buffer.from(bytes));
      expect(Buffer.compare(rows.decode(found, 0, 300)!, row)).toBe(0);
      const gone = encodeTombstone(order);
      const deleted = rows.encode(gone, undefined);
      const left = [deleted.time, deleted.header].map((bytes) => Buffer.from(bytes));
      expect(Buffer.from(rows.decode([...left, ...stored.map(() => null)], 0, 300)!)).toEqual(Buffer.from(gone));
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});

const SCHEMA = { count: int64(), name: string(), at: timestamp() };
const VIEW = { name: "view", joinKeys: { id: int64() }, schema: SCHEMA };
const encodeRow = compileEncodeRow(Object.values(SCHEMA));
const decodeValues = compileDecodeValues(Object.values(SCHEMA));
const found = findRedis();

const OURS = fc.record({
  kind: fc.constant("ours" as const),
  order: fc.record({
    eventTimestampUs: fc.constantFrom(1, 2, 1e6, 1e6 + 1, 1.7e15),
    createdTimestampUs: fc.constantFrom(0, 1.7e15),
    generation: fc.constantFrom(1, 2),
    sourceRank: fc.constantFrom(1, 2),
    position: fc.nat(1),
  }),
  count: fc.option(fc.constantFrom(undefined, -1, 0, 1, 2n ** 53n + 1n)),
});
const FEAST = fc.record({
  kind: fc.constant("feast" as const),
  eventTimestampUs: fc.constantFrom(1, 2, 1e6, 1e6 + 1, 1.7e15),
  nanos: fc.constantFrom(0, 1),
  count: fc.option(fc.constantFrom(3, 4)),
  // As Feast does with skip_dedup, and after its delete of the view.
  how: fc.constantFrom("guarded", "blindly", "deleted"),
});
type Ours = typeof OURS extends fc.Arbitrary<infer T> ? T : never;
type Feast = typeof FEAST extends fc.Arbitrary<infer T> ? T : never;
const STEPS = fc.array(fc.oneof(OURS, FEAST), { minLength: 1, maxLength: 14 });

type Count = number | bigint | null | undefined;
/** `order` is undefined for a row of Feast's; `count` of a delete's. */
interface Held {
  readonly eventNs: bigint;
  readonly order: RowOrder | undefined;
  readonly count: Count;
}

describe.skipIf("missing" in found)("on a Redis that Feast writes to", () => {
  let client: Redis;
  let store: OnlineStore;
  let schemaId = 0;
  const project = `t${randomUUID()}`;
  const keys = compileFeastKeys(VIEW.joinKeys, project);
  const rows = compileFeastRows(VIEW);

  beforeAll(async () => {
    const server = await startRedis("program" in found ? found.program : "");
    client = new Redis(server.url);
    store = await openRedisStore(server.url, {
      keyPrefix: project,
      layout: (control) =>
        createFeastLayout(control, { project, keyTtlSeconds: undefined, views: new Map([["view", VIEW]]) }),
    });
    schemaId = await recordSchema(store.control, "view", SCHEMA);
  });
  afterAll(async () => {
    client.disconnect();
    await store.close();
  });

  const write = async (id: number, order: RowOrder, count: Count) => {
    const header = { schemaId, writtenAtMs: 0, originId: 1 };
    const bytes = count === undefined ? encodeTombstone(order) : encodeRow(order, header, [count, "ours", 1_500_000]);
    const [outcome] = await store.write([
      { key: `id=${id}`, field: "view", bytes, expireAtMs: Number.POSITIVE_INFINITY },
    ]);
    return outcome;
  };

  /** What Feast's online_write_batch does, of one row. */
  const writeAsFeast = async (id: number, eventTimestampUs: number, nanos: number, count: Count) => {
    const key = Buffer.from(keys.keyOf(`id=${id}`)!, "latin1");
    const time = Buffer.concat([encodeFeastTime(eventTimestampUs), Buffer.from(nanos === 0 ? [] : [0x10, nanos])]);
    const values = [count ?? null, "feast", null];
    const pairs = Object.values(SCHEMA).flatMap((type, i) => [
      Buffer.from(rows.features[i]!, "latin1"),
      Buffer.from(compileFeastValues(type).encode(values[i]!)),
    ]);
    await client.hset(key, "_ts:view", time, ...pairs);
  };

  const deleteAsFeast = async (id: number) => {
    const key = Buffer.from(keys.keyOf(`id=${id}`)!, "latin1");
    await client.hdel(key, "_ts:view", ...rows.features.map((field) => Buffer.from(field, "latin1")));
  };

  const takeOurs = async (id: number, held: Held | undefined, { order, count }: Ours): Promise<Held> => {
    const next = { eventNs: BigInt(order.eventTimestampUs) * 1_000n, order, count };
    const difference = held === undefined ? 1 : newer(next, held);
    const expected = difference > 0 ? "written" : difference === 0 ? "equal" : "stale";
    expect(await write(id, order, count)).toBe(expected);
    return difference > 0 ? next : held!;
  };

  const takeFeast = async (id: number, held: Held | undefined, step: Feast): Promise<Held> => {
    // The nanos are one more field behind a time of whole seconds.
    const nanos = step.eventTimestampUs % 1e6 === 0 ? step.nanos : 0;
    const eventNs = BigInt(step.eventTimestampUs) * 1_000n + BigInt(nanos);
    if (step.how === "guarded" && held !== undefined && eventNs <= held.eventNs) return held;
    if (step.how === "deleted") await deleteAsFeast(id);
    await writeAsFeast(id, step.eventTimestampUs, nanos, step.count);
    return { eventNs, order: undefined, count: step.count };
  };

  it("ends with what the oracle says, and tells it of each row", { timeout: 90_000 }, async () => {
    let id = 0;
    const property = fc.asyncProperty(STEPS, async (steps) => {
      id++;
      let held: Held | undefined;
      for (const step of steps) {
        held = step.kind === "ours" ? await takeOurs(id, held, step) : await takeFeast(id, held, step);
      }
      expectHeld((await readBytes(store, `id=${id}`))!, held!);
    });
    await fc.assert(property, { numRuns: 250 });
    const scanned = await scanAll(store, "view", 100);
    expect(scanned.size).toBe(id);
  });

  function expectHeld(bytes: Uint8Array, { eventNs, order, count }: Held): void {
    expect(readRowOrder(bytes).eventTimestampUs).toBe(Number(eventNs / 1_000n));
    expect(readRowOrder(bytes)).toMatchObject(order ?? { generation: 0, sourceRank: 0 });
    expect(isTombstone(bytes)).toBe(count === undefined);
    if (count === undefined) return;
    const expected = order === undefined ? [count, "feast", null] : [count, "ours", 1_500_000];
    expect(decodeValues(bytes)).toEqual(expected);
  }
});

function newer(a: Held, b: Held): number {
  const difference = Number(a.eventNs / 1_000n - b.eventNs / 1_000n);
  if (difference !== 0) return difference;
  if (b.order === undefined) return 1;
  const parts = ["createdTimestampUs", "generation", "sourceRank", "position"] as const;
  const part = parts.find((name) => a.order![name] !== b.order![name]);
  if (part !== undefined) return a.order![part] - b.order[part];
  if (a.count === undefined || b.count === undefined)
    return Number(a.count === undefined) - Number(b.count === undefined);
  const [x, y] = [a, b].map(({ count }) => Buffer.from(compileFeastValues(int64()).encode(count ?? null)));
  return x!.length - y!.length || Buffer.compare(x!, y!);
}
