import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { array, float64, int64 } from "./field.ts";
import { parseJson } from "./json-text.ts";
import { compileFromJson } from "./json-value.ts";
import { RoundedNumber } from "./rounded-number.ts";
import { shown } from "./shown.ts";

/** What a token is exactly: whole and how much, by integers alone. */
function exactly(token: string): { readonly isWhole: boolean; readonly whole: bigint } {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(token)!;
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(`${whole}${fraction}`);
  const scale = 10n ** BigInt(Math.abs(shift));
  const value = shift >= 0 ? digits * scale : digits / scale;
  return { isWhole: shift >= 0 || digits % scale === 0n, whole: sign === "-" ? -value : value };
}

const digits = fc.oneof(
  fc.stringMatching(/^\d{1,20}$/),
  fc
    .tuple(fc.constantFrom("0", "9", "4503599627370497", "112589990684262", "1"), fc.nat(18))
    .map(([one, n]) => one.repeat(Math.max(1, n % 18)).slice(0, 20)),
);
const tokens = fc
  .record({
    sign: fc.constantFrom("", "-"),
    whole: digits.map((text) => text.replace(/^0+(?=\d)/, "")),
    fraction: fc.option(
      fc.tuple(fc.constantFrom("", "0", "9"), fc.nat(20), digits).map(([run, n, rest]) => run.repeat(n) + rest),
    ),
    exponent: fc.option(fc.tuple(fc.constantFrom("e", "E", "e+", "e-"), fc.integer({ min: 0, max: 20 }))),
  })
  .map(({ sign, whole, fraction, exponent }) =>
    [sign, whole, fraction === null ? "" : `.${fraction}`, exponent === null ? "" : exponent.join("")].join(""),
  );

test("of any number an int64 is taken exactly or not at all, and a float is what JSON.parse makes of it", () => {
  const [takeInteger, takeFloat] = [compileFromJson(int64()), compileFromJson(float64())];
  fc.assert(
    fc.property(
      tokens,
      fc.nat(20).map((n) => JSON.stringify("x".repeat(n))),
      (token, before) => {
        const { a: parsed } = parseJson(`{"before":${before},"a":${token},"b":[]}`) as { readonly a: unknown };
        const { isWhole, whole } = exactly(token);
        const taken = takeInteger(parsed);
        if (typeof taken !== "symbol") expect([isWhole, BigInt(taken as number)]).toEqual([true, whole]);
        if (isWhole && Number.isSafeInteger(Number(whole))) expect(typeof taken).toBe("number");
        expect(takeFloat(parsed)).toBe(Number(token));
      },
    ),
    { numRuns: 5_000 },
  );
});

test.each(["4503599627370497.2", "1.00000000000000001", "0.99999999999999999", "-1125899906842624.1"])(
  "%s is no integer, though the nearest double is",
  (token) => {
    const parsed = parseJson(token);
    expect(parsed).toBeInstanceOf(RoundedNumber);
    expect([String(parsed), shown(parsed), (parsed as number) + 1]).toEqual([token, token, Number(token) + 1]);
    expect(compileFromJson(int64())(parsed)).toBeTypeOf("symbol");
    expect(compileFromJson(float64())(parsed)).toBe(Number(token));
  },
);

test.each([
  ["1.0", 1],
  ["1.000000000000000000000", 1],
  ["4503599627370497.0", 4503599627370497],
  ["45035996273704970e-1", 4503599627370497],
  ["0.1234567890123456", 0.1234567890123456],
  ["1e308", 1e308],
  ["9007199254740993", 9007199254740993n],
])("%s is the number that it says", (token, number) => {
  expect(parseJson(`{"a": ${token}}`)).toEqual({ a: number });
});

test.each(["1e400", "-1e400", "1.5E+309", "123e0000400", `${"9".repeat(400)}`, `${"9".repeat(400)}.5`])(
  "%s is past every double and no float; infinity is written as a text",
  (token) => {
    expect(compileFromJson(float64())(parseJson(token))).toBeTypeOf("symbol");
    expect(compileFromJson(array(float64()))(parseJson(`[1,${token}]`))).toBeTypeOf("symbol");
    expect(compileFromJson(float64())(parseJson(`"-Infinity"`))).toBe(Number.NEGATIVE_INFINITY);
  },
);

describe("texts", () => {
  test("are what they are, whatever numbers they look like", () => {
    const event = {
      a: ":1e400",
      d: "4111111111111111111",
      b: "12.00000000000000001",
      "1e400": -1,
      c: [" 99999999999999999"],
    };
    expect(parseJson(JSON.stringify(event))).toEqual(event);
  });

  test("of a member that is there twice the last counts, on either way", () => {
    expect(parseJson(`{"a":1,"a":2}`)).toEqual({ a: 2 });
    expect(parseJson(`{"a":12345678901234567890123,"a":2}`)).toEqual({ a: 2 });
  });
});
