import { expect, test } from "vitest";
import {
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

test("a verdict of another definition than the present one does not pass", () => {
  const verdicts = new Map([
    ["a", verdictAt(1)],
    ["b", verdictAt(1, { definition: "two" })],
    ["c", verdictAt(1)],
  ]);
  const present = presentVerdicts(verdicts, (view) => (view === "c" ? undefined : "one"));
  expect([...present].map(([view, { verdict }]) => [view, verdict])).toEqual([
    ["a", "pass"],
    ["b", "fail"],
    ["c", "fail"],
  ]);
  expect(present.get("b")!.reason).toContain("another definition");
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
