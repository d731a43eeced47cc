import { expect, it } from "vitest";
import { dueTimesMs } from "./arrivals.ts";
import { type OpenLoopOptions, startOpenLoop } from "./open-loop-run.ts";

/** Runs against a server that answers one request after the other, each in `serviceMs`, and stands still for a while. */
function runAgainst(
  { serviceMs, standsStill = [0, 0] }: { serviceMs: number; standsStill?: readonly [number, number] },
  options: Partial<OpenLoopOptions> & Pick<OpenLoopOptions, "dueMs">,
) {
  let nowMs = 0;
  const ends: { atMs: number; end: (isGood: boolean) => void }[] = [];
  let freeMs = 0;
  const run = startOpenLoop({
    maxInFlight: 1_000_000,
    warmUpMs: 0,
    now: () => nowMs,
    send: (end) => {
      const begins = Math.max(nowMs, freeMs);
      const delayed = begins >= standsStill[0] && begins < standsStill[1] ? standsStill[1] : begins;
      freeMs = delayed + serviceMs;
      ends.push({ atMs: freeMs, end });
    },
    ...options,
  });
  for (let wait = run.pump(); wait !== undefined || ends.length > 0; wait = run.pump()) {
    const answerMs = ends[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const dueMs = wait === undefined ? Number.POSITIVE_INFINITY : nowMs + wait;
    nowMs = Math.min(answerMs, dueMs);
    if (answerMs <= dueMs) ends.shift()!.end(true);
  }
  return run.figures();
}

it("tells the service time of a server that keeps up", () => {
  const figures = runAgainst({ serviceMs: 0.5 }, { dueMs: dueTimesMs("constant", 1_000, 1, 0) });
  expect(figures).toMatchObject({ requests: 1_000, missed: 0, refused: 0 });
  expect(figures.p50Ms).toBeCloseTo(0.5, 6);
  expect(figures.maxMs).toBeCloseTo(0.5, 6);
  expect(figures.sendLagP99Ms).toBeCloseTo(0, 6);
});

it("counts from the due time: a pause of 100 ms in 1 s shows in a tenth of the requests", () => {
  const figures = runAgainst(
    { serviceMs: 0.01, standsStill: [500, 600] },
    { dueMs: dueTimesMs("constant", 1_000, 1, 0) },
  );
  // A closed loop of one connection would have seen one slow answer in a thousand, and a p99 of 0.01 ms.
  expect(figures.p50Ms).toBeCloseTo(0.01, 6);
  expect(figures.p99Ms).toBeGreaterThan(85);
  expect(figures.maxMs).toBeCloseTo(100.01, 6);
});

it("misses what is due while all places are taken, and counts it as slower than any answer", () => {
  const figures = runAgainst(
    { serviceMs: 0.01, standsStill: [500, 600] },
    { dueMs: dueTimesMs("constant", 1_000, 1, 0), maxInFlight: 10 },
  );
  expect(figures).toMatchObject({ requests: 1_000, missed: 91, refused: 0 });
  expect(figures.p50Ms).toBeCloseTo(0.01, 6);
  expect(figures.p99Ms).toBe(Number.POSITIVE_INFINITY);
});

it("shows an overloaded server as overloaded", () => {
  const figures = runAgainst({ serviceMs: 2 }, { dueMs: dueTimesMs("constant", 1_000, 1, 0) });
  expect(figures.requestsPerSecond).toBeCloseTo(500, 0);
  expect(figures.p50Ms).toBeGreaterThan(490);
  expect(figures.maxMs).toBeGreaterThan(990);
});

it("counts failures, and requests that nobody answered, as refused", () => {
  let nowMs = 0;
  const ends: ((isGood: boolean) => void)[] = [];
  const run = startOpenLoop({
    dueMs: Float64Array.of(0, 1, 2, 3),
    maxInFlight: 4,
    warmUpMs: 1,
    now: () => nowMs,
    send: (end) => void ends.push(end),
  });
  nowMs = 3;
  expect(run.pump()).toBeUndefined();
  ends[1]!(false);
  ends[2]!(true);
  expect(run.inFlight()).toBe(2);
  expect(run.figures()).toMatchObject({ requests: 3, missed: 0, refused: 2, sendLagP99Ms: 2 });
});

it("tells when the last request failed, and how late the good ones were", () => {
  const dueMs = dueTimesMs("constant", 100, 1, 0);
  const figures = runAgainst({ serviceMs: 1, standsStill: [200, 400] }, { dueMs, maxInFlight: 5 });
  expect(figures.missed).toBe(16);
  expect(figures.lastFailedMs).toBe(400);
  expect(figures.goodP99Ms).toBeGreaterThan(100);
  expect(figures.goodP99Ms).toBeLessThanOrEqual(201);
  expect(runAgainst({ serviceMs: 1 }, { dueMs }).lastFailedMs).toBe(-1);
});

it("counts an answer that comes too late as none, but for how late the good ones were", () => {
  const dueMs = dueTimesMs("constant", 100, 1, 0);
  const standing = { serviceMs: 1, standsStill: [200, 400] } as const;
  const all = runAgainst(standing, { dueMs });
  const inTime = runAgainst(standing, { dueMs, inTimeMs: 101 });
  // Those due in the first tenth of a second of the pause, and two more, since those before are answered first.
  expect([all.late, inTime.late]).toEqual([0, 12]);
  expect(inTime.requestsPerSecond / all.requestsPerSecond).toBeCloseTo(0.88, 6);
  expect([all.lastFailedMs, inTime.lastFailedMs]).toEqual([-1, 310]);
  expect(inTime).toMatchObject({ requests: 100, missed: 0, refused: 0, goodP99Ms: all.goodP99Ms });
});
