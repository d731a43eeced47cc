import fc from "fast-check";
import { expect, test } from "vitest";
import { ownsRow, parseShard, touchesFile } from "./shard.ts";

test.each(["1/1", "2/8", "1000/1000"])("%s is a shard", (text) => {
  const [index, of] = text.split("/").map(Number);
  expect(parseShard(text)).toEqual({ index, of });
});

test.each(["0/4", "5/4", "1", "1/", "a/b", "-1/4", "1.5/4", "1/1001", "1/4/4", ""])('"%s" is none', (text) => {
  expect(() => parseShard(text)).toThrow(/write which shard this is, from 1, and how many/);
});

test("every range of every file has one shard, which knows to open the file, and parts are even", () => {
  const files = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(files, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (rowsOf, of, rangeRows) => {
      const rowsTotal = rowsOf.reduce((sum, rows) => sum + rows, 0);
      const parts = new Array<number>(of).fill(0);
      let rowsBefore = 0;
      for (const rows of rowsOf) {
        for (let row = 0; row < rows; row += rangeRows) {
          const owners = parts.flatMap((_, i) => {
            const share = { shard: { index: i + 1, of }, rowsBefore, rowsTotal };
            if (!ownsRow(share, row)) return [];
            expect(touchesFile(share, rows)).toBe(true);
            return [i];
          });
          expect(owners.length).toBe(1);
          parts[owners[0]!]! += Math.min(rangeRows, rows - row);
        }
        rowsBefore += rows;
      }
      expect(parts.reduce((sum, rows) => sum + rows, 0)).toBe(rowsTotal);
      for (const rows of parts) expect(Math.abs(rows - rowsTotal / of)).toBeLessThan(rangeRows + 1);
    }),
  );
});
