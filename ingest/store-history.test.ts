import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import type { ConsumerState } from "./consumer.ts";
import { type IngestRewind, StoreHistory } from "./store-history.ts";

const MINUTE = 60_000;
const REPLAY_MS = 10 * MINUTE;
const START_MS = Date.UTC(2026, 10, 23);

/** A store whose history the test says, and ingesters of one group over it. */
class World {
  nowMs = START_MS;
  history = "run-1";
  isAway = false;
  readonly control: ControlStore = openMemoryStore().control;

  ingester(...partitions: readonly number[]): Ingester {
    return new Ingester(this, partitions);
  }
}

class Ingester {
  partitions: readonly number[];
  readonly rewinds: number[] = [];
  rewindFails = false;
  changes = 0;
  readonly history: StoreHistory;

  constructor(world: World, partitions: readonly number[]) {
    this.partitions = partitions;
    const state = (): ConsumerState => ({
      connected: true,
      assignments: this.partitions.map((partition) => ({ topic: "orders", partition })),
      rebalances: 0,
      problem: undefined,
    });
    const rewind = async (timestampMs: number) => {
      if (this.rewindFails) throw new HeadgateError("STREAM_UNREACHABLE", "It is away.");
      this.rewinds.push(timestampMs);
    };
    this.history = new StoreHistory({
      store: {
        control: world.control,
        history: async () => {
          if (world.isAway) throw new HeadgateError("STORE_UNREACHABLE", "It is away.");
          return world.history;
        },
      },
      groupId: "headgate-shop",
      consumer: { state, rewind },
      replayMs: REPLAY_MS,
      now: () => world.nowMs,
      onChange: () => this.changes++,
    });
  }

  applied(partition: number, timestampMs: number): void {
    this.history.applied("orders", partition, timestampMs);
  }
}

test("as long as the history is the same nothing is read again", async () => {
  const world = new World();
  const ingester = world.ingester(0, 1);
  for (let i = 0; i < 30; i++, world.nowMs += MINUTE) {
    ingester.applied(0, world.nowMs);
    await ingester.history.check();
  }
  expect([ingester.rewinds, ingester.changes]).toEqual([[], 0]);
});

test("a new history goes back to what was being applied then, once, and tells of it", async () => {
  const world = new World();
  const ingester = world.ingester(0, 1);
  const told: IngestRewind[] = [];
  const listen = (message: unknown) => told.push(message as IngestRewind);
  // Partition 1 is an hour behind: at a time it applies records that are an hour older.
  for (let i = 0; i < 30; i++, world.nowMs += MINUTE) {
    ingester.applied(0, world.nowMs);
    ingester.applied(1, world.nowMs - 60 * MINUTE);
    await ingester.history.check();
  }
  world.history = "run-2";
  subscribe("headgate:ingest-rewind", listen);
  await ingester.history.check();
  await ingester.history.check();
  unsubscribe("headgate:ingest-rewind", listen);
  const timestampMs = world.nowMs - REPLAY_MS - 60 * MINUTE;
  expect(ingester.rewinds).toEqual([timestampMs]);
  expect([ingester.changes, told]).toEqual([1, [{ partitions: 2, timestampMs }]]);
});

test("a backlog that is worked off faster than time passes is gone back by what was applied, not by the clock", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  const yesterdayMs = START_MS - 24 * 60 * MINUTE;
  for (let i = 0; i < 60; i++, world.nowMs += MINUTE) {
    ingester.applied(0, yesterdayMs + i * 20 * MINUTE);
    await ingester.history.check();
  }
  world.history = "run-2";
  await ingester.history.check();
  expect(ingester.rewinds).toEqual([yesterdayMs + 50 * 20 * MINUTE]);
});

test("a failover that happened while no ingester ran is noticed by the next, of whichever group member", async () => {
  const world = new World();
  const first = world.ingester(0, 1);
  for (let i = 0; i < 30; i++, world.nowMs += MINUTE) {
    first.applied(0, world.nowMs);
    await first.history.check();
  }
  world.history = "run-2";
  world.nowMs += 5 * 60 * MINUTE;
  const second = world.ingester(1);
  await second.history.check();
  second.partitions = [0, 1];
  await second.history.check();
  // Partition 1 has never had a record; 0 goes back to where it was ten minutes before the last that was applied.
  expect(second.rewinds).toHaveLength(2);
  const lastMs = START_MS + 29 * MINUTE;
  expect(second.rewinds[1]).toBeGreaterThanOrEqual(lastMs - REPLAY_MS - 2 * MINUTE);
  expect(second.rewinds[1]).toBeLessThanOrEqual(lastMs - REPLAY_MS + MINUTE);
  const third = world.ingester(0, 1);
  await third.history.check();
  expect(third.rewinds).toEqual([]);
});

test("a partition that comes from an ingester which had not noticed is read again, one that had is not", async () => {
  const world = new World();
  const [notices, sleeps] = [world.ingester(0), world.ingester(1)];
  for (let i = 0; i < 30; i++, world.nowMs += MINUTE) {
    for (const [partition, ingester] of [notices, sleeps].entries()) {
      ingester.applied(partition, world.nowMs);
      await ingester.history.check();
    }
  }
  world.history = "run-2";
  await notices.history.check();
  expect(notices.rewinds).toHaveLength(1);
  notices.partitions = [0, 1];
  await notices.history.check();
  expect(notices.rewinds).toHaveLength(2);
  sleeps.partitions = [];
  await sleeps.history.check();
  expect(sleeps.rewinds).toEqual([]);
});

test("what can't be done now is done by the next check", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  ingester.applied(0, world.nowMs);
  await ingester.history.check();
  world.history = "run-2";
  world.isAway = true;
  await expect(ingester.history.check()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  world.isAway = false;
  ingester.rewindFails = true;
  await expect(ingester.history.check()).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  const other = world.ingester(0);
  await other.history.check();
  expect(other.rewinds).toHaveLength(1);
  ingester.rewindFails = false;
  await ingester.history.check();
  expect(ingester.rewinds).toHaveLength(1);
});

test("marks are bounded however often something is applied, and the control store is not written for each", async () => {
  const world = new World();
  let writes = 0;
  const { compareAndSet } = world.control;
  Object.assign(world, {
    control: {
      ...world.control,
      compareAndSet: (...record: Parameters<typeof compareAndSet>) => {
        writes++;
        return compareAndSet(...record);
      },
    },
  });
  const ingester = world.ingester(0);
  for (let i = 0; i < 60 * 60; i++, world.nowMs += 1_000) {
    ingester.applied(0, world.nowMs);
    if (i % 5 === 0) await ingester.history.check();
  }
  expect(writes).toBeGreaterThan(50);
  expect(writes).toBeLessThan(65);
  world.history = "run-2";
  await ingester.history.check();
  expect(world.nowMs - ingester.rewinds[0]!).toBeGreaterThanOrEqual(REPLAY_MS);
  expect(world.nowMs - ingester.rewinds[0]!).toBeLessThan(REPLAY_MS + 15_000);
});
