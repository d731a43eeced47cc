import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StreamConsumer } from "./consumer.ts";
import { deadLetterMessage, deadLetterTopic } from "./dead-letter.ts";
import { formatReplayReport, type ReplayOptions, type ReplayReport, replayDeadLetters } from "./replay.ts";
import type { StreamBatch, StreamRecord } from "./stream-record.ts";
import { batchOf, MAX_FUTURE_MS, NOW_MS, order, planOrders, record, storedOffset } from "./test-fixtures/stream.ts";

const BOTH = ["totals", "means"];
const DLQ = deadLetterTopic("orders");

/** A letter of partition 2 as it lies in the dead-letter topic. */
function letter(sent: StreamRecord, at: number, views: readonly string[] = BOTH, topic = "orders"): StreamRecord {
  const refusals = views.map((view) => ({ view, reason: "it was wrong" }));
  const message = deadLetterMessage({ topic, partition: 2, record: sent, refusals });
  return { ...message, offset: BigInt(at), timestampMs: NOW_MS };
}

type OnBatch = Parameters<ReplayOptions["openConsumer"]>[1];

/** A consumer that hands over batches as a broker would: each again until it is taken. */
function consumerOf(batches: readonly StreamBatch[], onBatch: OnBatch): StreamConsumer {
  const closing = new AbortController();
  const left = new Map([[0, 0]]);
  for (const { partition, records } of batches) left.set(partition, (left.get(partition) ?? 0) + records.length);
  const run = async () => {
    for (const batch of batches) {
      if (closing.signal.aborted) return;
      await onBatch(batch, closing.signal).then(
        () => left.set(batch.partition, left.get(batch.partition)! - batch.records.length),
        () => {},
      );
    }
  };
  const running = run();
  const assignments = [...left.keys()].map((partition) => ({ topic: DLQ, partition }));
  const consumer: StreamConsumer = {
    state: () => ({ connected: true, assignments, rebalances: 0, problem: undefined }),
    lag: async () => assignments.map((one) => ({ ...one, messages: left.get(one.partition)! })),
    rewind: async () => [],
    ended: new Promise(() => {}),
    close: async () => {
      closing.abort();
      await running;
    },
  };
  return consumer;
}

async function replayOf(
  batches: readonly StreamBatch[],
  changes: Partial<ReplayOptions> = {},
): Promise<{ readonly report: ReplayReport; readonly store: OnlineStore }> {
  const { plan, store } = await planOrders();
  const report = await replayDeadLetters({
    plan,
    store,
    ensureTopic: async () => {},
    openConsumer: (topics, onBatch) => {
      expect(topics).toEqual([DLQ]);
      return consumerOf(batches, onBatch);
    },
    maxFutureMs: MAX_FUTURE_MS,
    now: () => NOW_MS,
    ...changes,
  });
  return { report, store };
}

test("letters become the rows that their records would have been, in the same order", async () => {
  const letters = [
    letter(order(1, 9, { ts: NOW_MS }), 0),
    letter(order(1, 7, { ts: NOW_MS }), 1),
    letter(order(2, 8), 2),
  ];
  const { report, store } = await replayOf([batchOf(letters, 0, DLQ)]);
  expect([await storedOffset(store, "totals", 1), await storedOffset(store, "means", 2)]).toEqual([9, 8]);
  expect(report).toMatchObject({ letters: 3, remaining: 0, views: { totals: { written: 2, superseded: 1 } } });
  expect(formatReplayReport(report)).toMatch(/^3 dead letters read; none is bad any more\.\n {2}means: 2 written\n/);
});

test("only the views that refused a record take it", async () => {
  const { report, store } = await replayOf([batchOf([letter(order(1, 5), 0, ["means"])], 0, DLQ)]);
  expect([await storedOffset(store, "totals", 1), await storedOffset(store, "means", 1)]).toEqual([undefined, 5]);
  expect(report.views.totals).toMatchObject({ written: 0 });
});

test("what is still bad stays, is counted and told with samples", async () => {
  const letters = [
    letter(record(4, "1", "no JSON"), 0),
    letter(order(1, 5, { mean: "half" }), 1),
    letter(order(1, 6), 2, ["gone"]),
    record(3, "1", "somebody else's"),
    letter(order(1, 6), 4, BOTH, "clicks"),
  ];
  const { report, store } = await replayOf([batchOf(letters, 0, DLQ)]);
  expect(await storedOffset(store, "totals", 1)).toBe(5);
  expect(report).toMatchObject({ letters: 5, remaining: 5 });
  expect(report.samples.map(({ record: name }) => name)).toEqual([
    "orders[2]@4",
    "orders[2]@5",
    "orders[2]@6",
    "orders.dlq[0]@3",
    "orders.dlq[0]@4",
  ]);
  expect(report.samples[1]!.reason).toMatch(/^feature view "means": "mean" is "half"/);
  expect(report.samples[2]!.reason).toBe('feature view "gone": the topic is no stream of its any more');
});

test("a letter that was cut is never taken, even where what is left of it can be read", async () => {
  const whole = letter(order(1, 5), 0);
  const cut = { ...whole, headers: [...whole.headers, ["headgate-value-cut", Buffer.from("2000000")] as const] };
  const { report, store } = await replayOf([batchOf([cut], 0, DLQ)]);
  expect([await storedOffset(store, "totals", 1), report.remaining]).toEqual([undefined, 1]);
  expect(report.samples).toEqual([
    {
      record: "orders[2]@5",
      reason: expect.stringMatching(/^the letter was cut, .* 2000000 bytes, is in its own topic/),
    },
  ]);
});

test("of letters for other views than those asked for none counts as bad", async () => {
  const letters = [letter(order(1, 5, { mean: "half" }), 0)];
  const { report, store } = await replayOf([batchOf(letters, 0, DLQ)], { views: new Set(["totals"]) });
  expect([await storedOffset(store, "totals", 1), report.remaining]).toEqual([5, 0]);
});

test("letters that come while it runs are left for another time, those delivered twice count once", async () => {
  const first = batchOf([letter(order(1, 0), 0), letter(order(2, 1), 1)], 0, DLQ);
  const again = batchOf([letter(order(2, 1), 1), letter(order(3, 2), 2)], 0, DLQ);
  const { report, store } = await replayOf([first, again]);
  expect(report.letters).toBe(2);
  expect(await storedOffset(store, "totals", 3)).toBeUndefined();
});

test("no letters is no failure", async () => {
  const { report } = await replayOf([]);
  expect([report.remaining, formatReplayReport(report)]).toEqual([0, "There are no dead letters."]);
});

test("a store that is away ends it with its sentence; so does a signal", async () => {
  const batches = [batchOf([letter(order(1, 0), 0)], 0, DLQ)];
  const failure = new HeadgateError("STORE_UNREACHABLE", "It is away.");
  await expect(replayOf(batches, { store: { write: () => Promise.reject(failure) } })).rejects.toBe(failure);
  const signal = AbortSignal.abort();
  await expect(replayOf(batches, { signal })).rejects.toBe(signal.reason);
});
