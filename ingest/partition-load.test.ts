import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { OnlineStore, RowWrite } from "../features/store/online-store.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { DeadLetterRate } from "./dead-letter-rate.ts";
import { createPartitionLoad, type IngestedChunk, type PartitionLoad } from "./partition-load.ts";
import type { StreamBatch } from "./stream-record.ts";
import { batchOf, MAX_FUTURE_MS, NOW_MS, order, planOrders, record, storedOffset } from "./test-fixtures/stream.ts";

interface Bench {
  readonly load: (batch: StreamBatch, signal?: AbortSignal) => ReturnType<PartitionLoad>;
  readonly store: OnlineStore;
  readonly letters: DeadLetter[];
  /** What happened, in order: "write 3", "letters 1", "applied 4". */
  readonly steps: string[];
  /** Fails the next step of this kind. */
  readonly failing: { write?: Error; letters?: Error };
}

async function openBench({ maxDeadLetters = 0.5, chunkRecords = 4_096 } = {}): Promise<Bench> {
  const { plan, store } = await planOrders();
  const letters: DeadLetter[] = [];
  const steps: string[] = [];
  const failing: Bench["failing"] = {};
  const step = (kind: "write" | "letters", count: number) => {
    steps.push(`${kind} ${count}`);
    const failure = failing[kind];
    delete failing[kind];
    if (failure !== undefined) throw failure;
  };
  const load = createPartitionLoad({
    plan,
    store: {
      write: async (rows: readonly RowWrite[]) => {
        step("write", rows.length);
        return store.write(rows);
      },
    },
    deadLetters: {
      send: async (_, sent) => {
        if (sent.length > 0) step("letters", sent.length);
        letters.push(...sent);
      },
    },
    rate: new DeadLetterRate({ maxDeadLetters, deadLetterWindow: 1_000 }),
    maxFutureMs: MAX_FUTURE_MS,
    now: () => NOW_MS,
    onApplied: (_topic, _partition, records) => steps.push(`applied ${records.length}`),
    chunkRecords,
  });
  return {
    load: (batch, signal = new AbortController().signal) => load(batch, signal),
    store,
    letters,
    steps,
    failing,
  };
}

test("a batch is in the store for every view that reads its topic when it resolves, the newest of each entity", async () => {
  const { load, store, steps, letters } = await openBench();
  await load(batchOf([order(1, 0), order(2, 1), order(1, 2)]));
  expect([await storedOffset(store, "totals", 1), await storedOffset(store, "means", 1)]).toEqual([2, 2]);
  expect(await storedOffset(store, "totals", 2)).toBe(1);
  expect(steps).toEqual(["write 4", "applied 3"]);
  expect(letters).toEqual([]);
});

test("rows, then dead letters, and only then it is applied", async () => {
  const { load, steps, letters } = await openBench();
  await load(batchOf([order(1, 0), record(1, "2", "no JSON")]));
  expect(steps).toEqual(["write 2", "letters 1", "applied 2"]);
  expect(letters).toMatchObject([
    { topic: "orders", partition: 0, record: { offset: 1n }, refusals: [{ view: "totals" }, { view: "means" }] },
  ]);
});

test("a record that is bad for one view is a row of the other", async () => {
  const { load, store, letters } = await openBench();
  await load(batchOf([order(1, 0, { mean: "half" })]));
  expect([await storedOffset(store, "totals", 1), await storedOffset(store, "means", 1)]).toEqual([0, undefined]);
  expect(letters[0]!.refusals).toEqual([{ view: "means", reason: expect.stringContaining('"mean" is "half"') }]);
});

test("an event dated further ahead of its record than maxFuture is a dead letter, whatever its created time says", async () => {
  const { load, store, letters } = await openBench();
  const sentMs = NOW_MS - 1_000;
  await load(batchOf([order(1, 0, { ts: sentMs + MAX_FUTURE_MS }), order(2, 1, { ts: sentMs + MAX_FUTURE_MS + 2 })]));
  expect(await storedOffset(store, "totals", 1)).toBe(0);
  expect(await storedOffset(store, "totals", 2)).toBeUndefined();
  expect(letters).toMatchObject([{ record: { offset: 1n } }]);
  expect(letters[0]!.refusals[0]!.reason).toMatch(/ahead of its record .* by more than maxFuture/);
});

test("a null value deletes, a late older event does not bring the row back, a newer one does", async () => {
  const { load, store } = await openBench();
  const key = JSON.stringify({ customer_id: 1 });
  await load(batchOf([order(1, 0), record(500, key, null)]));
  expect(await storedOffset(store, "totals", 1)).toBe("deleted");
  await load(batchOf([order(1, 501, { ts: NOW_MS - 900 })]));
  expect(await storedOffset(store, "totals", 1)).toBe("deleted");
  await load(batchOf([order(1, 502, { ts: NOW_MS })]));
  expect(await storedOffset(store, "totals", 1)).toBe(502);
});

test("a store that is away makes no dead letter; the same batch again ends the same", async () => {
  const { load, store, letters, steps, failing } = await openBench();
  const batch = batchOf([order(1, 7), record(8, "2", "no JSON")]);
  failing.write = new HeadgateError("STORE_UNREACHABLE", "It is away.");
  await expect(load(batch)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  expect(letters).toEqual([]);
  await load(batch);
  await load(batch);
  expect(await storedOffset(store, "totals", 1)).toBe(7);
  expect(steps).toEqual(["write 2", "write 2", "letters 1", "applied 2", "write 2", "letters 1", "applied 2"]);
});

test("a dead letter that can't be sent holds the batch", async () => {
  const { load, steps, failing } = await openBench();
  failing.letters = new HeadgateError("STREAM_UNREACHABLE", "It is away.");
  await expect(load(batchOf([record(0, "2", "no JSON")]))).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  expect(steps).toEqual(["letters 1"]);
});

test("past the rate nothing of the chunk is written or sent, and a retry is not counted twice", async () => {
  const { load, steps, letters } = await openBench({ maxDeadLetters: 0.2 });
  const bad = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => record(from + i, "2", "no JSON"));
  const good = (from: number, count: number) => Array.from({ length: count }, (_, i) => order(1, from + i));
  await load(batchOf([...good(0, 400), ...bad(400, 99)]));
  expect(letters.length).toBe(99);
  steps.length = 0;
  const batch = batchOf(bad(499, 30));
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(load(batch)).rejects.toThrow(
      expect.objectContaining({
        code: "TOO_MANY_DEAD_LETTERS",
        message: expect.stringMatching(/^129 of the last 529 events of topic "orders" .*orders\[0\]@528/),
      }),
    );
  }
  expect(steps).toEqual([]);
});

test("a batch is written in chunks, and stops between two when its partition is revoked", async () => {
  const { load, store, steps } = await openBench({ chunkRecords: 2 });
  await load(batchOf([order(1, 0), order(2, 1), order(3, 2)]));
  expect(steps).toEqual(["write 4", "applied 2", "write 2", "applied 1"]);
  await expect(load(batchOf([order(4, 3)]), AbortSignal.abort())).rejects.toThrow();
  expect(await storedOffset(store, "totals", 4)).toBeUndefined();
});

test("what became of records is told: counts by view, dead letters, watermark", async () => {
  const { load } = await openBench();
  const chunks: IngestedChunk[] = [];
  const listen = (message: unknown) => chunks.push(message as IngestedChunk);
  subscribe("headgate:ingest-chunk", listen);
  await load(batchOf([order(1, 0), order(1, 1), order(2, 2, { mean: "half" })], 3));
  await load(batchOf([order(1, 3, { ts: NOW_MS - 5_000 }), order(2, 2)], 3));
  unsubscribe("headgate:ingest-chunk", listen);
  const none = { written: 0, equal: 0, stale: 0, superseded: 0, refused: 0 };
  expect(chunks.map(({ counts }) => Object.fromEntries(counts))).toEqual([
    { totals: { ...none, written: 2, superseded: 1 }, means: { ...none, written: 1, superseded: 1, refused: 1 } },
    { totals: { ...none, stale: 1, equal: 1 }, means: { ...none, stale: 1, written: 1 } },
  ]);
  expect(chunks[0]).toMatchObject({ topic: "orders", partition: 3, deadLetters: 1, acknowledgedMs: NOW_MS });
  expect(chunks[1]!.watermark).toEqual({
    watermarkUs: (NOW_MS - 998) * 1_000,
    lateEvents: 2,
    latenessMaxUs: 4_002_000,
  });
});
