import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import {
  CUT_VALUE_BYTES,
  DEAD_LETTER_BYTES_MAX,
  DEAD_LETTER_SEND_BYTES,
  type DeadLetter,
  deadLetterMessage,
  openDeadLetterQueue,
  readDeadLetter,
} from "./dead-letter.ts";
import type { StreamMessage } from "./kafka-producer.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null });
const letters: fc.Arbitrary<DeadLetter> = fc.record({
  topic: fc.string({ minLength: 1 }),
  partition: fc.nat(),
  record: fc.record({
    offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    timestampMs: fc.integer({ min: -1 }),
    key: bytes,
    value: bytes,
    headers: fc.array(fc.tuple(fc.constantFrom("trace", "id", ""), bytes)),
  }),
  refusals: fc.array(fc.record({ view: fc.string(), reason: fc.string() }), { minLength: 1, maxLength: 3 }),
});

test("a letter is the record as it was, and says where it is from and why", () => {
  fc.assert(
    fc.property(letters, (letter) => {
      const { key, value, headers } = deadLetterMessage(letter);
      expect([key, value]).toEqual([letter.record.key, letter.record.value]);
      expect(headers.slice(0, letter.record.headers.length)).toEqual(letter.record.headers);
      expect(readDeadLetter({ offset: 3n, timestampMs: 9, key, value, headers })).toEqual(letter);
    }),
  );
});

test("a record that says nothing of where it is from is no letter", () => {
  const record = { offset: 0n, timestampMs: 0, key: null, value: null };
  expect(readDeadLetter({ ...record, headers: [] })).toBeUndefined();
  const headers = deadLetterMessage(letterOf(0, 10)).headers.filter(([name]) => name !== "headgate-offset");
  expect(readDeadLetter({ ...record, headers })).toBeUndefined();
});

test("letters go in sends of bounded bytes, a larger one alone, all in their order", async () => {
  const sends: (readonly StreamMessage[])[] = [];
  const queue = openDeadLetterQueue({
    ensureTopic: async () => {},
    send: async (topic, messages) => {
      expect(topic).toBe("orders.dlq");
      sends.push(messages);
    },
    close: async () => {},
  });
  const half = DEAD_LETTER_SEND_BYTES / 2 - 1_000;
  const sizes = [half, half, half, DEAD_LETTER_SEND_BYTES * 2, 1, 1];
  await queue.send(
    "orders",
    sizes.map((size, offset) => letterOf(offset, size)),
  );
  expect(sends.map((messages) => messages.map(({ value }) => value!.length))).toEqual([
    [half, half],
    [half],
    [DEAD_LETTER_SEND_BYTES * 2],
    [1, 1],
  ]);
});

test("the topic is made sure of once, again after a failure, and not for nothing", async () => {
  const ensured: string[] = [];
  const queue = openDeadLetterQueue({
    ensureTopic: async (topic, likeTopic) => {
      ensured.push(`${topic} like ${likeTopic}`);
      if (ensured.length === 1) throw new HeadgateError("STREAM_UNREACHABLE", "It is away.");
    },
    send: async () => {},
    close: async () => {},
  });
  await queue.send("orders", []);
  await expect(queue.send("orders", [letterOf(0, 1)])).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  await queue.send("orders", [letterOf(0, 1)]);
  await queue.send("orders", [letterOf(1, 1)]);
  expect(ensured).toEqual(["orders.dlq like orders", "orders.dlq like orders"]);
});

/** A queue over a topic that takes messages of so many bytes, and what it took. */
function queueOfAtMost(maxBytes: number) {
  const taken: StreamMessage[] = [];
  const sizeOf = ({ key, value, headers }: StreamMessage) =>
    [key, value, ...headers.map(([, content]) => content)].reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
  const queue = openDeadLetterQueue({
    ensureTopic: async () => {},
    send: async (_, messages) => {
      const bytes = messages.reduce((sum, message) => sum + sizeOf(message), 0);
      expect(bytes).toBeLessThan(DEAD_LETTER_BYTES_MAX);
      if (bytes > maxBytes) {
        const cause = Object.assign(new Error("too large"), { type: "MESSAGE_TOO_LARGE" });
        throw new HeadgateError("STREAM_UNREACHABLE", "It can't serve.", cause);
      }
      taken.push(...messages);
    },
    close: async () => {},
  });
  return { queue, taken };
}

const readBack = (message: StreamMessage) => readDeadLetter({ offset: 0n, timestampMs: 0, ...message })!;

test("a letter that is larger than its topic takes is cut and says so; the others stay whole and in order", async () => {
  const { queue, taken } = queueOfAtMost(200_000);
  await queue.send("orders", [letterOf(0, 10), letterOf(1, 300_000), letterOf(2, 20)]);
  expect(taken.map(({ value }) => value!.length)).toEqual([10, CUT_VALUE_BYTES, 20]);
  expect(taken.map(readBack)).toMatchObject([
    { record: { offset: 0n } },
    { topic: "orders", partition: 2, record: { offset: 1n }, refusals: [{ view: "totals" }], cutFromBytes: 300_000 },
    { record: { offset: 2n } },
  ]);
  expect(readBack(taken[0]!).cutFromBytes).toBeUndefined();
});

test("a letter whose key or headers are too large goes without them", async () => {
  const { queue, taken } = queueOfAtMost(100_000);
  const { record, ...letter } = letterOf(5, 0);
  const large = { ...record, key: Buffer.alloc(150_000), headers: [["a", Buffer.from("1")]] as const };
  await queue.send("orders", [{ ...letter, record: { ...large, value: null } }]);
  expect(readBack(taken[0]!)).toMatchObject({
    record: { offset: 5n, key: null, headers: [], value: new Uint8Array() },
    cutFromBytes: 0,
  });
});

test("a letter beyond any broker's request is cut without asking", async () => {
  const { queue, taken } = queueOfAtMost(DEAD_LETTER_BYTES_MAX);
  await queue.send("orders", [letterOf(0, DEAD_LETTER_BYTES_MAX + 1)]);
  expect(taken.map(readBack)).toMatchObject([{ cutFromBytes: DEAD_LETTER_BYTES_MAX + 1 }]);
});

test("any other failure of a send is the caller's", async () => {
  const failure = new HeadgateError("STREAM_UNREACHABLE", "It is away.");
  const queue = openDeadLetterQueue({
    ensureTopic: async () => {},
    send: () => Promise.reject(failure),
    close: async () => {},
  });
  await expect(queue.send("orders", [letterOf(0, 1)])).rejects.toBe(failure);
});

function letterOf(offset: number, valueBytes: number): DeadLetter {
  return {
    topic: "orders",
    partition: 2,
    record: { offset: BigInt(offset), timestampMs: 1, key: null, value: Buffer.alloc(valueBytes), headers: [] },
    refusals: [{ view: "totals", reason: "it is wrong" }],
  };
}
