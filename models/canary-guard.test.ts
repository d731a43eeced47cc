import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GuardWatch } from "./canary-guard.ts";
import type { CanaryGuard } from "./traffic.ts";
import { VersionStatistics } from "./version-statistics.ts";

const NO_BOUND: CanaryGuard = { requests: 20, errorRate: undefined, latencyRatio: undefined, psi: undefined };

/** Statistics whose score is the first output's row. */
const statistics = () => new VersionStatistics((outputs, row) => outputs[0]![row] as number);

function watch(over: Partial<CanaryGuard>) {
  const [canary, stable] = [statistics(), statistics()];
  const guard = new GuardWatch({ ...NO_BOUND, ...over }, canary, stable);
  const answer = (score: number, modelMs = 1) => {
    canary.answered([[score]], 0, 1, 0, modelMs);
    return guard.take(false) ?? (guard.isLookDue ? guard.look() : undefined);
  };
  const fail = () => {
    canary.failed(new Error("out of bounds"));
    return guard.take(true);
  };
  return { answer, fail, stable: (score: number, modelMs = 1) => stable.answered([[score]], 0, 1, 0, modelMs) };
}

describe("a share of failures", () => {
  test("ends the canary at the first failure over what the whole ring may hold, full or not", () => {
    const canary = watch({ errorRate: 0.1 });
    expect(canary.fail()).toBeUndefined();
    expect(canary.fail()).toBeUndefined();
    expect(canary.fail()).toMatch(
      /^3 of its latest 3 requests failed, more than error_rate 0\.1 of 20 allows; the last: out of bounds$/,
    );
  });

  test("forgets failures that are no longer among the latest", () => {
    const canary = watch({ errorRate: 0.1 });
    for (let round = 0; round < 10; round++) {
      expect([canary.fail(), canary.fail()]).toEqual([undefined, undefined]);
      for (let i = 0; i < 18; i++) expect(canary.answer(0)).toBeUndefined();
    }
  });

  test("is what counting the latest outcomes one by one gives", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer({ min: 1, max: 19 }), (outcomes, allowed) => {
        const canary = watch({ errorRate: allowed / 20 });
        for (const [i, failed] of outcomes.entries()) {
          const latest = outcomes.slice(Math.max(0, i - 19), i + 1).filter(Boolean).length;
          const ends = (failed ? canary.fail() : canary.answer(0)) !== undefined;
          expect(ends).toBe(failed && latest > allowed);
        }
      }),
    );
  });
});

test("a run time's bound is looked at once the ring is full, at the 95th percentile", () => {
  const canary = watch({ latencyRatio: 3 });
  for (let i = 0; i < 100; i++) canary.stable(0, 2);
  for (let i = 0; i < 19; i++) expect(canary.answer(0, 7)).toBeUndefined();
  expect(canary.answer(0, 7)).toBe(
    "its p95 of 7.00 ms is more than latency_ratio 3 times the stable version's 2.00 ms",
  );
});

test("a run time's bound is of the latest requests: a slow start is forgiven", () => {
  const canary = watch({ latencyRatio: 3, requests: 40 });
  for (let i = 0; i < 100; i++) canary.stable(0, 2);
  for (let i = 0; i < 39; i++) canary.answer(0, i < 20 ? 50 : 2);
  for (let i = 0; i < 20; i++) canary.answer(0, 2);
  expect(canary.answer(0, 2)).toBeUndefined();
});

test("drift is measured against the stable version's scores", () => {
  const canary = watch({ psi: 0.25, requests: 200 });
  for (let i = 0; i < 1_000; i++) canary.stable(i / 1_000);
  for (let i = 0; i < 199; i++) expect(canary.answer(i / 400)).toBeUndefined();
  expect(canary.answer(0.5)).toMatch(
    /^its scores' stability index of \d+\.\d{3} against the stable version's is over psi 0\.25$/,
  );
  const alike = watch({ psi: 0.25, requests: 200 });
  for (let i = 0; i < 1_000; i++) alike.stable(i / 1_000);
  for (let i = 0; i < 400; i++) expect(alike.answer(((i * 37) % 200) / 200)).toBeUndefined();
});

test("two samples of one distribution, however few, are not told apart by a bound of a quarter", () => {
  const random = (x: number) => ((x * 2_654_435_761) % 4_294_967_296) / 4_294_967_296;
  let ended = 0;
  for (let round = 0; round < 200; round++) {
    const canary = watch({ psi: 0.25 });
    for (let i = 0; i < 180; i++) canary.stable(random(round * 1_000 + i));
    for (let i = 0; i < 20; i++) if (canary.answer(random(round * 1_000 + 500 + i)) !== undefined) ended++;
  }
  expect(ended).toBeLessThan(10);
});

test("without something to compare with nothing is ended", () => {
  const canary = watch({ psi: 0.1, latencyRatio: 1 });
  for (let i = 0; i < 100; i++) expect(canary.answer(i)).toBeUndefined();
});
