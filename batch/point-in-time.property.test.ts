import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeTombstone } from "../features/row-codec.ts";
import { type RowOrder, readRowOrder } from "../features/row-order.ts";
import { latestPerEntity, latestUnsorted } from "./point-in-time.ts";
import { addRow, createRowBlock, packRows, unpackRows } from "./row-batch.ts";

const few = fc.integer({ min: -2, max: 2 });
const order: fc.Arbitrary<RowOrder> = fc.record({
  eventTimestampUs: few,
  createdTimestampUs: few,
  generation: fc.constant(1),
  sourceRank: fc.constant(2),
  position: fc.nat(3),
});
const drawnRows = fc.array(fc.record({ key: fc.constantFrom("id=1", "id=10", "id=2", "id=%C3%A4"), order }));

const WEIGHTS = ["eventTimestampUs", "createdTimestampUs", "position"] as const;

function isAtLeast(a: RowOrder, b: RowOrder): boolean {
  for (const part of WEIGHTS) if (a[part] !== b[part]) return a[part] > b[part];
  return true;
}

test("of each entity's rows the one last by event, created and position is left, sorted by key", () => {
  fc.assert(
    fc.property(drawnRows, fc.integer({ min: 1, max: 5 }), (drawn, slice) => {
      const block = createRowBlock();
      for (const [i, row] of drawn.entries()) {
        addRow(block, { key: row.key, field: "view", bytes: encodeTombstone(row.order), expireAtMs: i });
      }
      const naive = new Map<string, number>();
      for (const [i, { key, order: own }] of drawn.entries()) {
        const other = naive.get(key);
        if (other === undefined || isAtLeast(own, drawn[other]!.order)) naive.set(key, i);
      }
      const latest = [...unpackRows(packRows("view", block, latestPerEntity(block)), slice)].flat();
      expect(latest.map(({ key, field, bytes, expireAtMs }) => [key, field, readRowOrder(bytes), expireAtMs])).toEqual(
        [...naive].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, i]) => [key, "view", drawn[i]!.order, i]),
      );
      expect([...latestUnsorted(block)].sort((a, b) => a - b)).toEqual([...naive.values()].sort((a, b) => a - b));
    }),
  );
});
