import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { DENIED_MS, RefusedBatches } from "./refused-batches.ts";
import { batchOf, order } from "./test-fixtures/stream.ts";

const HERE = [0, 1].map((partition) => ({ topic: "orders", partition }));
const failure = (code: ConstructorParameters<typeof HeadgateError>[0]) => new HeadgateError(code, `It is ${code}.`);

/** A watched load that does what it is told, and what ended it. */
function watch() {
  let nowMs = 0;
  let outcome: unknown;
  const lasting: HeadgateError[] = [];
  const refused = new RefusedBatches({ now: () => nowMs, onLasting: (cause) => void lasting.push(cause) });
  const load = refused.watched(async () => {
    if (outcome !== undefined) throw outcome;
  });
  const live = new AbortController().signal;
  return {
    refused,
    lasting,
    at: async (ms: number, thrown: unknown, partition = 0, signal = live) => {
      nowMs = ms;
      outcome = thrown;
      await load(batchOf([order(1, 7)], partition), signal).catch((cause) => expect(cause).toBe(thrown));
    },
  };
}

test("a batch is refused from its first refusal until one of its partition is taken", async () => {
  const { refused, at } = watch();
  expect(refused.oldest(HERE)).toBeUndefined();
  await at(1_000, failure("STORE_UNREACHABLE"));
  await at(2_000, new Error("odd"), 1);
  await at(4_000, failure("STORE_UNWRITABLE"));
  expect(refused.oldest(HERE)).toEqual({
    batch: "orders[0]@7",
    code: "STORE_UNWRITABLE",
    reason: "It is STORE_UNWRITABLE.",
    forMs: 3_000,
  });
  await at(5_000, undefined);
  expect(refused.oldest(HERE)).toMatchObject({ batch: "orders[1]@7", code: "INTERNAL", reason: "odd", forMs: 3_000 });
  await at(6_000, undefined, 1);
  expect(refused.oldest(HERE)).toBeUndefined();
});

test("a batch whose partition went to another is nobody's here", async () => {
  const { refused, at } = watch();
  await at(0, failure("STORE_UNREACHABLE"));
  await at(0, failure("STORE_UNREACHABLE"), 1, AbortSignal.abort());
  expect(refused.oldest([HERE[1]!])).toBeUndefined();
  expect(refused.oldest(HERE)).toBeUndefined();
});

test("too many dead letters last at once; a denial when it is one for long and without a pause", async () => {
  const { lasting, at } = watch();
  const denied = failure("STREAM_DENIED");
  await at(0, denied);
  await at(DENIED_MS - 1, denied);
  await at(DENIED_MS, failure("STREAM_UNREACHABLE"));
  await at(DENIED_MS + 1, denied);
  await at(DENIED_MS + 2, denied, 1);
  await at(2 * DENIED_MS, denied);
  expect(lasting).toEqual([]);
  await at(2 * DENIED_MS + 1, denied);
  expect(lasting).toEqual([denied]);
  const many = failure("TOO_MANY_DEAD_LETTERS");
  await at(0, many, 1);
  expect(lasting).toEqual([denied, many]);
});
