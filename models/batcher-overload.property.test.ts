/**
 * A batcher under more load than its model can take, by a clock of the test's own. Against it stands the plain rule: of
 * what was taken nothing is answered after its deadline, and the model is never idle while somebody could be answered.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";
import { RunTime } from "./run-time.ts";

/** Events by their time; a step lets everything run that waits for nothing but the event loop. */
class Simulation {
  nowMs = 0;
  readonly #events: { readonly atMs: number; readonly happen: () => void }[] = [];

  at(atMs: number, happen: () => void): void {
    this.#events.push({ atMs, happen });
    this.#events.sort((one, other) => one.atMs - other.atMs);
  }

  async run(): Promise<void> {
    for (;;) {
      await settled();
      const event = this.#events.shift();
      if (event === undefined) return;
      this.nowMs = event.atMs;
      event.happen();
    }
  }
}

/** Long enough for every chain of promises of a turn. */
async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

interface Overload {
  /** Of one run, ms, and how far runs are from it, 0 … 1. */
  readonly runMs: number;
  readonly jitter: number;
  readonly maxBatchRows: number;
  readonly deadlineMs: number;
  /** Of the model's capacity. */
  readonly load: number;
}

async function overload({ runMs, jitter, maxBatchRows, deadlineMs, load }: Overload, seed: number) {
  const simulation = new Simulation();
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const tookMs = () => runMs * (1 + jitter * (2 * random() - 1));
  let busyMs = 0;
  const sizes: number[] = [];
  const batcher = createBatcher({
    maxBatchRows,
    now: () => simulation.nowMs,
    runTime: new RunTime({ rows: 1, ms: runMs }, { rows: maxBatchRows, ms: runMs }),
    run: async (take) => {
      const rows = take();
      const ms = tookMs();
      busyMs += ms;
      sizes.push(rows.length);
      await new Promise<void>((ended) => simulation.at(simulation.nowMs + ms, ended));
      return { outputs: [rows.map(() => 1)] };
    },
  });
  const lasts = 100 * runMs;
  const gapMs = runMs / maxBatchRows / load;
  const answers: { readonly lateMs: number }[] = [];
  let refused = 0;
  let lastEndMs = 0;
  for (let atMs = 0; atMs < lasts; atMs += gapMs) {
    simulation.at(atMs, () => {
      void batcher.run([[1]], deadlineMs).then(
        () => {
          lastEndMs = simulation.nowMs;
          answers.push({ lateMs: simulation.nowMs - atMs - deadlineMs });
        },
        () => {
          refused++;
        },
      );
    });
  }
  await simulation.run();
  return { answers, refused, busyMs, sizes, lastEndMs, queued: batcher.queuedRows };
}

const overloads = fc.record({
  runMs: fc.double({ min: 1, max: 50, noNaN: true }),
  jitter: fc.double({ min: 0, max: 0.15, noNaN: true }),
  maxBatchRows: fc.integer({ min: 1, max: 4 }),
  deadlineRuns: fc.double({ min: 4, max: 20, noNaN: true }),
  load: fc.double({ min: 1.5, max: 4, noNaN: true }),
});

test("past its capacity the model is busy all the time, and none that it answers is late", async () => {
  await fc.assert(
    fc.asyncProperty(overloads, fc.integer(), async ({ deadlineRuns, ...of }, seed) => {
      const deadlineMs = deadlineRuns * of.runMs;
      const { answers, busyMs, lastEndMs, queued, refused, sizes } = await overload({ ...of, deadlineMs }, seed);
      expect(queued).toBe(0);
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1);
      expect(refused).toBeGreaterThan(0);
      expect(Math.max(...answers.map(({ lateMs }) => lateMs))).toBeLessThanOrEqual(of.jitter * of.runMs);
      expect(busyMs / lastEndMs).toBeGreaterThan(0.97);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

test("below its capacity nobody is refused", async () => {
  await fc.assert(
    fc.asyncProperty(overloads, fc.integer(), async ({ deadlineRuns, ...of }, seed) => {
      const { refused } = await overload({ ...of, load: of.load / 8, deadlineMs: deadlineRuns * of.runMs }, seed);
      expect(refused).toBe(0);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

/** A request after the one before, ms, and its budget; how long its run then gathers, where the loop is held up, and takes. */
const heldUp = fc.record({
  afterMs: fc.integer({ min: 0, max: 10 }),
  budgetMs: fc.integer({ min: 12, max: 60 }),
  gatherMs: fc.integer({ min: 0, max: 30 }),
  runMs: fc.integer({ min: 1, max: 40 }),
});

test("however long the loop is held up while rows gather, no run is without rows and nobody waits for ever", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(heldUp, { minLength: 3, maxLength: 12 }),
      fc.integer({ min: 1, max: 3 }),
      async (requests, maxRuns) => {
        const simulation = new Simulation();
        const after = (ms: number) => new Promise<void>((over) => simulation.at(simulation.nowMs + ms, over));
        const sizes: number[] = [];
        const batcher = createBatcher({
          maxRuns,
          now: () => simulation.nowMs,
          runTime: new RunTime({ rows: 1, ms: 10 }, { rows: 8, ms: 10 }),
          run: async (take) => {
            const { gatherMs, runMs } = requests[sizes.length % requests.length]!;
            await after(gatherMs);
            const rows = take();
            sizes.push(rows.length);
            await after(runMs);
            return { outputs: [rows.map(() => 1)] };
          },
        });
        let settledCount = 0;
        const settle = () => {
          settledCount++;
        };
        let atMs = 0;
        for (const { afterMs, budgetMs } of requests) {
          atMs += afterMs;
          simulation.at(atMs, () => void batcher.run([[1]], budgetMs).then(settle, settle));
        }
        await simulation.run();
        expect(settledCount).toBe(requests.length);
        expect(batcher.queuedRows).toBe(0);
        expect(sizes).not.toContain(0);
      },
    ),
    { numRuns: 1_000, endOnFailure: true },
  );
});
