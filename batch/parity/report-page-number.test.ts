import { expect, test } from "vitest";
import {
  age,
  axisCount,
  axisNumber,
  instant,
  jsonLine,
  percent,
  percentOf,
  wholeNumber,
} from "./report-page-number.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

test("counts have separators, and axes are short", () => {
  expect([0, 999, 1_234_567].map(wholeNumber)).toEqual(["0", "999", "1,234,567"]);
  expect([9_999_999, 12_345_678, 1e300].map(axisCount)).toEqual(["9,999,999", "12.3M", expect.stringMatching(/T$/)]);
  expect(wholeNumber(Number.NaN)).toBe("–");
});

test("a share never rounds to none or to all", () => {
  const shares: readonly (readonly [number, string])[] = [
    [0, "0 %"],
    [1, "100 %"],
    [0.5, "50 %"],
    [0.131_6, "13.16 %"],
    [1 / 3, "33.33 %"],
    [0.000_077, "0.0077 %"],
    [1e-9, "0.0000001 %"],
    [1 - 1e-6, "99.9999 %"],
    [1.25, "125 %"],
    [Number.NaN, "–"],
  ];
  for (const [share, text] of shares) expect(plain(percent(share)), String(share)).toBe(text);
  expect(percentOf(3, 0)).toBe("–");
});

test("ages are in the unit that fits, and ahead of the clock they are negative", () => {
  const seconds = [0, 0.25, 59, 130, 7_300, 86_400, 345_600, -90];
  expect(seconds.map((one) => plain(age(one)))).toEqual([
    ...["0 s", "250 ms", "59 s", "2.2 min", "2 h", "24 h", "4 d", "−90 s"],
  ]);
});

test("an axis has as many digits as tell its ends apart", () => {
  expect(axisNumber(412.75, 0, 412.75)).toBe("412.8");
  expect(axisNumber(-12_000, -12_000, 9_800_000)).toBe("−12,000");
  const [low, high] = [1_000_000.000_1, 1_000_000.000_2];
  expect(axisNumber(low, low, high)).not.toBe(axisNumber(high, low, high));
  expect(axisNumber(1e-17, -1, 1)).toBe("0");
  expect(axisNumber(1.5e300, -1.5e300, 1.5e300)).toBe("1.5e300");
  expect(axisNumber(-1.7e308, -1.7e308, 1.7e308)).toBe("−1.7e308");
  expect(axisNumber(2.5e-7, 0, 2.5e-7)).toBe("2.5e−7");
  expect(axisNumber(5, 5, 5)).toBe("5");
});

test("a time keeps its digits, and what is none stays as it is", () => {
  expect(plain(instant("2026-11-22T02:15:00.120344Z"))).toBe("2026-11-22 02:15:00.120344 UTC");
  expect(plain(instant("2026-11-22T02:15:00.000Z"))).toBe("2026-11-22 02:15:00 UTC");
  expect(instant("2026-11-22T02:15:00+01:00")).toBe("2026-11-22 02:15:00+01:00");
  expect(instant("<b>")).toBe("<b>");
});

test("a value is exact, and cut where it is long", () => {
  expect(jsonLine([9007199254740993n, "a", null, Number.NaN, -0])).toBe('[9007199254740993,"a",null,"NaN",-0]');
  expect(jsonLine("x".repeat(1_000))).toHaveLength(161);
});
