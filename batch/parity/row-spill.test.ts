import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyHash } from "./key-hash.ts";
import { partsFor, RowSpill } from "./row-spill.ts";

const bytesOf = (length: number, fill: number) => new Uint8Array(length).fill(fill);

test("rows come back as they were put, by part and in order, rows larger than a block too", () => {
  const rows = fc.array(fc.tuple(fc.nat(30), fc.nat(90_000), fc.nat(255)), { maxLength: 60 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 512 }), (put, parts) => {
      const spill = new RowSpill(parts);
      try {
        const expected = new Map<number, unknown[]>();
        for (const [id, length, tag] of put) {
          const key = `customer_id=${id}`;
          const part = keyHash(key, 0) % parts;
          spill.put(keyHash(key, 0), key, bytesOf(length, tag), tag * 2 ** 24);
          expected.set(part, [...(expected.get(part) ?? []), [key, length, tag * 2 ** 24]]);
        }
        for (let part = 0; part < parts; part++) {
          const taken = [...spill.take(part)];
          expect(taken.map(({ key, bytes, tag }) => [key, bytes.length, tag])).toEqual(expected.get(part) ?? []);
          for (const { bytes, tag } of taken) expect(bytes.every((byte) => byte === tag / 2 ** 24)).toBe(true);
          expect([...spill.take(part)]).toEqual([]);
        }
      } finally {
        spill.close();
      }
    }),
    { numRuns: 60 },
  );
});

test("its file has no name while it is open", () => {
  const named = () =>
    readdirSync(tmpdir()).filter((name) => name.startsWith("headgate-parity-") && !name.includes("test"));
  const before = named().length;
  const spill = new RowSpill(1);
  expect(named().length).toBeLessThanOrEqual(before);
  spill.close();
});

test("parts are so many that each is small, within a bound", () => {
  expect([0, 1, 16_384, 16_385, 1_000_000, 10 ** 9].map(partsFor)).toEqual([1, 1, 1, 2, 62, 512]);
});
