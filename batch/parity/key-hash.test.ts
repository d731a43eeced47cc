import { expect, test } from "vitest";
import { isSampled, keyHash } from "./key-hash.ts";

const KEYS = Array.from({ length: 100_000 }, (_, i) => `customer_id=${i}`);

test("the same key and seed give the same hash, another seed another", () => {
  // Kept: a sample must be the same with the next version, too.
  expect(keyHash("customer_id=17", 0)).toBe(2748309351);
  expect(keyHash("customer_id=17", 0)).not.toBe(keyHash("customer_id=17", 1));
  expect(keyHash("", 0)).toBeGreaterThanOrEqual(0);
});

test.each([0.01, 0.5])("a share of %d is taken of keys that differ in their last characters alone", (share) => {
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    const taken = KEYS.filter((key) => isSampled(keyHash(key, seed), share)).length;
    // Four standard deviations.
    expect(Math.abs(taken - share * KEYS.length)).toBeLessThan(4 * Math.sqrt(KEYS.length * share * (1 - share)));
  }
});

test("all and none are shares, too", () => {
  expect(KEYS.every((key) => isSampled(keyHash(key, 0), 1))).toBe(true);
  expect(KEYS.some((key) => isSampled(keyHash(key, 0), 0))).toBe(false);
});

test("parts are about equal, in a sample as well", () => {
  const parts = new Array<number>(61).fill(0);
  const sampled = KEYS.map((key) => keyHash(key, 3)).filter((hash) => isSampled(hash, 0.5));
  for (const hash of sampled) parts[hash % 61]!++;
  expect(Math.min(...parts)).toBeGreaterThan(0.8 * (sampled.length / 61));
  expect(Math.max(...parts)).toBeLessThan(1.2 * (sampled.length / 61));
});
