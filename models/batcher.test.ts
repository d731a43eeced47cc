import { describe, expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";
import { RunTime } from "./run-time.ts";
import type { RunModel } from "./session.ts";
import type { FeatureRow, RunResult } from "./tensor.ts";

const rowsOf = (...values: number[]): FeatureRow[] => values.map((value) => [value]);
const doubled = (rows: readonly FeatureRow[]): RunResult => ({ outputs: [rows.map((row) => Number(row[0]) * 2)] });

/** A model that doubles, fails on negative rows, and keeps what it was run over. */
function doubling() {
  const runs: number[][] = [];
  const run: RunModel = async (take) => {
    await nextTurn();
    const rows = take() as readonly FeatureRow[];
    runs.push(rows.map((row) => Number(row[0])));
    if (rows.some((row) => Number(row[0]) < 0)) throw new Error("negative");
    return doubled(rows);
  };
  return { run, runs };
}

/** A model whose runs end when the test says so. */
function held() {
  const pending: (() => void)[] = [];
  const sizes: number[] = [];
  const run: RunModel = (take) =>
    new Promise((resolve) => {
      setImmediate(() => {
        const rows = take() as readonly FeatureRow[];
        sizes.push(rows.length);
        pending.push(() => resolve(doubled(rows)));
      });
    });
  const finish = async () => {
    while (pending.length === 0) await nextTurn();
    pending.shift()!();
  };
  return { run, sizes, finish };
}

const answerOf = async (answer: ReturnType<ReturnType<typeof createBatcher>["run"]>) => {
  const { result, offset, count } = await answer;
  return result.outputs[0]?.slice(offset, offset + count) ?? [];
};
const now = () => performance.now();
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("what arrives in one turn is one run, each gets its own share", async () => {
  const { run, runs } = doubling();
  const batcher = createBatcher({ now, run });
  const answers = [batcher.run(rowsOf(1)), batcher.run(rowsOf(2, 3)), batcher.run(rowsOf(4))];
  expect(batcher.queuedRows).toBe(4);
  expect(runs).toEqual([]);
  expect(await Promise.all(answers.map(answerOf))).toEqual([[2], [4, 6], [8]]);
  expect(runs).toEqual([[1, 2, 3, 4]]);
  expect(batcher.queuedRows).toBe(0);
});

test("a lone request is run in the same turn, with its own rows", async () => {
  const given: unknown[] = [];
  const run: RunModel = async (take) => {
    given.push(take());
    return doubled(rows);
  };
  const batcher = createBatcher({ now, run });
  const rows = rowsOf(5);
  const answer = batcher.run(rows);
  await nextTurn();
  expect(given[0]).toBe(rows);
  expect(await answer).toEqual({ result: { outputs: [[10]] }, offset: 0, count: 1 });
});

test("what arrives until the model takes its rows is in the run", async () => {
  const { run, sizes, finish } = held();
  const batcher = createBatcher({ now, run });
  const answers = [batcher.run(rowsOf(1))];
  await Promise.resolve();
  answers.push(batcher.run(rowsOf(2)));
  await finish();
  expect(await Promise.all(answers.map(answerOf))).toEqual([[2], [4]]);
  expect(sizes).toEqual([2]);
});

test("what arrives while a run is under way is the next run, at once when it ends", async () => {
  const { run, sizes, finish } = held();
  const batcher = createBatcher({ now, run });
  const first = batcher.run(rowsOf(1));
  await nextTurn();
  const second = [batcher.run(rowsOf(2)), batcher.run(rowsOf(3))];
  await nextTurn();
  expect(sizes).toEqual([1]);
  await finish();
  expect(await answerOf(first)).toEqual([2]);
  await finish();
  expect(sizes).toEqual([1, 2]);
  expect(await Promise.all(second.map(answerOf))).toEqual([[4], [6]]);
});

test("a run never has more rows than it may; requests stay whole where they fit", async () => {
  const { run, runs } = doubling();
  const batcher = createBatcher({ now, run, maxBatchRows: 3 });
  const answers = [
    batcher.run(rowsOf(1, 2)),
    batcher.run(rowsOf(3, 4)),
    batcher.run(rowsOf(5)),
    batcher.run(rowsOf(6)),
  ];
  await Promise.all(answers);
  expect(runs).toEqual([[1, 2], [3, 4, 5], [6]]);
});

test("a larger request is split and rejoined in order", async () => {
  const { run, runs } = doubling();
  const batcher = createBatcher({ now, run, maxBatchRows: 3 });
  const answers = [batcher.run(rowsOf(0)), batcher.run(rowsOf(1, 2, 3, 4, 5, 6, 7))];
  expect(await Promise.all(answers.map(answerOf))).toEqual([[0], [2, 4, 6, 8, 10, 12, 14]]);
  expect(runs.every((rows) => rows.length <= 3)).toBe(true);
});

test("no rows need no run", async () => {
  const { run, runs } = doubling();
  expect(await createBatcher({ now, run }).run([])).toMatchObject({ count: 0 });
  expect(runs).toEqual([]);
});

describe("failures", () => {
  test("one bad request does not poison those it shared a run with", async () => {
    const { run, runs } = doubling();
    const batcher = createBatcher({ now, run });
    const answers = await Promise.allSettled(
      [batcher.run(rowsOf(1)), batcher.run(rowsOf(2, -2)), batcher.run(rowsOf(3))].map(answerOf),
    );
    expect(answers).toEqual([
      { status: "fulfilled", value: [2] },
      { status: "rejected", reason: new Error("negative") },
      { status: "fulfilled", value: [6] },
    ]);
    expect(runs).toEqual([[1, 2, -2, 3], [1], [2, -2], [3]]);
  });

  test("a lone request that fails is not repeated, and the next one is served", async () => {
    const { run, runs } = doubling();
    const batcher = createBatcher({ now, run });
    await expect(batcher.run(rowsOf(-1))).rejects.toThrow("negative");
    expect(await answerOf(batcher.run(rowsOf(4)))).toEqual([8]);
    expect(runs).toEqual([[-1], [4]]);
  });

  test("a run that throws before it gives a promise is a failure like others", async () => {
    const run = (() => {
      throw new Error("at once");
    }) as unknown as RunModel;
    await expect(createBatcher({ now, run }).run(rowsOf(1))).rejects.toThrow("at once");
  });
});

describe("bounds", () => {
  test("beyond the rows that may wait, requests are refused at once", async () => {
    const { run, finish } = held();
    const batcher = createBatcher({ now, run, maxQueueRows: 3 });
    const under = batcher.run(rowsOf(1));
    await nextTurn();
    const waiting = batcher.run(rowsOf(2, 3));
    await expect(batcher.run(rowsOf(4, 5))).rejects.toMatchObject({ code: "OVERLOADED", retriable: true });
    const last = batcher.run(rowsOf(6));
    await finish();
    await under;
    await nextTurn();
    await finish();
    expect(await Promise.all([waiting, last].map(answerOf))).toEqual([[4, 6], [12]]);
    // With nothing waiting, a request that is larger than the bound is still served: refusing it would be for ever.
    const large = batcher.run(rowsOf(1, 2, 3, 4));
    await nextTurn();
    await finish();
    expect(await answerOf(large)).toEqual([2, 4, 6, 8]);
  });
});

describe("closing", () => {
  test("answers what was taken and takes no more", async () => {
    const { run, finish } = held();
    const batcher = createBatcher({ now, run });
    const answers = [batcher.run(rowsOf(1))];
    await nextTurn();
    answers.push(batcher.run(rowsOf(2)));
    let closed = false;
    const closing = batcher.close().then(() => {
      closed = true;
    });
    await expect(batcher.run(rowsOf(3))).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    await finish();
    expect(await answerOf(answers[0]!)).toEqual([2]);
    expect(closed).toBe(false);
    await finish();
    expect(await answerOf(answers[1]!)).toEqual([4]);
    await closing;
  });

  test("is done at once when nothing waits", async () => {
    await expect(createBatcher({ now, run: doubling().run }).close()).resolves.toBeUndefined();
  });
});

test("after one run that took long a lone request is taken, and shows that the model is quick again", async () => {
  let nowMs = 0;
  let runMs = 0.1;
  const runTime = new RunTime({ rows: 1, ms: 0.1 }, { rows: 64, ms: 0.3 });
  const run: RunModel = async (take) => {
    const rows = take() as readonly FeatureRow[];
    await nextTurn();
    nowMs += runMs;
    return doubled(rows);
  };
  const batcher = createBatcher({ run, now: () => nowMs, runTime });
  runMs = 3_000;
  await batcher.run(rowsOf(1));
  runMs = 0.1;
  expect(runTime.expectedMs(1)).toBeGreaterThan(50);
  const lone = batcher.run(rowsOf(1), 50);
  await expect(batcher.run(rowsOf(2), 50)).rejects.toMatchObject({ code: "OVERLOADED" });
  await lone;
  for (let i = 0; i < 500; i++) await batcher.run(rowsOf(1), 50);
  expect(runTime.expectedMs(1)).toBeLessThan(1);
});
