import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";
import { RunSchedule } from "./run-schedule.ts";
import { RunTime } from "./run-time.ts";
import type { RunResult } from "./tensor.ts";

/** Runs of `ms`, whatever their rows. */
const alike = (ms: number) => new RunTime({ rows: 1, ms }, { rows: 64, ms });

test("what waits is as many rounds of full runs as it makes, whichever workers take them", () => {
  const [runs, rows, runMs] = [
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 1, max: 50 }),
  ];
  fc.assert(
    fc.property(runs, fc.integer({ min: 1, max: 16 }), rows, runMs, (maxRuns, maxBatchRows, waiting, ms) => {
      const schedule = new RunSchedule({ runTime: alike(ms), maxRuns, maxBatchRows, maxDelayMs: 0, now: () => 0 });
      // Row by row: each run goes to the worker that is free first.
      const freeMs = new Array<number>(maxRuns).fill(0);
      for (let left = waiting; left > 0; left -= maxBatchRows) {
        const first = freeMs.indexOf(Math.min(...freeMs));
        freeMs[first]! += ms;
      }
      expect(schedule.expectedMs(waiting)).toBeCloseTo(Math.max(...freeMs), 6);
    }),
  );
});

test("a run under way is waited for until its expected end, and past it for as long again", () => {
  let nowMs = 0;
  const schedule = new RunSchedule({
    ...{ runTime: alike(10), maxRuns: 1, maxBatchRows: 1, maxDelayMs: 0 },
    now: () => nowMs,
  });
  const run = schedule.begin(1);
  expect(schedule.expectedMs(1)).toBeCloseTo(20);
  nowMs = 8;
  expect(schedule.expectedMs(1)).toBeCloseTo(12);
  nowMs = 40;
  expect(schedule.expectedMs(1)).toBeCloseTo(40);
  schedule.end(run);
  expect(schedule.expectedMs(1)).toBeCloseTo(10);
});

describe("a backlog", () => {
  /** A batcher of one row a run whose runs end, and whose clock goes on, when the test says so. */
  function backlog() {
    let nowMs = 0;
    const pending: (() => void)[] = [];
    const batcher = createBatcher({
      maxBatchRows: 1,
      now: () => nowMs,
      runTime: alike(10),
      run: (take) => {
        const rows = take();
        return new Promise<RunResult>((resolve) => pending.push(() => resolve({ outputs: [rows.map(() => 1)] })));
      },
    });
    const outcome = (answer: Promise<unknown>) =>
      answer.then(
        () => "answered",
        ({ code, message }) => `${code}: ${message}`,
      );
    return {
      batcher,
      ask: (budgetMs: number) => outcome(batcher.run([[1]], budgetMs)),
      pass: (ms: number) => {
        nowMs += ms;
      },
      end: async () => {
        pending.shift()!();
        await new Promise((next) => setImmediate(next));
      },
    };
  }

  test("is refused to at once when four fifths of the budget would not do", async () => {
    const { ask, batcher, end } = backlog();
    const first = ask(1);
    expect(batcher.expectedMs).toBeCloseTo(20);
    expect(await ask(24)).toMatch(/^OVERLOADED: 0 rows wait .* 20 ms of the 24 it has left/);
    const second = ask(26);
    await end();
    await end();
    expect([await first, await second]).toEqual(["answered", "answered"]);
    expect(batcher.expectedMs).toBe(0);
  });

  test("is not run for those that have come to be late, and those behind them are", async () => {
    const { ask, pass, end } = backlog();
    const [first, late, patient] = [ask(1), ask(26), ask(100)];
    pass(30);
    await end();
    expect(await late).toMatch(/^OVERLOADED: The rows ahead of this request took longer than expected/);
    pass(10);
    await end();
    expect([await first, await patient]).toEqual(["answered", "answered"]);
  });

  test("is not run for those that would end in the last tenth of their time", async () => {
    const { ask, pass, end } = backlog();
    const [first, late, patient] = [ask(1), ask(26), ask(100)];
    pass(14);
    await end();
    expect(await late).toMatch(/^OVERLOADED: The rows ahead of this request took longer than expected/);
    await end();
    expect([await first, await patient]).toEqual(["answered", "answered"]);
  });

  test("counts what lies between two runs to the second", async () => {
    let nowMs = 0;
    const batcher = createBatcher({
      maxBatchRows: 1,
      now: () => nowMs,
      runTime: alike(10),
      run: async (take) => {
        // What else the event loop does until it comes to the run.
        nowMs += 10;
        const rows = take();
        nowMs += 10;
        return { outputs: [rows.map(() => 1)] };
      },
    });
    const all = Array.from({ length: 300 }, () => batcher.run([[1]], 1e6));
    expect(batcher.expectedMs).toBeCloseTo(3_000, 0);
    await Promise.all(all);
    const more = Array.from({ length: 100 }, () => batcher.run([[1]], 1e6));
    expect(batcher.expectedMs).toBeCloseTo(2_000, -2);
    await Promise.all(more);
  });
});
