import { describe, expect, test } from "vitest";
import { entity } from "./entity.ts";
import { featureView } from "./feature-view.ts";
import { float32, int64, timestamp } from "./field.ts";
import { isTombstone, readRowOrder } from "./row-order.ts";
import type { OnlineStoreLayout } from "./store/key-refusal.ts";
import { openMemoryStore } from "./store/memory.ts";
import { createViewWriter, rowExpiryMs, type SourceRow } from "./writer.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 23);
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const view = featureView("spend", { entities: [customer], ttl: "2d", schema: { orders: int64(), amount: float32() } });
const options = {
  applied: { schemaId: 1, generation: 4 },
  originId: 1,
  sourceRank: 2,
  maxFutureMs: 300_000,
  expiryGraceMs: 7 * DAY,
  onlineStoreLayout: "packed" as const,
};
const writer = createViewWriter({ store: openMemoryStore(), view, ...options });
const row: SourceRow = {
  entity: [17],
  values: [3, 1.5],
  eventTimestampUs: NOW * 1_000,
  createdTimestampUs: NOW * 1_000,
  position: 9,
};

describe("encode", () => {
  test("gives the row its key, its order and its expiry", () => {
    const encoded = writer.encode(row, NOW);
    if ("refused" in encoded) throw new Error(encoded.refused);
    expect(encoded).toMatchObject({ key: "customer_id=17", field: "spend", expireAtMs: NOW + 9 * DAY });
    expect(readRowOrder(encoded.bytes)).toEqual({
      eventTimestampUs: NOW * 1_000,
      createdTimestampUs: NOW * 1_000,
      generation: 4,
      sourceRank: 2,
      position: 9,
    });
  });

  test.each([
    ["a null key", { entity: [null] }, /"customer_id" must be an int64, not null/],
    ["a key of another type", { entity: ["17"] }, /"customer_id" must be an int64/],
    ["a value of another type", { values: [3, "1.5"] }, /"amount" is "1\.5", not float32/],
    ["a fraction for an integer", { values: [3.5, 1] }, /"orders" is 3\.5, not int64/],
    ["a list of hostile values", { values: [[1n, [2n]], 1] }, /"orders" is a list of 2, not int64/],
    ["an integer beyond int64", { values: [2n ** 63n, 1] }, /"orders" is 9223372036854775808, not int64/],
    ["bytes for a number", { values: [new Uint8Array(9), 1] }, /"orders" is 9 bytes, not int64/],
    ["a null timestamp", { eventTimestampUs: null }, /the timestamp is null/],
    ["nanoseconds for microseconds", { eventTimestampUs: NOW * 1_000_000 }, /between 1900 and 2150/],
    ["a NaN timestamp", { eventTimestampUs: Number.NaN }, /the timestamp is NaN/],
    ["an event dated ahead of its record", { eventTimestampUs: (NOW + 300_001) * 1_000 }, /ahead of its record/],
  ])("refuses %s with the reason", (_, wrong, reason) => {
    const refusal = writer.encode({ ...row, ...wrong }, NOW);
    expect("refused" in refusal && refusal.refused).toMatch(reason);
  });

  test("in Feast's layout refuses a time for a key that is not of whole seconds, and in any other takes it", () => {
    const shift = entity("shift", { joinKeys: { customer_id: int64(), began: timestamp() } });
    const shifts = featureView("shifts", { entities: [shift], schema: { orders: int64() } });
    const store = openMemoryStore();
    const outcome = (began: unknown, onlineStoreLayout: OnlineStoreLayout) => {
      const { encode } = createViewWriter({ ...options, store, view: shifts, onlineStoreLayout });
      const encoded = encode({ ...row, entity: [began, 17], values: [3] }, NOW);
      return "refused" in encoded ? encoded.refused : encoded.key;
    };
    for (const began of [-1, 1_500_001, 2n ** 53n + 1n]) {
      expect(outcome(began, "packed")).toBe(`began=${began}&customer_id=17`);
      expect(outcome(began, "feast")).toMatch(
        /^join key "began" is .*, and in Feast's layout timestamps are whole seconds/,
      );
    }
    for (const began of [0, -1_000_000, 10n ** 16n])
      expect(outcome(began, "feast")).toBe(`began=${began}&customer_id=17`);
    expect(outcome("x", "feast")).toMatch(/must be a timestamp/);
  });

  test("an event a little ahead of its record is taken", () => {
    expect(writer.encode({ ...row, eventTimestampUs: (NOW + 300_000) * 1_000 }, NOW)).toHaveProperty("bytes");
  });

  test("an absent value is null, a row without values a tombstone that lives ttl and grace from now", () => {
    expect(writer.encode({ ...row, values: [3] }, NOW)).toHaveProperty("bytes");
    const old = { ...row, values: undefined, eventTimestampUs: (NOW - 100 * DAY) * 1_000 };
    const tombstone = writer.encode(old, NOW);
    if ("refused" in tombstone) throw new Error(tombstone.refused);
    expect(isTombstone(tombstone.bytes)).toBe(true);
    expect(tombstone.expireAtMs).toBe(NOW + 9 * DAY);
  });
});

test("a row is kept for ttl and grace after its event, never less than the grace from now, without a ttl for ever", () => {
  expect(rowExpiryMs(2 * DAY, 7 * DAY, NOW * 1_000, NOW)).toBe(NOW + 9 * DAY);
  expect(rowExpiryMs(2 * DAY, 7 * DAY, (NOW - 100 * DAY) * 1_000, NOW)).toBe(NOW + 7 * DAY);
  expect(rowExpiryMs(undefined, 7 * DAY, NOW * 1_000, NOW)).toBe(Number.POSITIVE_INFINITY);
});
