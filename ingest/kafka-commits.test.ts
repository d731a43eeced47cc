import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, onTestFinished, test, vi } from "vitest";
import type { KafkaLogLine } from "./kafka-client.ts";
import { Commits } from "./kafka-commits.ts";
import type { PartitionOffset } from "./kafka-offsets.ts";

const at = (offset: bigint, partition = 0): PartitionOffset => ({ topic: "orders", partition, offset });

/** What was sent, and a coordinator that refuses as long as it is told to. */
function coordinator() {
  const sent: (readonly PartitionOffset[])[] = [];
  const state = { refuses: false };
  const commits = new Commits(async (offsets) => {
    if (state.refuses) throw new Error("The group is rebalancing.");
    sent.push(offsets);
  });
  return { sent, state, commits };
}

test("what is acknowledged in quick succession is one commit of the newest", async () => {
  vi.useFakeTimers();
  const { sent, commits } = coordinator();
  commits.begin([at(5n)]);
  for (const offset of [6n, 7n, 8n]) commits.acknowledge(at(offset));
  commits.acknowledge(at(3n, 1));
  expect([commits.committed("orders[0]"), commits.acknowledged("orders[0]")]).toEqual([5n, 8n]);
  await vi.advanceTimersByTimeAsync(100);
  expect(sent).toEqual([[at(8n), at(3n, 1)]]);
  expect(commits.committed("orders[0]")).toBe(8n);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toHaveLength(1);
  vi.useRealTimers();
});

test("a commit that fails stays pending and is tried again, with what came meanwhile", async () => {
  vi.useFakeTimers();
  const { sent, state, commits } = coordinator();
  state.refuses = true;
  commits.acknowledge(at(1n));
  await expect(commits.flush()).rejects.toThrow("rebalancing");
  await vi.advanceTimersByTimeAsync(100);
  commits.acknowledge(at(2n));
  state.refuses = false;
  await vi.advanceTimersByTimeAsync(1_100);
  expect(sent).toEqual([[at(2n)]]);
  vi.useRealTimers();
});

test("a new assignment forgets what was pending, and closing sends no more", async () => {
  const { sent, commits } = coordinator();
  commits.acknowledge(at(9n));
  commits.begin([at(4n)]);
  await commits.flush();
  expect(commits.acknowledged("orders[0]")).toBe(4n);
  commits.acknowledge(at(10n));
  commits.close();
  await commits.flush();
  expect(sent).toEqual([]);
});

test("what comes of a commit that another assignment has overtaken counts for nothing", async () => {
  let answer: () => void = () => {};
  const sent: (readonly PartitionOffset[])[] = [];
  const commits = new Commits((offsets) => {
    sent.push(offsets);
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  commits.acknowledge(at(9n));
  const [first, second] = [commits.flush(), commits.flush()];
  const refused = Promise.all([
    expect(first).rejects.toThrow("rebalanced"),
    expect(second).rejects.toThrow("rebalanced"),
  ]);
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  commits.begin([at(4n)]);
  commits.acknowledge(at(5n));
  answer();
  await refused;
  expect(sent).toHaveLength(1);
  expect([commits.committed("orders[0]"), commits.acknowledged("orders[0]")]).toEqual([4n, 5n]);
  commits.close();
});

test("commits that fail are told once for each reason, until one is taken", async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const listen = (line: unknown) => told.push((line as KafkaLogLine).message);
  subscribe("headgate:kafka-log", listen);
  onTestFinished(() => void unsubscribe("headgate:kafka-log", listen));
  const { state, commits } = coordinator();
  state.refuses = true;
  commits.acknowledge(at(1n));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told).toEqual([expect.stringContaining("could not be committed")]);
  state.refuses = false;
  await vi.advanceTimersByTimeAsync(1_000);
  state.refuses = true;
  commits.acknowledge(at(2n));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told).toHaveLength(2);
  commits.close();
  vi.useRealTimers();
});
