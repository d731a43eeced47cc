import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import type { ConsumerState } from "./consumer.ts";
import type { PartitionOffset } from "./kafka-offsets.ts";
import { type IngestRewind, StoreHistory } from "./store-history.ts";

const MINUTE = 60_000;
const REPLAY_MS = 10 * MINUTE;

/** A store whose history the test says, and ingesters of one group over it. */
class World {
  nowMs = 0;
  history = "run-1";
  isAway = false;
  readonly control: ControlStore = openMemoryStore().control;

  ingester(...partitions: readonly number[]): Ingester {
    return new Ingester(this, partitions);
  }
}

class Ingester {
  partitions: readonly number[];
  /** Partition → offset, of each time. */
  readonly rewinds: Readonly<Record<number, bigint>>[] = [];
  rewindFails = false;
  /** Partitions that have gone to another member without a check having learnt of it. */
  gone: readonly number[] = [];
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
    const rewind = async (to: readonly PartitionOffset[]) => {
      if (this.rewindFails) throw new HeadgateError("STREAM_UNREACHABLE", "It is away.");
      const done = to.filter(({ partition }) => !this.gone.includes(partition));
      this.rewinds.push(Object.fromEntries(done.map(({ partition, offset }) => [partition, offset])));
      return done;
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

  /** Of a partition, records from the first to below the next. */
  applied(partition: number, first: number, next: number): void {
    this.history.applied("orders", partition, BigInt(first), BigInt(next));
  }

  /** Applies so many records a minute, from an offset on, with a check each minute. */
  async run(world: World, minutes: number, rates: Readonly<Record<number, number>>, from = 0): Promise<void> {
    for (let i = 0; i < minutes; i++, world.nowMs += MINUTE) {
      for (const [partition, rate] of Object.entries(rates)) {
        this.applied(Number(partition), from + i * rate, from + (i + 1) * rate);
      }
      await this.history.check();
    }
  }
}

test("as long as the history is the same nothing is read again", async () => {
  const world = new World();
  const ingester = world.ingester(0, 1);
  await ingester.run(world, 30, { 0: 100 });
  expect([ingester.rewinds, ingester.changes]).toEqual([[], 0]);
});

test("a new history goes back to what was being applied then, each partition to its own, once, and tells of it", async () => {
  const world = new World();
  const ingester = world.ingester(0, 1, 2);
  const told: IngestRewind[] = [];
  const listen = (message: unknown) => told.push(message as IngestRewind);
  // Partition 1 works off a backlog; of 2 nothing ever came.
  await ingester.run(world, 30, { 0: 10, 1: 50_000 });
  world.history = "run-2";
  subscribe("headgate:ingest-rewind", listen);
  await ingester.history.check();
  await ingester.history.check();
  unsubscribe("headgate:ingest-rewind", listen);
  // The last check that saw the old history was in minute 29; by minute 19 all of its records were in the store.
  expect(ingester.rewinds).toEqual([{ 0: 200n, 1: 1_000_000n }]);
  const places = [0, 1].map((partition) => ({ topic: "orders", partition, offset: [200n, 1_000_000n][partition] }));
  expect([ingester.changes, told]).toEqual([1, [{ places }]]);
});

test("an outage longer than the replay counts from when the old history was last seen", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  await ingester.run(world, 30, { 0: 10 });
  world.isAway = true;
  for (let i = 30; i < 90; i++, world.nowMs += MINUTE) {
    await expect(ingester.history.check()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    // Some masters of a cluster still take rows while one is away.
    ingester.applied(0, i * 10, (i + 1) * 10);
  }
  world.isAway = false;
  world.history = "run-2";
  await ingester.history.check();
  expect(ingester.rewinds).toEqual([{ 0: 200n }]);
});

test("however long nobody can say that the history is the same, marks are bounded and nothing is forgotten", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  await ingester.run(world, 30, { 0: 10 });
  world.isAway = true;
  for (let i = 30; i < 7 * 24 * 60; i++, world.nowMs += MINUTE) ingester.applied(0, i * 10, (i + 1) * 10);
  world.isAway = false;
  world.history = "run-2";
  await ingester.history.check();
  expect(ingester.rewinds).toHaveLength(1);
  expect(ingester.rewinds[0]![0]).toBeLessThanOrEqual(200n);
  expect(ingester.rewinds[0]![0]).toBeGreaterThanOrEqual(180n);
});

test("a second failover goes back to where the first one did, until what was read again has aged", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  await ingester.run(world, 30, { 0: 10 });
  world.history = "run-2";
  await ingester.history.check();
  expect(ingester.rewinds).toEqual([{ 0: 200n }]);
  await ingester.run(world, 3, { 0: 40 }, 200);
  world.history = "run-3";
  await ingester.history.check();
  expect(ingester.rewinds[1]![0]).toBeLessThanOrEqual(200n);
  expect(ingester.rewinds[1]![0]).toBeGreaterThanOrEqual(180n);
  await ingester.run(world, 30, { 0: 40 }, 200);
  world.history = "run-4";
  await ingester.history.check();
  expect(ingester.rewinds[2]).toEqual({ 0: 1_000n });
});

test("a partition that goes back by itself is not taken to have come as far as before", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  await ingester.run(world, 30, { 0: 10 });
  // An operator has reset the group.
  ingester.applied(0, 50, 60);
  world.history = "run-2";
  await ingester.history.check();
  expect(ingester.rewinds).toEqual([{ 0: 50n }]);
});

test("what could not be moved stays to be moved, and only that", async () => {
  const world = new World();
  const ingester = world.ingester(0, 1);
  await ingester.run(world, 30, { 0: 10, 1: 10 });
  world.history = "run-2";
  ingester.gone = [1];
  await ingester.history.check();
  expect(ingester.rewinds).toEqual([{ 0: 200n }]);
  // Whoever has it now goes back: nobody has recorded that it was done.
  const other = world.ingester(1);
  await other.history.check();
  expect(Object.keys(other.rewinds[0]!)).toEqual(["1"]);
  ingester.partitions = [0];
  await ingester.history.check();
  expect(ingester.rewinds).toHaveLength(1);
});

test("a failover that happened while no ingester ran is noticed by the next, of whichever group member", async () => {
  const world = new World();
  const first = world.ingester(0, 1);
  await first.run(world, 30, { 0: 10 });
  world.history = "run-2";
  world.nowMs += 5 * 60 * MINUTE;
  const second = world.ingester(1);
  await second.history.check();
  // Partition 1 has never had a record.
  expect(second.rewinds).toEqual([]);
  second.partitions = [0, 1];
  await second.history.check();
  expect(second.rewinds).toEqual([{ 0: 200n }]);
  const third = world.ingester(0, 1);
  await third.history.check();
  expect(third.rewinds).toEqual([]);
});

test("what a partition has applied before any check is known to whoever comes next", async () => {
  const world = new World();
  const first = world.ingester(0);
  first.applied(0, 7, 9);
  // The check that this begins.
  await first.history.check();
  world.history = "run-2";
  const second = world.ingester(0);
  second.applied(0, 9, 12);
  await second.history.check();
  expect(second.rewinds).toEqual([{ 0: 7n }]);
});

test("a partition that comes from an ingester which had not noticed is read again, one that had is not", async () => {
  const world = new World();
  const [notices, sleeps] = [world.ingester(0), world.ingester(1)];
  await notices.run(world, 30, { 0: 10 });
  world.nowMs -= 30 * MINUTE;
  await sleeps.run(world, 30, { 1: 10 });
  world.history = "run-2";
  await notices.history.check();
  expect(notices.rewinds).toEqual([{ 0: 200n }]);
  notices.partitions = [0, 1];
  await notices.history.check();
  expect(notices.rewinds.slice(1)).toEqual([{ 1: 200n }]);
  sleeps.partitions = [];
  await sleeps.history.check();
  expect(sleeps.rewinds).toEqual([]);
});

test("what can't be done now is done by the next check, and a closed one checks no more", async () => {
  const world = new World();
  const ingester = world.ingester(0);
  ingester.applied(0, 0, 10);
  await ingester.history.check();
  world.history = "run-2";
  world.isAway = true;
  await expect(ingester.history.check()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  world.isAway = false;
  ingester.rewindFails = true;
  await expect(ingester.history.check()).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
  const other = world.ingester(0);
  await other.history.check();
  expect(other.rewinds).toEqual([{ 0: 0n }]);
  ingester.rewindFails = false;
  const closed = ingester.history.check();
  await ingester.history.close();
  expect(ingester.rewinds).toEqual([{ 0: 0n }]);
  await closed;
  world.isAway = true;
  await ingester.history.check();
});

test("the control store is not written for each record", async () => {
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
    ingester.applied(0, i, i + 1);
    if (i % 5 === 0) await ingester.history.check();
  }
  expect(writes).toBeGreaterThan(45);
  expect(writes).toBeLessThan(65);
  world.history = "run-2";
  await ingester.history.check();
  const backSeconds = 3_600 - Number(ingester.rewinds[0]![0]);
  expect(backSeconds).toBeGreaterThanOrEqual(600);
  expect(backSeconds).toBeLessThan(620);
});
