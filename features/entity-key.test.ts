import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileEntityKey, ENTITY_KEY_MAX_BYTES, parseEntityKey, parseJoinKey } from "./entity-key.ts";
import { bool, bytes, type FieldType, int32, int64, string, timestamp } from "./field.ts";

describe("the entity key", () => {
  test("is the canonical query string of the join keys, sorted by name", () => {
    const keyOf = compileEntityKey({ product_id: string(), customer_id: int64() });
    expect(keyOf([17, "a/b c"])).toBe("customer_id=17&product_id=a%2Fb%20c");
  });

  test("is empty for a view without entities", () => {
    expect(compileEntityKey({})([])).toBe("");
  });

  test.each([
    [int64(), 9007199254740993n, "k=9007199254740993"],
    [int64(), -1, "k=-1"],
    [int64(), -0, "k=0"],
    [int32(), 7, "k=7"],
    [bool(), true, "k=true"],
    [string(), "", "k="],
    [string(), "!'()*", "k=%21%27%28%29%2A"],
    [bytes(), new Uint8Array([255, 0]), "k=_wA"],
    [timestamp(), 1_700_000_000_000_000, "k=1700000000000000"],
  ] as [FieldType, unknown, string][])("%j of %s is %s", (type, value, key) => {
    expect(compileEntityKey({ k: type })([value])).toBe(key);
  });

  test.each([
    [int64(), 1.7],
    [int64(), "17"],
    [int64(), "abc"],
    [int64(), 2 ** 53],
    [int64(), 2n ** 63n],
    [int64(), null],
    [int64(), undefined],
    [int32(), 2 ** 31],
    [string(), 17],
    [string(), "\ud800"],
    [bool(), 1],
  ] as [FieldType, unknown][])("refuses for %j the value %s, naming the join key", (type, value) => {
    expect(() => compileEntityKey({ customer_id: type })([value])).toThrow(/"customer_id" must be an? /);
  });

  test("longer than the bound is refused with the bound", () => {
    const keyOf = compileEntityKey({ k: string() });
    expect(keyOf(["a".repeat(ENTITY_KEY_MAX_BYTES - 2)])).toHaveLength(ENTITY_KEY_MAX_BYTES);
    expect(() => keyOf(["a".repeat(ENTITY_KEY_MAX_BYTES)])).toThrow(String(ENTITY_KEY_MAX_BYTES));
  });

  test("is told apart for different entities and gives its join keys back", () => {
    const joinKeys = { a: string(), b: int64(), c: bytes(), d: bool() };
    const keyOf = compileEntityKey(joinKeys);
    const entity = fc.tuple(
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.uint8Array({ maxLength: 8 }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(entity, entity, (left, right) => {
        const key = keyOf(left);
        const [a, b, c, d] = left;
        const back = parseEntityKey(key, joinKeys)!;
        expect([back.a, BigInt(back.b as number), back.c, back.d]).toEqual([a, b, c, d]);
        expect(key === keyOf(right)).toBe(JSON.stringify(show(left)) === JSON.stringify(show(right)));
        expect(key).toMatch(/^[\x21-\x7e]*$/);
      }),
      { numRuns: 500 },
    );
  });

  test("of other join keys is not parsed", () => {
    expect(parseEntityKey("x=1", { y: int64() })).toBeUndefined();
    expect(parseEntityKey("y=1&z=2", { y: int64() })).toBeUndefined();
    expect(parseEntityKey("y=%zz", { y: string() })).toBeUndefined();
  });
});

describe("a join key from a URL's text", () => {
  test("takes the text of its type and no other", () => {
    expect(parseJoinKey("id", int64(), "9007199254740993")).toBe(9007199254740993n);
    expect(parseJoinKey("id", int64(), "-5")).toBe(-5);
    expect(parseJoinKey("id", bool(), "true")).toBe(true);
    expect(parseJoinKey("id", string(), "17")).toBe("17");
    for (const text of ["1.7", "abc", "", " 1", "1e3", "99999999999999999999"]) {
      expect(() => parseJoinKey("id", int64(), text), text).toThrow(/"id" must be an int64/);
    }
  });

  test("takes a timestamp as µs or as RFC 3339, bytes in either base64", () => {
    const dayUs = Date.UTC(2026, 10, 22) * 1_000;
    for (const text of [String(dayUs), "2026-11-22", "2026-11-22T01:00:00+01:00"]) {
      expect(parseJoinKey("at", timestamp(), text)).toBe(dayUs);
    }
    for (const text of ["_wA", "_wA=", "/wA", "/wA="]) {
      expect(parseJoinKey("id", bytes(), text)).toEqual(new Uint8Array([255, 0]));
    }
    expect(() => parseJoinKey("at", timestamp(), "yesterday")).toThrow(/"at" must be a timestamp, not "yesterday"/);
    expect(() => parseJoinKey("id", bytes(), "A")).toThrow(/"id" must be a bytes, not "A"/);
  });
});

function show(entity: readonly unknown[]): unknown {
  return entity.map((part) => (part instanceof Uint8Array ? [...part] : typeof part === "bigint" ? `${part}n` : part));
}
