import { expect, test, vi } from "vitest";
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
