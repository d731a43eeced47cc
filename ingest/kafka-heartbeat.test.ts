import { expect, test, vi } from "vitest";
import { Heartbeat } from "./kafka-heartbeat.ts";

const rebalancing = Object.assign(new Error("The group is rebalancing."), { type: "REBALANCE_IN_PROGRESS" });

test("it beats while anything is waited for, and what it is told concerns the assignment of that moment", async () => {
  vi.useFakeTimers();
  const over: string[] = [];
  const state = { assignment: "first", beats: 0, refuses: false };
  const heartbeat = new Heartbeat<string>({
    assignment: () => state.assignment,
    onOver: (assignment) => over.push(assignment),
  });
  const beat = async () => {
    state.beats++;
    if (state.refuses) throw rebalancing;
  };
  let end: () => void = () => {};
  const waits = [0, 1].map(() =>
    heartbeat.during(
      beat,
      () =>
        new Promise<void>((resolve) => {
          const before = end;
          end = () => {
            before();
            resolve();
          };
        }),
    ),
  );
  await vi.advanceTimersByTimeAsync(1_000);
  expect(state.beats).toBe(2);
  // A batch of the assignment before goes on while the group has given out another.
  state.assignment = "second";
  state.refuses = true;
  await vi.advanceTimersByTimeAsync(500);
  expect(over).toEqual(["second"]);
  end();
  await Promise.all(waits);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(state.beats).toBe(3);
  vi.useRealTimers();
});

test("a refusal that comes after another assignment says nothing about that", async () => {
  vi.useFakeTimers();
  const over: string[] = [];
  const state = { assignment: "first" };
  const heartbeat = new Heartbeat<string>({
    assignment: () => state.assignment,
    onOver: (assignment) => over.push(assignment),
  });
  let refuse: (error: Error) => void = () => {};
  const beat = () =>
    new Promise<void>((_, reject) => {
      refuse = reject;
    });
  void heartbeat.during(beat, () => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(500);
  state.assignment = "second";
  refuse(rebalancing);
  await vi.advanceTimersByTimeAsync(100);
  expect(over).toEqual([]);
  heartbeat.stop();
  vi.useRealTimers();
});
