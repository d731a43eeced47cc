import { expect, test } from "vitest";
import { array, bytes, type FieldType, float32, float64, int64, REFUSED, string, timestamp } from "./field.ts";
import { compileFromJson, toJson, writeJson } from "./json-value.ts";

test.each([
  [float64(), "NaN", Number.NaN],
  [float32(), "-Infinity", Number.NEGATIVE_INFINITY],
  [float64(), 10n ** 20n, 1e20],
  [int64(), 9007199254740993n, 9007199254740993n],
  [bytes(), "/wA=", new Uint8Array([255, 0])],
  [timestamp(), "2026-11-22T00:00:00Z", Date.UTC(2026, 10, 22) * 1_000],
  [array(timestamp()), ["2026-11-22T00:00:00Z", null], [Date.UTC(2026, 10, 22) * 1_000, null]],
  [bytes(), "_wA", new Uint8Array([255, 0])],
  [timestamp(), "9999-12-31T23:59:59.999999Z", 253402300799999999n],
  [string(), null, null],
] as [FieldType, unknown, unknown][])("JSON for %j: %s is taken", (type, json, value) => {
  expect(compileFromJson(type)(json)).toEqual(value);
});

test.each([
  [float64(), "1"],
  [float64(), "nan"],
  [int64(), "17"],
  [int64(), "NaN"],
  [bytes(), "%"],
  [bytes(), "AAAAA"],
  [bytes(), "_wA=="],
  [bytes(), 1],
  [timestamp(), "yesterday"],
] as [FieldType, unknown][])("JSON for %j: %s is refused", (type, json) => {
  expect(compileFromJson(type)(json)).toBe(REFUSED);
});

test("values are written exactly", () => {
  const values: [FieldType, never, string][] = [
    [int64(), 9007199254740993n as never, "9007199254740993"],
    [float32(), Math.fround(0.1) as never, "0.10000000149011612"],
    [float64(), -0 as never, "-0"],
    [float64(), Number.NaN as never, '"NaN"'],
    [timestamp(), (Date.UTC(2026, 10, 22) * 1_000 + 7) as never, '"2026-11-22T00:00:00.000007Z"'],
    [timestamp(), 253402300799999999n as never, '"9999-12-31T23:59:59.999999Z"'],
    [timestamp(), -(2n ** 55n + 1n) as never, '"0828-04-17T00:49:41.036031Z"'],
    [timestamp(), (2n ** 62n) as never, "4611686018427387904"],
    [bytes(), new Uint8Array([255, 0]) as never, '"/wA="'],
    [array(float64()), [1, null, Number.POSITIVE_INFINITY] as never, '[1,null,"Infinity"]'],
  ];
  for (const [type, value, text] of values) expect(writeJson(toJson(type, value))).toBe(text);
  expect(writeJson({ a: 'x"y', b: [true, null], c: 2n ** 63n })).toBe(
    '{"a":"x\\"y","b":[true,null],"c":9223372036854775808}',
  );
});
