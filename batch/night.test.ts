import { describe, expect, test } from "vitest";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import { type NightlyStep, type NightOptions, runNight, type ViewOutcome } from "./night.ts";

const MINUTE_MS = 60_000;
const failed = (view: string, code: ErrorCode): ViewOutcome => ({
  view,
  status: "failed",
  error: { code, detail: "why" },
});
const done = (view: string): ViewOutcome => ({ view, status: "done" });

/** A step that answers from a list of tries, the last again and again, and notes what it was asked. */
function scripted(name: string, ...tries: readonly Readonly<Record<string, ErrorCode>>[]) {
  const asked: (readonly string[])[] = [];
  const step: NightlyStep = {
    name,
    run: async (views) => {
      const codes = tries[Math.min(asked.length, tries.length - 1)] ?? {};
      asked.push(views);
      return views.map((view) => (codes[view] === undefined ? done(view) : failed(view, codes[view])));
    },
  };
  return { step, asked };
}

/** Runs a night of views a and b; its clock moves by waiting only. */
async function run(steps: readonly NightlyStep[], more: Partial<NightOptions> = {}) {
  let nowMs = 0;
  const waits: number[] = [];
  const retried: (readonly string[])[] = [];
  const report = await runNight({
    steps,
    views: ["a", "b"],
    tries: 3,
    backoffMs: 5 * MINUTE_MS,
    now: () => nowMs,
    waitUntil: async (atMs) => {
      waits.push(atMs - nowMs);
      nowMs = atMs;
    },
    signal: new AbortController().signal,
    onRetry: (views) => retried.push(views),
    ...more,
  });
  return { report, waits, retried };
}

test("a night without failures is one try of all steps in order", async () => {
  const [load, check] = [scripted("materialize"), scripted("parity")];
  const { report, waits } = await run([load.step, check.step]);
  expect(report).toEqual({
    status: "done",
    started_at: "1970-01-01T00:00:00.000Z",
    seconds: 0,
    tries: 1,
    steps: { materialize: [done("a"), done("b")], parity: [done("a"), done("b")] },
  });
  expect([load.asked, check.asked, waits]).toEqual([[["a", "b"]], [["a", "b"]], []]);
});

test("a view that a step fails for gets no further, the other does, and it is not tried again for nothing", async () => {
  const [load, check] = [scripted("materialize", { a: "PARQUET_INVALID" }), scripted("parity")];
  const { report } = await run([load.step, check.step]);
  expect(report).toMatchObject({ status: "failed", tries: 1, steps: { parity: [done("b")] } });
  expect(check.asked).toEqual([["b"]]);
});

test("what passes is tried again from the first step, for the views that failed, after a doubling wait", async () => {
  const load = scripted("materialize", { a: "SOURCE_UNREACHABLE" }, { a: "STORE_UNREACHABLE" }, {});
  const check = scripted("parity");
  const { report, waits, retried } = await run([load.step, check.step]);
  expect(report).toMatchObject({ status: "done", tries: 3, seconds: 900 });
  expect(report.steps.materialize).toEqual([done("a"), done("b")]);
  expect(load.asked).toEqual([["a", "b"], ["a"], ["a"]]);
  expect(check.asked).toEqual([["b"], ["a"]]);
  expect(waits).toEqual([5 * MINUTE_MS, 10 * MINUTE_MS]);
  expect(retried).toEqual([["a"], ["a"]]);
});

test("tries are bounded, and so is the wait between them", async () => {
  const load = scripted("materialize", { a: "SOURCE_UNREACHABLE" });
  const { report, waits } = await run([load.step], { tries: 7 });
  expect(report).toMatchObject({ status: "failed", tries: 7 });
  expect(waits.map((ms) => ms / MINUTE_MS)).toEqual([5, 10, 20, 40, 60, 60]);
});

test("a try that would come after the next night is left to it", async () => {
  const load = scripted("materialize", { a: "SOURCE_UNREACHABLE" });
  const { report, waits } = await run([load.step], { untilMs: 14 * MINUTE_MS });
  expect(report).toMatchObject({ status: "failed", tries: 2 });
  expect(waits).toEqual([5 * MINUTE_MS]);
});

describe("a view that another process loads", () => {
  test("is no failure of the night when it goes on to the end", async () => {
    const { report } = await run([scripted("materialize", { a: "MATERIALIZE_RUNNING" }).step]);
    expect(report).toMatchObject({ status: "elsewhere", tries: 3 });
  });

  test("is loaded here when the other has died", async () => {
    const { report } = await run([scripted("materialize", { a: "MATERIALIZE_RUNNING" }, {}).step]);
    expect(report).toMatchObject({ status: "done", tries: 2 });
  });

  test("hides no failure of another view", async () => {
    const codes = { a: "MATERIALIZE_RUNNING", b: "PARQUET_INVALID" } as const;
    expect((await run([scripted("materialize", codes).step])).report.status).toBe("failed");
  });
});

test("what a step throws has failed all of its views", async () => {
  let tries = 0;
  const step: NightlyStep = {
    name: "materialize",
    run: async () => {
      if (tries++ === 0) throw new HeadgateError("STORE_UNREACHABLE", "away");
      throw new TypeError("a bug");
    },
  };
  const { report } = await run([step]);
  expect(report).toMatchObject({ status: "failed", tries: 2 });
  expect(report.steps.materialize?.map(({ error }) => error)).toEqual([
    { code: "INTERNAL", detail: "a bug" },
    { code: "INTERNAL", detail: "a bug" },
  ]);
});

test("a step's outcomes are told when it is done, before the next step and on every try", async () => {
  const load = scripted("materialize", { a: "SOURCE_UNREACHABLE" }, {});
  const told: unknown[] = [];
  const check: NightlyStep = {
    name: "parity",
    run: async (views) => {
      told.push("parity begins");
      return views.map(done);
    },
  };
  await run([load.step, check], {
    onStep: (step, outcomes) => told.push([step, ...outcomes.map(({ view, status }) => `${view} ${status}`)]),
  });
  expect(told).toEqual([
    ...[["materialize", "a failed", "b done"], "parity begins", ["parity", "b done"]],
    ...[["materialize", "a done"], "parity begins", ["parity", "a done"]],
  ]);
});

test("the signal ends the night between two steps and during a wait", async () => {
  const stopped = new AbortController();
  const load = scripted("materialize");
  const stopping: NightlyStep = {
    name: "stopping",
    run: async (views) => {
      stopped.abort();
      return views.map(done);
    },
  };
  const check = scripted("parity");
  const halted = await run([load.step, stopping, check.step], { signal: stopped.signal });
  expect(check.asked).toEqual([]);
  expect(halted.report.tries).toBe(1);

  const waiting = new AbortController();
  const away = scripted("materialize", { a: "SOURCE_UNREACHABLE" });
  const { report } = await run([away.step], { signal: waiting.signal, waitUntil: async () => waiting.abort() });
  expect(report).toMatchObject({ status: "failed", tries: 1 });
});

test("a view that a stopped step did not get to is aborted", async () => {
  const stopped = new AbortController();
  const step: NightlyStep = {
    name: "materialize",
    run: async () => {
      stopped.abort();
      return [done("a")];
    },
  };
  expect((await run([step], { signal: stopped.signal })).report.status).toBe("aborted");
});
