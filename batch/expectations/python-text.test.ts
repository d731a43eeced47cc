import { describe, expect, test } from "vitest";
import { bytes, float32, int64, timestamp } from "../../features/field.ts";
import { bytesText, compileText, floatText, resultValue, singleText } from "./python-text.ts";

describe("floats as Python's str() writes them", () => {
  test.each([
    [1, "1.0"],
    [-0, "-0.0"],
    [0.1, "0.1"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.2345678901234568e17, "1.2345678901234568e+17"],
    [1e22, "1e+22"],
    [0.0001, "0.0001"],
    [0.00012345, "0.00012345"],
    [1e-5, "1e-05"],
    [5e-324, "5e-324"],
    [Number.POSITIVE_INFINITY, "inf"],
  ])("%d is %s", (value, text) => {
    expect(floatText(value)).toBe(text);
  });
});

test("a single has the shortest digits that are it", () => {
  expect(singleText(Math.fround(0.1))).toBe("0.1");
  // str() of numpy 2's float32, which pandas' astype(str) is.
  const told: readonly (readonly [number, string])[] = [
    [1e6, "1e+06"],
    [999_999, "999999.0"],
    [999_999.94, "999999.94"],
    [1_234_567, "1.234567e+06"],
    [-1e6, "-1e+06"],
    [16_777_217, "1.6777216e+07"],
    [3.4e38, "3.4e+38"],
    [1e-4, "1e-04"],
    [1.1e-4, "0.00011"],
    [9.9999e-5, "9.9999e-05"],
    [1e-45, "1e-45"],
    [0, "0.0"],
  ];
  expect(told.map(([value]) => singleText(Math.fround(value)))).toEqual(told.map(([, text]) => text));
  expect(compileText(float32(), "plain")(Math.fround(16.7))).toBe("16.7");
});

test("an integer is written as a float when its column has nulls", () => {
  expect(compileText(int64(), "plain")(12)).toBe("12");
  expect(compileText(int64(), "float")(12)).toBe("12.0");
});

test("a byte order mark is a character", () => {
  expect(compileText(bytes(), "plain")(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe("\ufeffa");
});

test("bytes are written as Python's repr() does", () => {
  expect(bytesText(Buffer.from("a\0'\\\n\xff", "latin1"))).toBe('b"a\\x00\'\\\\\\n\\xff"');
});

test("timestamps are isoformat in results, a missing one is NaT", () => {
  expect(resultValue(timestamp(), 1_780_000_000_123_456)).toBe("2026-05-28T20:26:40.123456+00:00");
  expect(resultValue(timestamp(), -1)).toBe("1969-12-31T23:59:59.999999+00:00");
  expect(resultValue(timestamp(), null)).toBe("NaT");
});
