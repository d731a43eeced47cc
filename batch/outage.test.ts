import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { throughOutage, waitOnTimer } from "./outage.ts";

const away = () => new HeadgateError("STORE_UNREACHABLE", "The store is away.");

/** Fails so many times, and tells how long was waited. */
function failing(times: number, cause: () => unknown = away) {
  const waits: number[] = [];
  let left = times;
  const work = async () => {
    if (left-- > 0) throw cause();
    return "done";
  };
  const wait = async (ms: number) => void waits.push(ms);
  return { work, wait, waits };
}

test("a store that comes back in time is waited for, longer each time", async () => {
  const { work, wait, waits } = failing(7);
  expect(await throughOutage(work, { outageMs: 30_000, wait, signal: undefined })).toBe("done");
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
});

test("one that does not fails with what it said", async () => {
  const { work, wait, waits } = failing(1_000);
  await expect(throughOutage(work, { outageMs: 5_000, wait, signal: undefined })).rejects.toMatchObject({
    code: "STORE_UNREACHABLE",
  });
  expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(5_000);
  expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(3_000);
});

test("what does not pass by waiting fails at once", async () => {
  const { work, wait, waits } = failing(1, () => new HeadgateError("STORE_UNWRITABLE", "It is full."));
  await expect(throughOutage(work, { outageMs: 5_000, wait, signal: undefined })).rejects.toThrow("It is full.");
  expect(waits).toEqual([]);
});

test("an abort ends the waiting with its reason", async () => {
  const controller = new AbortController();
  const { work } = failing(1_000);
  const waiting = throughOutage(work, { outageMs: 1e9, wait: waitOnTimer, signal: controller.signal });
  controller.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
});
