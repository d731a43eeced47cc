import { expect, it } from "vitest";
import { CallSize } from "./redis-call-size.ts";

it("grows while full calls are answered in time, up to the bound, and not by small ones", () => {
  const size = new CallSize(400, 5);
  expect(size.rows).toBe(256);
  size.answered(10, 0, 1);
  expect(size.rows).toBe(256);
  for (let call = 0; call < 10; call++) size.answered(size.rows, call, call + 5);
  expect(size.rows).toBe(400);
});

it("halves once for all calls that were under way together, down to the least", () => {
  const size = new CallSize(2_048, 5);
  for (const sentMs of [0, 1, 2, 3]) size.answered(256, sentMs, 10 + sentMs);
  expect(size.rows).toBe(128);
  for (let call = 1; call < 10; call++) size.answered(size.rows, 100 * call, 100 * call + 50);
  expect(size.rows).toBe(64);
  size.answered(64, 2_000, 2_001);
  expect(size.rows).toBe(96);
});

it("never passes a bound below its least", () => {
  const size = new CallSize(10, 5);
  expect(size.rows).toBe(10);
  size.answered(10, 0, 100);
  expect(size.rows).toBe(10);
});
