import fc from "fast-check";
import { expect, test } from "vitest";
import {
  array,
  bool,
  bytes,
  canonicalInteger,
  type FeatureValue,
  type FieldType,
  float32,
  float64,
  int32,
  int64,
  string,
  timestamp,
} from "../../features/field.ts";
import { parseJson } from "../../features/json-text.ts";
import { compileEventTimeText, compileFeastTake, compileFeastTakeKey, compileFeastText } from "./feast-json.ts";

const int64s = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(canonicalInteger);
/** Whole seconds, in the µs that memory has. */
const seconds = fc
  .integer({ min: -2_208_988_800, max: 253_402_300_799 })
  .map((s) => canonicalInteger(BigInt(s) * 1_000_000n));
const scalars: readonly (readonly [FieldType, fc.Arbitrary<FeatureValue>])[] = [
  [int32(), fc.integer()],
  [int64(), int64s],
  [float32(), fc.float()],
  [float64(), fc.double()],
  [string(), fc.string({ unit: "grapheme" })],
  [bool(), fc.boolean()],
  [bytes(), fc.uint8Array()],
  [timestamp(), seconds],
];
const types = scalars.flatMap(([type, values]): readonly (readonly [FieldType, fc.Arbitrary<FeatureValue>])[] => [
  [type, fc.option(values)],
  [array(type), fc.option(fc.array(fc.option(values)) as fc.Arbitrary<FeatureValue>)],
]);
const typed = fc.oneof(...types.map(([type, values]) => values.map((value) => ({ type, value }))));

test("whatever is written for Feast is taken back as it was", () => {
  fc.assert(
    fc.property(typed, ({ type, value }) => {
      expect(compileFeastTake(type)(parseJson(compileFeastText(type)(value)))).toEqual(value);
    }),
  );
});

test("a float's text has a point or an exponent, or is no number", () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      expect(compileFeastText(float64())(value)).toMatch(/^-?\d+(\.\d+)?e[+-]\d+$|^-?\d+\.\d+$|^"(NaN|-?Infinity)"$/);
    }),
  );
});

test("an integer key is the same as a number and as a text", () => {
  const take = compileFeastTakeKey(int64());
  fc.assert(
    fc.property(int64s, (value) => {
      expect(take(String(value))).toBe(take(value));
    }),
  );
});

test("an event time says the microsecond it was, with 0, 3 or 6 digits", () => {
  const text = compileEventTimeText();
  fc.assert(
    fc.property(fc.integer({ min: -2_208_988_800_000_000, max: 4_000_000_000_000_000 }), (us) => {
      const [, fraction = ""] = /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?Z"$/.exec(text(us))!;
      expect([0, 3, 6]).toContain(fraction.length);
      const ms = Date.parse(`${JSON.parse(text(us)).slice(0, 19)}Z`);
      expect(ms * 1_000 + Number(fraction.padEnd(6, "0"))).toBe(us);
    }),
  );
});
