import { expect, test } from "vitest";
import { checkDeadline, deadlineOf, withinDeadline } from "./deadline.ts";

test("the caller's budget counts from now, the default when there is none", () => {
  expect(deadlineOf(undefined, 5_000, 100)).toEqual({ atMs: 5_100, budgetMs: 5_000 });
  expect(deadlineOf("12.5", 5_000, 100)).toEqual({ atMs: 112.5, budgetMs: 12.5 });
});

test("a budget longer than a timer can wait is cut to that, not to nothing", () => {
  expect(deadlineOf("99999999999", 5_000, 0).budgetMs).toBe(2 ** 31 - 1);
});

test.each(["", "0", "-1", "1e3", "50ms", "Infinity", "NaN"])("a budget of %j is refused", (header) => {
  expect(() => deadlineOf(header, 5_000, 0)).toThrow(/x-deadline-ms is/);
});

test("a step that ended in time passes, a late one is named", () => {
  const deadline = deadlineOf("10", 0, 0);
  expect(() => checkDeadline(deadline, 9.9, "the model")).not.toThrow();
  expect(() => checkDeadline(deadline, 10, "the model")).toThrow(
    expect.objectContaining({ code: "DEADLINE_EXCEEDED", message: expect.stringContaining("the model") }),
  );
});

test("waiting ends with the step or with the deadline, whichever is first", async () => {
  const deadline = deadlineOf("10000", 0, 0);
  await expect(withinDeadline(Promise.resolve(7), deadline, 0, "the read")).resolves.toBe(7);
  await expect(withinDeadline(Promise.reject(new Error("away")), deadline, 0, "the read")).rejects.toThrow("away");
  await expect(withinDeadline(new Promise(() => {}), deadline, 10_000, "the read")).rejects.toThrow(
    /passed during the read/,
  );
});
