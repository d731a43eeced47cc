import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { MembershipFailures } from "./membership-failures.ts";

const away = new HeadgateError("STREAM_UNREACHABLE", "It is away.");
const denied = new HeadgateError("STREAM_DENIED", "It refuses.");

test("pauses grow up to a bound, and begin anew after a membership that lasted", () => {
  const failures = new MembershipFailures();
  const pauses = Array.from({ length: 6 }, () => failures.backoffMs(away, 100));
  expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000]);
  expect(failures.backoffMs(away, 30_000)).toBe(250);
});

test("three refusals in a row end it, and a membership that lasted or another failure breaks the row", () => {
  const failures = new MembershipFailures();
  for (let i = 0; i < 5; i++) {
    for (const lastedMs of [30_000, 0]) failures.backoffMs(denied, lastedMs);
  }
  failures.backoffMs(away, 0);
  for (let i = 0; i < 2; i++) failures.backoffMs(denied, 0);
  expect(() => failures.backoffMs(denied, 0)).toThrow(denied);
});
