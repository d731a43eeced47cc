import fc from "fast-check";
import { expect, test } from "vitest";
import {
  EARLIEST_EVENT_US,
  formatTimestampUs,
  isEventTimestampUs,
  LATEST_EVENT_US,
  parseTimestampUs,
} from "./timestamp.ts";

test.each([
  ["2026-11-22T02:00:00Z", Date.UTC(2026, 10, 22, 2) * 1_000],
  ["2026-11-22", Date.UTC(2026, 10, 22) * 1_000],
  ["2026-11-22 02:00", Date.UTC(2026, 10, 22, 2) * 1_000],
  ["2026-11-22T02:00:00+01:00", Date.UTC(2026, 10, 22, 1) * 1_000],
  ["2026-11-22T02:00:00.123456789Z", Date.UTC(2026, 10, 22, 2) * 1_000 + 123_456],
  ["1969-12-31T23:59:59.999999Z", -1],
])("%s is %d µs", (text, timestampUs) => {
  expect(parseTimestampUs(text)).toBe(timestampUs);
});

test.each(["", "now", "2026-02-30", "2026-13-01", "2026-11-22T25:00:00Z", "22.11.2026", "1700000000"])(
  "%j is no timestamp",
  (text) => {
    expect(parseTimestampUs(text)).toBeUndefined();
  },
);

test("what is written is read back to the microsecond", () => {
  const times = fc.integer({ min: EARLIEST_EVENT_US, max: LATEST_EVENT_US - 1 });
  fc.assert(fc.property(times, (us) => parseTimestampUs(formatTimestampUs(us)) === us));
});

test("an event can't be dated with the wrong unit", () => {
  const seconds = Date.UTC(2026, 0, 1) / 1_000;
  expect(isEventTimestampUs(seconds * 1e6)).toBe(true);
  expect(isEventTimestampUs(seconds * 1e9)).toBe(false);
  for (const wrong of [null, undefined, "2026", Number.NaN, 0.5, 5n]) expect(isEventTimestampUs(wrong)).toBe(false);
});
