import { expect, test } from "vitest";
import { checkEnd, parseInstantUs, parseInterval } from "./interval.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 12);

test.each([
  ["now", NOW_MS * 1_000],
  [" NOW ", NOW_MS * 1_000],
  ["2026-11-22", Date.UTC(2026, 10, 22) * 1_000],
  ["2026-11-22T02:00:00Z", Date.UTC(2026, 10, 22, 2) * 1_000],
  ["2026-11-22T02:00:00.123456+02:00", Date.UTC(2026, 10, 22) * 1_000 + 123_456],
])("%s", (text, us) => {
  expect(parseInstantUs(text, "end", NOW_MS)).toBe(us);
});

test.each(["", "yesterday", "2026-02-30", "22.11.2026", "1763769600", "1899-12-31", "2150-01-01"])(
  "%j is refused",
  (text) => {
    expect(() => parseInstantUs(text, "end", NOW_MS)).toThrow(/^The end ".*" is not a time .*; write 2026-11-22,/);
  },
);

test("a start that is not before its end is refused", () => {
  expect(parseInterval("2026-11-01", "now", NOW_MS)).toEqual({
    startUs: Date.UTC(2026, 10, 1) * 1_000,
    endUs: NOW_MS * 1_000,
  });
  for (const [start, end] of [
    ["now", "2026-11-01"],
    ["now", "now"],
  ] as const) {
    expect(() => parseInterval(start, end, NOW_MS)).toThrow(
      expect.objectContaining({ code: "INTERVAL_INVALID", message: expect.stringMatching(/is not before the end/) }),
    );
  }
});

test("an end that is further ahead than events may be is refused", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  checkEnd((nowMs + 300_000) * 1_000, nowMs, 300_000);
  expect(() => checkEnd((nowMs + 300_001) * 1_000, nowMs, 300_000)).toThrow(
    /^The end 2026-01-01T00:05:00\.001Z is in the future: by this clock it is 2026-01-01T00:00:00\.000Z/,
  );
});
