import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareRows,
  isTombstone,
  payloadOffset,
  ROW_ORDER_MAX_BYTES,
  type RowOrder,
  readEventTimestampUs,
  readRowOrder,
  writeRowOrder,
} from "./row-order.ts";

const YEAR_1900_US = Date.UTC(1900, 0, 1) * 1_000;
const YEAR_2150_US = Date.UTC(2150, 0, 1) * 1_000;

/** Integers of every length, and those beside a power of 256, where a length ends. */
const integer = (min: number, max: number) => {
  const edges = [min, min + 1, max - 1, max, -1, 0, 1];
  for (let power = 256; power <= 2 ** 48; power *= 256)
    for (const sign of [-1, 1]) for (const step of [-1, 0, 1]) edges.push(sign * power + step);
  return fc.oneof(
    fc.integer({ min, max }),
    fc.integer({ min: 0, max: 53 }).map((bits) => Math.min(max, 2 ** bits)),
    fc.constantFrom(...edges.filter((edge) => edge >= min && edge <= max)),
  );
};
const TIMESTAMP = integer(YEAR_1900_US, YEAR_2150_US);
const COUNT = integer(0, Number.MAX_SAFE_INTEGER);
const ORDER: fc.Arbitrary<RowOrder> = fc.record({
  eventTimestampUs: TIMESTAMP,
  createdTimestampUs: TIMESTAMP,
  generation: COUNT,
  sourceRank: COUNT,
  position: COUNT,
});
/** Two orders that share each part as often as not, so that every part comes to decide. */
const PAIR = fc
  .tuple(ORDER, ORDER, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }))
  .map(
    ([a, b, shares]) =>
      [
        a,
        Object.fromEntries(PARTS.map((part, i) => [part, (shares[i] ? a : b)[part]])) as unknown as RowOrder,
      ] as const,
  );

const PARTS = ["eventTimestampUs", "createdTimestampUs", "generation", "sourceRank", "position"] as const;

function encode(order: RowOrder): Buffer {
  const bytes = Buffer.alloc(ROW_ORDER_MAX_BYTES, 0xee);
  return bytes.subarray(0, writeRowOrder(bytes, 0, order));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function compareNumbers(a: RowOrder, b: RowOrder): number {
  const part = PARTS.find((name) => a[name] !== b[name]);
  return part === undefined ? 0 : Math.sign(a[part] - b[part]);
}

describe("the order of a row", () => {
  it("comes back from its bytes, wherever they were written", () => {
    fc.assert(
      fc.property(ORDER, fc.nat(20), fc.uint8Array({ maxLength: 20 }), (order, offset, payload) => {
        const into = new Uint8Array(offset + ROW_ORDER_MAX_BYTES + payload.length);
        const end = writeRowOrder(into, offset, order);
        into.set(payload, end);
        const row = into.subarray(offset, end + payload.length);
        expect(readRowOrder(row)).toEqual(order);
        expect(readEventTimestampUs(row)).toBe(order.eventTimestampUs);
        expect(payloadOffset(row)).toBe(end - offset);
        expect(isTombstone(row)).toBe(payload.length === 0);
        expect(into.subarray(0, offset).every((byte) => byte === 0)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("compares as memcmp of the bytes does, which is how the five numbers compare", () => {
    fc.assert(
      fc.property(PAIR, fc.uint8Array({ maxLength: 4 }), ([a, b], payload) => {
        const [x, y] = [encode(a), encode(b)];
        const expected = compareNumbers(a, b);
        expect(Math.sign(Buffer.compare(x.subarray(1), y.subarray(1)))).toBe(expected);
        // Of equal orders the delete is newer.
        const tie = payload.length === 0 ? 0 : 1;
        expect(Math.sign(compareRows(Buffer.concat([x, payload]), y))).toBe(expected || -tie + 0);
        expect(Math.sign(compareRows(x, Buffer.concat([y, payload])))).toBe(expected || tie);
      }),
      { numRuns: 5_000 },
    );
  });

  it("when equal leaves it to the values, whatever the header, and wherever the other row lies", () => {
    const header = fc
      .array(integer(0, 2 ** 21 - 1), { minLength: 3, maxLength: 3 })
      .map((numbers) => numbers.flatMap(varint));
    const values = fc.array(fc.constantFrom(0, 0x7f, 0x80, 0xff), { maxLength: 3 });
    const part = fc.tuple(header, values);
    fc.assert(
      fc.property(ORDER, part, part, fc.nat(8), (order, [aHeader, aValues], [bHeader, bValues], offset) => {
        const a = Buffer.concat([encode(order), Buffer.from([...aHeader, ...aValues])]);
        const b = Buffer.concat([encode(order), Buffer.from([...bHeader, ...bValues])]);
        const expected = Buffer.compare(Buffer.from(aValues), Buffer.from(bValues));
        const around = Buffer.concat([Buffer.alloc(offset), b, Buffer.alloc(offset, 0xff)]);
        expect(Math.sign(compareRows(a, b))).toBe(expected);
        expect(Math.sign(compareRows(a, around, offset, offset + b.length))).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is never the beginning of another's bytes", () => {
    fc.assert(
      fc.property(PAIR, ([a, b]) => {
        const [x, y] = [encode(a).subarray(1), encode(b).subarray(1)];
        const shared = Math.min(x.length, y.length);
        const isPrefix = Buffer.compare(x.subarray(0, shared), y.subarray(0, shared)) === 0;
        expect(isPrefix).toBe(compareNumbers(a, b) === 0);
      }),
      { numRuns: 5_000 },
    );
  });

  it("takes no more than its stated bytes, and few where the numbers are small", () => {
    fc.assert(fc.property(ORDER, (order) => encode(order).length <= ROW_ORDER_MAX_BYTES));
    const largest = Number.MAX_SAFE_INTEGER;
    const extremes = {
      eventTimestampUs: -largest,
      createdTimestampUs: 0,
      generation: largest,
      sourceRank: largest,
      position: largest,
    };
    expect(encode(extremes).length).toBeLessThanOrEqual(ROW_ORDER_MAX_BYTES);
    const usual = {
      eventTimestampUs: 1.7e15,
      createdTimestampUs: 1.7e15 + 3.6e9,
      generation: 1,
      sourceRank: 1,
      position: 60_000,
    };
    expect(encode(usual).length).toBe(1 + 8 + 5 + 2 + 2 + 3);
  });
});
