import { expect, test } from "vitest";
import {
  isStandingFailure,
  lastRunMs,
  type ParityVerdict,
  parityVerdictReader,
  presentVerdicts,
  readParityVerdicts,
  recordParityVerdict,
} from "./parity-verdict.ts";
import { openMemoryStore } from "./store/memory.ts";

const verdictAt = (at_ms: number, more: Partial<ParityVerdict> = {}): ParityVerdict => ({
  ...{
    run: `run ${at_ms}`,
    at_ms,
    verdict: "pass",
    reason: "1 entity compared by the latest row of each, all equal.",
    checked: 1,
    compared: 1,
  },
  ...{ mismatch_rate: 0, mismatch_rate_bound: 0, outcomes: { match: 1 }, causes: {}, materialized_to: null },
  ...{ definition: "one", sample: null },
  ...more,
});

test("the last verdict of a view is read, and none of a view that was never compared", async () => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", verdictAt(1));
  await recordParityVerdict(control, "a", verdictAt(2, { verdict: "fail", causes: { late_event: 3 } }));
  const verdicts = await readParityVerdicts(control, ["a", "b"]);
  expect([...verdicts.keys()]).toEqual(["a"]);
  expect(verdicts.get("a")).toEqual(verdictAt(2, { verdict: "fail", causes: { late_event: 3 } }));
});

test("a run that ended before the recorded one does not take its place", async () => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", verdictAt(5));
  await recordParityVerdict(control, "a", verdictAt(4));
  expect((await readParityVerdicts(control, ["a"])).get("a")!.at_ms).toBe(5);
});

const failed = (at_ms: number, more: Partial<ParityVerdict> = {}) => verdictAt(at_ms, { verdict: "fail", ...more });
const SAMPLE = { sample: { share: 0.1, seed: 1 } };
/** Nothing was looked at: a view that was never materialized, or that could not be compared. */
const NOTHING = { checked: 0, compared: 0, outcomes: {} };

test.each<[string, ParityVerdict, boolean]>([
  ["a sample that passes", verdictAt(2, SAMPLE), true],
  ["a sample that fails, after which the next could pass", failed(2, SAMPLE), true],
  ["a run that could not compare it", verdictAt(2, { verdict: "error", ...NOTHING }), true],
  ["a run of all that passes", verdictAt(2), false],
  ["a run of all that fails", failed(2), false],
  ["a sample of another definition", verdictAt(2, { ...SAMPLE, definition: "two" }), false],
])("a failing verdict of all entities, then %s", async (_, later, stays) => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", failed(1));
  expect(await recordParityVerdict(control, "a", later)).toEqual(stays ? failed(1) : undefined);
  const counts = (await readParityVerdicts(control, ["a"])).get("a")!;
  expect(counts).toEqual(stays ? failed(1, { last_run_at_ms: 2 }) : later);
  expect(lastRunMs(counts)).toBe(2);
});

test("the last run's time goes on while a failing verdict stays, and with the verdict that lifts it never back", async () => {
  const { control } = openMemoryStore();
  const kept = async () => (await readParityVerdicts(control, ["a"])).get("a")!;
  // A record as it was made before the time of the last run was kept: that is its own.
  await recordParityVerdict(control, "a", failed(1));
  expect(await kept()).not.toHaveProperty("last_run_at_ms");
  expect(lastRunMs(await kept())).toBe(1);
  for (const at_ms of [3, 7, 5]) {
    expect(await recordParityVerdict(control, "a", verdictAt(at_ms, SAMPLE))).toMatchObject({ run: "run 1" });
  }
  expect(await kept()).toEqual(failed(1, { last_run_at_ms: 7 }));
  await recordParityVerdict(control, "a", verdictAt(6));
  expect(await kept()).toEqual(verdictAt(6, { last_run_at_ms: 7 }));
  await recordParityVerdict(control, "a", verdictAt(8));
  expect(await kept()).toEqual(verdictAt(8));
});

test("a failing verdict stays and is told even where the time of the run that it outweighs can't be written", async () => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", failed(1));
  const tell = (compareAndSet: typeof control.compareAndSet) =>
    recordParityVerdict({ ...control, compareAndSet }, "a", verdictAt(2, SAMPLE));
  expect(await tell(async () => false)).toEqual(failed(1));
  expect(await tell(() => Promise.reject(new Error("away")))).toEqual(failed(1));
});

test("a failing verdict of all entities takes its place even when a sample that ended later was recorded first", async () => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", verdictAt(2, SAMPLE));
  expect(await recordParityVerdict(control, "a", failed(1))).toBeUndefined();
  expect((await readParityVerdicts(control, ["a"])).get("a")).toEqual(failed(1, { last_run_at_ms: 2 }));
});

test.each<[string, ParityVerdict, ParityVerdict]>([
  ["a passing verdict of all entities", verdictAt(1), failed(2, SAMPLE)],
  ["a failing sample", failed(1, SAMPLE), verdictAt(2, SAMPLE)],
  ["a failing run that looked at nothing", failed(1, NOTHING), verdictAt(2, SAMPLE)],
])("%s gives way to the next run", async (_, earlier, later) => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", earlier);
  expect(await recordParityVerdict(control, "a", later)).toBeUndefined();
  expect((await readParityVerdicts(control, ["a"])).get("a")).toEqual(later);
});

test("a failing verdict of all entities that is recorded while a sample's is stays", async () => {
  const { control } = openMemoryStore();
  await recordParityVerdict(control, "a", verdictAt(1));
  let isFirst = true;
  const racing: typeof control = {
    ...control,
    compareAndSet: async (...change) => {
      if (isFirst) {
        isFirst = false;
        await recordParityVerdict(control, "a", failed(2));
      }
      return control.compareAndSet(...change);
    },
  };
  expect(await recordParityVerdict(racing, "a", verdictAt(3, SAMPLE))).toEqual(failed(2));
  expect((await readParityVerdicts(control, ["a"])).get("a")).toEqual(failed(2, { last_run_at_ms: 3 }));
});

test("a verdict of another definition than the present one does not pass, nor does it stay", () => {
  const verdicts = new Map([
    ["a", verdictAt(1)],
    ["b", failed(1, { definition: "two" })],
    ["c", verdictAt(1)],
  ]);
  const present = presentVerdicts(verdicts, (view) => (view === "c" ? undefined : "one"));
  expect([...present].map(([view, { verdict }]) => [view, verdict])).toEqual([
    ["a", "pass"],
    ["b", "fail"],
    ["c", "fail"],
  ]);
  expect(present.get("b")!.reason).toContain("another definition");
  expect([...verdicts.values(), ...present.values()].map(isStandingFailure)).toEqual([
    ...[false, true, false],
    ...[false, false, false],
  ]);
});

test("a store that is away is no fault of the run, nor of who reads", async () => {
  const { control } = openMemoryStore();
  const away = () => Promise.reject(new Error("away"));
  await recordParityVerdict({ ...control, get: away }, "a", verdictAt(1));
  let nowMs = 0;
  const isAway = { yes: false };
  const get = (name: string) => (isAway.yes ? away() : control.get(name));
  const read = parityVerdictReader({ control: { ...control, get }, views: ["a"], now: () => nowMs });
  await recordParityVerdict(control, "a", verdictAt(1));
  expect((await read()).get("a")!.at_ms).toBe(1);
  isAway.yes = true;
  nowMs = 60_000;
  expect((await read()).get("a")!.at_ms).toBe(1);
});
