import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { CommitSender, type CommittingConsumer } from "./kafka-commit-sender.ts";

const offsets = [
  { topic: "orders", partition: 0, offset: 5n },
  { topic: "orders", partition: 1, offset: 7n },
];

/** As much of kafkajs as is used, which sends only while it runs. */
function member() {
  const emitter = new EventEmitter();
  const sent: unknown[] = [];
  const state = { runs: true };
  const send = async (what: unknown) => {
    if (!state.runs) return;
    sent.push(what);
    emitter.emit("commit");
  };
  const consumer = {
    events: { COMMIT_OFFSETS: "commit" },
    on: (name: string, listener: () => void) => emitter.on(name, listener),
    commitOffsets: send,
  } as unknown as CommittingConsumer;
  return { sender: new CommitSender(consumer), sent, state, send };
}

test("a commit that kafkajs drops without a word is no commit", async () => {
  const { sender, sent, state } = member();
  await sender.send(offsets);
  expect(sent).toEqual([offsets.map((one) => ({ ...one, offset: String(one.offset) }))]);
  state.runs = false;
  await expect(sender.send(offsets)).rejects.toThrow("was not sent");
});

test("once a batch has come its way is taken, which tries one time", async () => {
  const { sender, sent, send, state } = member();
  sender.use({ commitOffsetsIfNecessary: send });
  await sender.send(offsets);
  const partitions = [
    { partition: 0, offset: "5" },
    { partition: 1, offset: "7" },
  ];
  expect(sent).toEqual([{ topics: [{ topic: "orders", partitions }] }]);
  state.runs = false;
  await expect(sender.send(offsets)).rejects.toThrow("was not sent");
});
