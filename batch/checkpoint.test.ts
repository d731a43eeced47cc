import { expect, test } from "vitest";
import { openMemoryStore } from "../features/store/memory.ts";
import { incrementalInterval, loadedFile, moveCheckpoint, readCheckpoint } from "./checkpoint.ts";

const known = { etag: "e", through_us: 100, last_event_us: 150 };

const bounds = (endUs: number, mayHaveLost = false) => ({ endUs, lookbackUs: 10, mayHaveLost });

test("a file that is not known, or not in this version, is read whole", () => {
  const whole = { startUs: Number.NEGATIVE_INFINITY, endUs: 200 };
  expect(incrementalInterval(undefined, "e", bounds(200))).toEqual(whole);
  expect(incrementalInterval(known, "other", bounds(200))).toEqual(whole);
});

test("a known file is read from the lookback on when it has something new, else not at all", () => {
  expect(incrementalInterval(known, "e", bounds(200))).toEqual({ startUs: 90, endUs: 200 });
  expect(incrementalInterval({ ...known, last_event_us: 100 }, "e", bounds(200))).toEqual({ startUs: 90, endUs: 200 });
  expect(incrementalInterval({ ...known, last_event_us: 99 }, "e", bounds(200))).toBeUndefined();
  expect(incrementalInterval({ etag: "e", through_us: 100 }, "e", bounds(200))).toBeUndefined();
  expect(incrementalInterval(known, "e", bounds(100))).toBeUndefined();
});

test("where rows may have been lost, a known file is read from the lookback on, at least as far as it was loaded", () => {
  const last = (us: number) => ({ ...known, last_event_us: us });
  expect(incrementalInterval(last(90), "e", bounds(200, true))).toEqual({ startUs: 90, endUs: 200 });
  expect(incrementalInterval(last(90), "e", bounds(95, true))).toEqual({ startUs: 90, endUs: 100 });
  expect(incrementalInterval(last(89), "e", bounds(200, true))).toBeUndefined();
  expect(incrementalInterval({ etag: "e", through_us: 100 }, "e", bounds(200, true))).toBeUndefined();
});

test("a file is known through an interval's end only when nothing before it is missing", () => {
  const events = { firstEventUs: 50, lastEventUs: 150 };
  const loaded = (before: typeof known | undefined, startUs: number, endUs: number) =>
    loadedFile(before, "e", { startUs, endUs }, events);
  expect(loaded(undefined, 50, 80)).toEqual({ etag: "e", through_us: 80, last_event_us: 150 });
  expect(loaded(undefined, 51, 80)).toBeUndefined();
  expect(loaded(known, 100, 120)).toEqual({ ...known, through_us: 120 });
  expect(loaded(known, 101, 120)).toEqual(known);
  expect(loaded(known, 10, 60)).toEqual(known);
  expect(loaded({ ...known, etag: "old" }, 60, 120)).toBeUndefined();
  expect(loadedFile(undefined, "e", { startUs: 9, endUs: 20 }, { firstEventUs: 1 / 0, lastEventUs: -1 / 0 })).toEqual({
    etag: "e",
    through_us: 20,
  });
});

test("the checkpoint moves forward only, and only from what was read", async () => {
  const { control } = openMemoryStore();
  const before = await readCheckpoint(control, "v");
  expect(before).toEqual({ bytes: undefined, checkpoint: undefined });
  await moveCheckpoint(control, "v", before, { end_us: 100, definition: "d", history: "h", files: { a: known } });
  await expect(
    moveCheckpoint(control, "v", before, { end_us: 300, definition: "d", history: "h", files: {} }),
  ).rejects.toMatchObject({
    code: "CONTROL_CONFLICT",
  });
  const first = await readCheckpoint(control, "v");
  expect(first.checkpoint).toEqual({ end_us: 100, definition: "d", history: "h", files: { a: known } });
  await moveCheckpoint(control, "v", first, { end_us: 50, definition: "d", history: "i", files: {} });
  const second = await readCheckpoint(control, "v");
  expect(second.checkpoint).toEqual({ end_us: 100, definition: "d", history: "i", files: {} });
  // Of rows that are made otherwise nothing is there yet.
  await moveCheckpoint(control, "v", second, { end_us: 50, definition: "e", history: "i", files: {} });
  expect((await readCheckpoint(control, "v")).checkpoint?.end_us).toBe(50);
});
