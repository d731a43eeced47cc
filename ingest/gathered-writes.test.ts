import { expect, test } from "vitest";
import type { RowWrite, WriteOutcome } from "../features/store/online-store.ts";
import { gatherWrites } from "./gathered-writes.ts";

const rows = (...keys: readonly string[]): readonly RowWrite[] =>
  keys.map((key) => ({ key, field: "view", bytes: Uint8Array.of(0), expireAtMs: 0 }));

/** A store that remembers the keys of its writes and calls those in capitals stale. */
function recordingStore() {
  const writes: string[][] = [];
  const write = async (written: readonly RowWrite[]): Promise<readonly WriteOutcome[]> => {
    writes.push(written.map(({ key }) => key));
    return written.map(({ key }) => (key === key.toUpperCase() ? "stale" : "written"));
  };
  return { writes, write };
}

test("writes of one turn are one write, and each has its own outcomes", async () => {
  const store = recordingStore();
  const gathered = gatherWrites(store);
  const outcomes = await Promise.all([gathered.write(rows("a", "B")), gathered.write(rows("C")), gathered.write([])]);
  expect(outcomes).toEqual([["written", "stale"], ["stale"], []]);
  expect(store.writes).toEqual([["a", "B", "C"]]);
  await gathered.write(rows("d"));
  expect(store.writes).toEqual([["a", "B", "C"], ["d"]]);
});

test("a write holds no more rows than the bound, unless one part alone does", async () => {
  const store = recordingStore();
  const gathered = gatherWrites(store, 2);
  await Promise.all([["a"], ["b"], ["c", "d", "e"], ["f"]].map((keys) => gathered.write(rows(...keys))));
  expect(store.writes).toEqual([["a", "b"], ["c", "d", "e"], ["f"]]);
});

test("a write that fails fails for all whose rows were in it, and for no other", async () => {
  const store = recordingStore();
  const broken = {
    write: (written: readonly RowWrite[]) =>
      written.some(({ key }) => key === "bad") ? Promise.reject(new Error("away")) : store.write(written),
  };
  const gathered = gatherWrites(broken, 2);
  const settled = await Promise.allSettled([["bad"], ["b"], ["c"]].map((keys) => gathered.write(rows(...keys))));
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});
