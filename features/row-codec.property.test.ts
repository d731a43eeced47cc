/** Rows round-trip bit by bit: whatever a field can hold comes back the same, from every type at once. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalInteger, compileAccept, type FeatureValue, type FieldType, type ScalarKind } from "./field.ts";
import { compileDecodeValues, compileEncodeRow, encodeTombstone, readRowHeader, readSchemaId } from "./row-codec.ts";
import { isTombstone, readEventTimestampUs } from "./row-order.ts";
import { EARLIEST_EVENT_US, LATEST_EVENT_US } from "./timestamp.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(canonicalInteger);
const SCALARS: Record<ScalarKind, fc.Arbitrary<Exclude<FeatureValue, null | readonly unknown[]>>> = {
  int32: fc.integer(),
  int64: fc.oneof(int64, fc.integer(), fc.constantFrom(2 ** 53 - 1, 2n ** 53n, -(2n ** 53n))),
  timestamp: int64,
  float32: fc.oneof(
    fc.float(),
    fc.integer({ min: -5, max: 5 }),
    fc.constantFrom(-0, 0, Number.NaN, 2 ** 32, Math.fround(0.1)),
  ),
  float64: fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, 0.1, Number.NaN, 2 ** 60, 1e300, Number.MIN_VALUE)),
  string: fc.string({ unit: "grapheme" }),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 40 }),
};

const field = fc.constantFrom(...(Object.keys(SCALARS) as ScalarKind[])).chain((kind) =>
  fc.boolean().chain((list) => {
    const one = fc.option(SCALARS[kind], { freq: 8 });
    const value: fc.Arbitrary<FeatureValue> = list ? fc.option(fc.array(one, { maxLength: 5 }), { freq: 8 }) : one;
    return value.map((made) => ({ type: { kind, list } as FieldType, value: made }));
  }),
);
const timeUs = fc.integer({ min: EARLIEST_EVENT_US, max: LATEST_EVENT_US - 1 });
const small = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());

test("values, order and header come back as they went in", () => {
  fc.assert(
    fc.property(
      fc.array(field, { minLength: 1, maxLength: 20 }),
      timeUs,
      timeUs,
      small,
      small,
      small,
      (fields, event, created, ...ids) => {
        const types = fields.map(({ type }) => type);
        const values = fields.map(({ type, value }) => compileAccept(type)(value) as FeatureValue);
        const [generation, position, schemaId] = ids;
        const order = { eventTimestampUs: event, createdTimestampUs: created, generation, sourceRank: 2, position };
        const header = { schemaId, writtenAtMs: Math.floor(created / 1000), originId: 7 };
        const row = compileEncodeRow(types)(order, header, values);
        expect(readRowHeader(row)).toEqual({ order, ...header });
        expect(readSchemaId(row)).toBe(schemaId);
        expect(readEventTimestampUs(row)).toBe(event);
        expect(isTombstone(row)).toBe(false);
        const back = compileDecodeValues(types)(row);
        expect(back).toHaveLength(values.length);
        for (const [i, value] of values.entries())
          expect(sameBits(back[i], value), `${i}: ${String(value)}`).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a row of the example's kind takes 43 bytes, and its floats 5 each", () => {
  const types: FieldType[] = [
    { kind: "int64", list: false },
    { kind: "float32", list: false },
    { kind: "float32", list: false },
    { kind: "float32", list: false },
  ];
  const eventTimestampUs = Date.UTC(2026, 10, 23) * 1_000;
  const order = {
    eventTimestampUs,
    createdTimestampUs: eventTimestampUs + 600e6,
    generation: 1,
    sourceRank: 2,
    position: 17,
  };
  const header = { schemaId: 1, writtenAtMs: eventTimestampUs / 1_000 + 3_600_000, originId: 1 };
  const row = compileEncodeRow(types)(order, header, [3, 37.3, 0.02, 17.5].map(Math.fround));
  expect(row).toHaveLength(43);
});

test("one double that would lose bits widens its row and changes no value", () => {
  const types: FieldType[] = [
    { kind: "float32", list: false },
    { kind: "float64", list: false },
  ];
  const order = { eventTimestampUs: 0, createdTimestampUs: 0, generation: 1, sourceRank: 1, position: 0 };
  const header = { schemaId: 1, writtenAtMs: 0, originId: 1 };
  const encode = compileEncodeRow(types);
  const exact = encode(order, header, [Math.fround(0.1), 0.5]);
  const wide = encode(order, header, [Math.fround(0.1), 0.1]);
  expect(wide.length - exact.length).toBe(8);
  expect(compileDecodeValues(types)(wide)).toEqual([Math.fround(0.1), 0.1]);
});

test("a tombstone is nothing but its order", () => {
  const order = { eventTimestampUs: 5, createdTimestampUs: 9, generation: 0, sourceRank: 1, position: 3 };
  const row = encodeTombstone(order);
  expect(isTombstone(row)).toBe(true);
  expect(readEventTimestampUs(row)).toBe(5);
});

function sameBits(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => sameBits(one, b[i]));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return Object.is(a, b);
}
