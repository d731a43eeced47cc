import fc from "fast-check";
import { expect, test } from "vitest";
import { BEAT_MS, LoopLag } from "./loop-lag.ts";

test("a loop that keeps up has no lag, whatever its timers' jitter", () => {
  const lag = new LoopLag(0);
  for (let nowMs = BEAT_MS; nowMs < 1_000; nowMs += BEAT_MS + (nowMs % 7)) {
    lag.beat(nowMs);
    expect(lag.waitedMs(nowMs + BEAT_MS)).toBe(0);
  }
});

test("after a turn of 300 ms a request may have waited as long, and longer the later in the next turn it is read", () => {
  const lag = new LoopLag(0);
  lag.beat(BEAT_MS + 300);
  expect(lag.waitedMs(BEAT_MS + 301)).toBe(300);
  expect(lag.waitedMs(BEAT_MS + 300 + BEAT_MS + 400)).toBe(700);
  // And it is over as soon as the loop keeps up again.
  lag.beat(BEAT_MS + 300 + BEAT_MS);
  expect(lag.waitedMs(BEAT_MS + 300 + BEAT_MS + 1)).toBe(0);
});

test("a pause is the lag of the requests that waited for it, and of none that came after them", () => {
  const lag = new LoopLag(0);
  const pausedMs = BEAT_MS + 300;
  lag.beat(pausedMs);
  expect(lag.waitedMs(pausedMs + 1)).toBe(300);
  lag.turned();
  expect(lag.waitedMs(pausedMs + 2)).toBe(0);
});

/** A loop as it is: timers that are due, then the requests that are there, each taking its time. */
test("no request has waited longer than its lag says, but for what is under it: four beats", () => {
  const turn = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
      const lag = new LoopLag(0);
      let nowMs = 0;
      let dueMs = BEAT_MS;
      let pollMs = 0;
      for (const costsMs of turns) {
        if (nowMs >= dueMs) {
          lag.beat(nowMs);
          dueMs = nowMs + BEAT_MS;
        }
        // What is read now has come since the last look at the sockets.
        const readableSinceMs = pollMs;
        pollMs = nowMs;
        for (const costMs of costsMs) {
          const waitedMs = nowMs - readableSinceMs;
          expect(lag.waitedMs(nowMs)).toBeGreaterThanOrEqual(waitedMs - 4 * BEAT_MS);
          nowMs += costMs;
        }
        lag.turned();
        if (costsMs.length === 0) nowMs += 1;
      }
    }),
  );
});
