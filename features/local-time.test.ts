import { expect, test } from "vitest";
import { parseTimestampUs } from "../features/timestamp.ts";
import { compileLocalToUtc } from "./local-time.ts";

const us = (text: string): number => parseTimestampUs(text)!;

test.each([
  ["UTC", "2026-07-01T12:00:00", "2026-07-01T12:00:00Z"],
  ["Europe/Vienna", "2026-07-01T12:00:00.123456", "2026-07-01T10:00:00.123456Z"],
  ["Europe/Vienna", "2026-01-01T12:00:00", "2026-01-01T11:00:00Z"],
  ["Asia/Kathmandu", "2026-01-01T00:00:00", "2025-12-31T18:15:00Z"],
  ["America/New_York", "1969-12-31T19:00:00", "1970-01-01T00:00:00Z"],
  ["Pacific/Auckland", "2026-01-01T00:00:00", "2025-12-31T11:00:00Z"],
])("%s %s is %s", (zone, local, utc) => {
  expect(compileLocalToUtc(zone)(us(local))).toBe(us(utc));
});

test("a local time that the clock leaps over takes the offset before the leap", () => {
  const toUtc = compileLocalToUtc("Europe/Vienna");
  expect(toUtc(us("2026-03-29T01:59:59"))).toBe(us("2026-03-29T00:59:59Z"));
  expect(toUtc(us("2026-03-29T02:30:00"))).toBe(us("2026-03-29T01:30:00Z"));
  expect(toUtc(us("2026-03-29T03:00:00"))).toBe(us("2026-03-29T01:00:00Z"));
});

test("a local time that comes twice is the first one", () => {
  const toUtc = compileLocalToUtc("Europe/Vienna");
  expect(toUtc(us("2026-10-25T02:30:00"))).toBe(us("2026-10-25T00:30:00Z"));
  expect(toUtc(us("2026-10-25T03:00:00"))).toBe(us("2026-10-25T02:00:00Z"));
});

test("a half-hour leap (Lord Howe) is exact to the quarter", () => {
  const toUtc = compileLocalToUtc("Australia/Lord_Howe");
  expect(toUtc(us("2026-10-04T01:59:00"))).toBe(us("2026-10-03T15:29:00Z"));
  expect(toUtc(us("2026-10-04T02:30:00"))).toBe(us("2026-10-03T15:30:00Z"));
});

test("times far from today keep their offset's seconds", () => {
  expect(compileLocalToUtc("America/New_York")(us("1850-01-01T00:00:00"))).toBe(us("1850-01-01T04:56:02Z"));
  expect(compileLocalToUtc("Europe/Vienna")(9e15)).toBe(9e15 - 3_600_000_000);
});
