import { expect, test } from "vitest";
import { FNV_OFFSET, fmix32, fnv1a, fnv1aNext } from "./text-hash.ts";

test("FNV-1a has the values that its authors publish", () => {
  // http://www.isthe.com/chongo/src/fnv/test_fnv.c, 32 bits.
  expect(["", "a", "b", "foobar"].map((text) => fnv1a(FNV_OFFSET, text) >>> 0)).toEqual([
    0x811c9dc5, 0xe40c292c, 0xe70c2de5, 0xbf9cf968,
  ]);
});

test("fmix32 has MurmurHash3's values", () => {
  // The hash of nothing under the seeds 0 and 1, which is the last step alone.
  expect([0, 1, 0xffffffff].map(fmix32)).toEqual([0, 0x514e28b7, 0x81f16f39]);
});

test("a text after another is not the two as one", () => {
  const pair = (one: string, other: string) => fnv1a(fnv1aNext(fnv1a(FNV_OFFSET, one)), other);
  expect(pair("ab", "c")).not.toBe(pair("a", "bc"));
});
