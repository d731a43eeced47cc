/**
 * The part of conformance.ts that is about newest wins, as properties of random batches against a naive oracle. That
 * compares orders as numbers, never as bytes, so that it shares nothing with what it checks. Each run has keys of its
 * own: one store serves them all.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import type { RowOrder } from "../../row-order.ts";
import type { OnlineStore, RowWrite, WriteOutcome } from "../online-store.ts";
import { readBytes, rowBytes, rowWrite, textOf } from "./rows.ts";

const SMALL_ORDER = fc.record({
  eventTimestampUs: fc.oneof(
    fc.integer({ min: -2, max: 2 }),
    fc.constantFrom(-(2 ** 40), 255, 256, 1.7e15, 1.7e15 + 1),
  ),
  createdTimestampUs: fc.constantFrom(0, 1, 1.7e15),
  generation: fc.nat(1),
  sourceRank: fc.nat(1),
  position: fc.constantFrom(0, 1, 255, 256, Number.MAX_SAFE_INTEGER),
});
const EVENT = fc.record({
  entity: fc.nat(2),
  field: fc.constantFrom("view", "other"),
  order: SMALL_ORDER,
  /** Texts of which bytes above 0x7f are part, or a delete. */
  values: fc.constantFrom(undefined, "", "a", "ab", "b", "ü"),
});
const BATCHES = fc.array(fc.array(EVENT, { maxLength: 8 }), { minLength: 1, maxLength: 6 });

/** The naive store: one row after the other, newest by the numbers of its order, then by its values. */
function oracle() {
  const rows = new Map<string, DrawnWrite>();
  const write = (row: DrawnWrite): WriteOutcome => {
    const stored = rows.get(idOf(row));
    const newer = stored === undefined ? 1 : compareNumbers(row.order, stored.order) || compareTexts(row, stored);
    if (newer > 0) rows.set(idOf(row), row);
    return newer > 0 ? "written" : newer === 0 ? "equal" : "stale";
  };
  return { rows, write };
}

function compareNumbers(a: RowOrder, b: RowOrder): number {
  const parts = ["eventTimestampUs", "createdTimestampUs", "generation", "sourceRank", "position"] as const;
  const part = parts.find((name) => a[name] !== b[name]);
  return part === undefined ? 0 : a[part] - b[part];
}

/** A delete is newer than a row of its order. */
function compareTexts({ values: a }: DrawnWrite, { values: b }: DrawnWrite): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

interface DrawnWrite extends RowWrite {
  readonly order: RowOrder;
  readonly values: string | undefined;
}

const idOf = ({ field, key }: DrawnWrite): string => `${field}/${key}`;

/** Turns events into writes; each has a header of its own, so that a kept row is told from a replaced one. */
function writesOf(prefix: string, batches: readonly (readonly EventOf[])[]): DrawnWrite[][] {
  let count = 0;
  return batches.map((batch) =>
    batch.map(({ entity, field, order, values }) => {
      // Three varints, the second of two bytes.
      const payload =
        values === undefined ? undefined : Buffer.from([1, 0x80 + count, 1, count++, ...Buffer.from(values)]);
      const bytes = rowBytes(order, payload);
      return { key: `${prefix}=${entity}`, field, bytes, expireAtMs: Number.POSITIVE_INFINITY, order, values };
    }),
  );
}
type EventOf = typeof EVENT extends fc.Arbitrary<infer T> ? T : never;

/** Newest wins: against the oracle, among concurrent writers, and for deletes. */
export function describeNewestWins(store: () => OnlineStore): void {
  let run = 0;
  const expectRows = async (rows: ReturnType<typeof oracle>["rows"]) => {
    for (const [id, { bytes }] of rows) {
      const [field, key] = id.split("/");
      expect(await readBytes(store(), key!, field!)).toEqual(Buffer.from(bytes));
    }
  };

  it("tells of each row, in any order of arrival and any split into batches, what the oracle tells", async () => {
    const property = fc.asyncProperty(BATCHES, async (batches) => {
      const { rows, write } = oracle();
      for (const batch of writesOf(`arrival${run++}`, batches)) {
        const expected = batch.map(write);
        expect(await store().write(batch)).toEqual(expected);
      }
      await expectRows(rows);
    });
    await fc.assert(property, { numRuns: 100 });
  });

  it("ends with the newest whichever of several concurrent writers comes first", async () => {
    const property = fc.asyncProperty(BATCHES, fc.infiniteStream(fc.nat()), async (batches, random) => {
      const { rows, write } = oracle();
      const writes = writesOf(`concurrent${run++}`, batches);
      // Of equal rows whichever came first stays with its header, so only one of them takes part.
      const taken = new Set<string>();
      const distinct = writes.map((batch) => batch.filter((row) => isFirst(taken, row)));
      for (const row of distinct.flat()) write(row);
      const shuffled = distinct.map((batch) => ({ batch, at: random.next().value })).sort((a, b) => a.at - b.at);
      await Promise.all(shuffled.map(({ batch }) => store().write(batch)));
      await expectRows(rows);
    });
    await fc.assert(property, { numRuns: 100 });
  });

  it("ends with the same of two rows of one order, whichever comes first", async () => {
    const low = rowWrite("tied=1", 10, Buffer.from([9, 9, 9, 1]));
    const high = rowWrite("tied=1", 10, Buffer.from([1, 0xff, 1, 1, 0xe0]));
    const again = rowWrite("tied=1", 10, Buffer.from([2, 2, 2, 0xe0]));
    const gone = rowWrite("tied=1", 10);
    expect(await store().write([low, high, again, low])).toEqual(["written", "written", "equal", "stale"]);
    expect(await readBytes(store(), "tied=1")).toEqual(high.bytes);
    expect(await store().write([gone, gone, high])).toEqual(["written", "equal", "stale"]);
  });

  it("keeps a delete against older rows and gives way to newer ones", async () => {
    await store().write([rowWrite("deleted=1", 10, "old"), rowWrite("deleted=1", 20)]);
    expect(await store().write([rowWrite("deleted=1", 15, "late")])).toEqual(["stale"]);
    expect(await readBytes(store(), "deleted=1")).toEqual(rowBytes({ eventTimestampUs: 20 }));
    expect(await store().write([rowWrite("deleted=1", 30, "back")])).toEqual(["written"]);
    expect(textOf((await readBytes(store(), "deleted=1"))!)).toBe("back");
  });
}

function isFirst(taken: Set<string>, row: DrawnWrite): boolean {
  const label = JSON.stringify([idOf(row), Object.values(row.order), row.values ?? null]);
  return !taken.has(label) && taken.add(label).has(label);
}
