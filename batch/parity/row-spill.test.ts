import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keyHash } from "./key-hash.ts";
import { partGroups, partsFor, RowSpill } from "./row-spill.ts";

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
          spill.put(keyHash(key, 0), key, tag * 2 ** 24, bytesOf(length, tag));
          expected.set(part, [...(expected.get(part) ?? []), [key, length, tag * 2 ** 24]]);
        }
        for (let part = 0; part < parts; part++) {
          const taken = Array.from(spill.take(part), ({ key, bytes, tag, hash }) => ({ key, bytes, tag, hash }));
          expect(taken.map(({ key, bytes, tag }) => [key, bytes.length, tag])).toEqual(expected.get(part) ?? []);
          for (const { key, hash } of taken) expect(hash).toBe(keyHash(key, 0));
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

describe("in a folder of its own", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "headgate-spill-test-"));
    vi.stubEnv("TMPDIR", folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  test("its file has no name while it is open", () => {
    const spill = new RowSpill(1);
    spill.put(0, "customer_id=1", 0, bytesOf(300_000, 1));
    expect(readdirSync(folder)).toEqual([]);
    spill.close();
  });

  test("one that can't be made, or can't be written, says where and what to do", () => {
    const failure = { code: "SPILL_FAILED", message: expect.stringContaining("Set TMPDIR to a folder with room") };
    const spill = new RowSpill(1);
    spill.close();
    const fill = () => {
      for (const key of ["a", "b"]) spill.put(0, key, 0, bytesOf(300_000, 1));
    };
    expect(fill).toThrow(expect.objectContaining(failure));
    vi.stubEnv("TMPDIR", join(folder, "missing"));
    expect(() => new RowSpill(1)).toThrow(expect.objectContaining(failure));
    expect(() => new RowSpill(1)).toThrow("missing");
  });
});

test("few rows are worked on together, many part by part", () => {
  expect(partGroups([0, 3, 0, 5])).toEqual([[0, 1, 2, 3]]);
  expect(partGroups([4_000, 96, 1, 5_000, 7])).toEqual([[0, 1], [2], [3], [4]]);
  expect(partGroups([])).toEqual([]);
});

test("parts are so many that each is small, within a bound", () => {
  expect([0, 1, 4_096, 4_097, 1_000_000, 10 ** 9].map(partsFor)).toEqual([1, 1, 1, 2, 245, 512]);
});
