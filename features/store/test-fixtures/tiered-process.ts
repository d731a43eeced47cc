/**
 * A process beside the test's own that writes to, or reads through memory from, one Redis: `<options as JSON>`. Event
 * times are the machine's monotonic clock in µs, so they order all writes; it tells by IPC what it did and when, in ms
 * of that clock, and ends when it is told to.
 */

import { setTimeout as pause } from "node:timers/promises";
import { createCircuitBreaker } from "../circuit-breaker.ts";
import type { EntityRows } from "../online-store.ts";
import { openRedisStore } from "../redis.ts";
import { createTieredStore } from "../tiered.ts";
import { rowWrite } from "./rows.ts";
import { versionOf } from "./scripted-remote.ts";

/** What the process is told. */
export interface TieredProcessOptions {
  readonly role: "write" | "stream" | "read" | "watch";
  readonly url: string;
  readonly keyPrefix: string;
  readonly seed: number;
  readonly keys: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  /** Between two bursts of a writer; ms. */
  readonly pauseMs: number;
  /** The most writes of a burst, which are all of one entity. */
  readonly burst: number;
  readonly discardsRacedFills: boolean;
}

/** What it tells at the end: three numbers for each write (key, event time, when acknowledged) or read (key, event time, when begun). */
export interface TieredProcessReport {
  readonly events: Float64Array;
  readonly counts: Readonly<Record<string, number>>;
}

const options = JSON.parse(process.argv[3]!) as TieredProcessOptions;
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const events: number[] = [];
const failures = { failures: 0 };
let isAsked = true;
process.once("message", () => {
  isAsked = false;
});

/** xorshift32: the same numbers from the same seed. */
let state = options.seed;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}
const keyOf = (index: number) => `id=${index}`;
const anyKey = () => Math.floor(random() * options.keys);

const { heartbeatIntervalMs, heartbeatTimeoutMs } = options;
const remote = await openRedisStore(options.url, {
  keyPrefix: options.keyPrefix,
  silenceMs: 300,
  tracking: { heartbeatIntervalMs, heartbeatTimeoutMs, now: nowMs, random },
});
const breaker = createCircuitBreaker(remote, { backoffMs: 50, backoffMaxMs: 200, now: nowMs, random });
const store = createTieredStore(breaker, {
  maxBytes: 2 ** 22,
  now: nowMs,
  discardsRacedFills: options.discardsRacedFills,
});

/** Notes the write if it is acknowledged. */
async function write(index: number, at: number): Promise<void> {
  try {
    await remote.write([rowWrite(keyOf(index), at, "x")]);
    events.push(index, at, nowMs());
  } catch {
    failures.failures++;
  }
}

const ROLES: Readonly<Record<TieredProcessOptions["role"], () => Promise<void>>> = {
  /** Bursts of writes of one entity, each acknowledged before the next. */
  async write() {
    for (; isAsked; await pause(options.pauseMs)) {
      const index = anyKey();
      for (let i = Math.ceil(random() * options.burst); i > 0; i--) {
        const at = Math.round(nowMs() * 1_000);
        await write(index, at);
      }
    }
  },
  /** About a thousand writes a second, a few at once. */
  async stream() {
    const startedMs = nowMs();
    for (let writes = 0; isAsked; await pause(2)) {
      const due = Array.from({ length: Math.floor(nowMs() - startedMs) - writes }, anyKey);
      writes += due.length;
      for (const index of due) {
        const at = Math.round(nowMs() * 1_000);
        void write(index, at);
      }
    }
  },
  /** Reads of some entities, not waiting for one to begin the next; not ended while memory is in doubt. */
  async read() {
    const underWay = new Set<Promise<void>>();
    for (; isAsked || store.coherence().state !== "armed"; await pause(1)) {
      for (let i = 0; i < 4 && underWay.size < 64; i++) {
        const indexes = Array.from({ length: 1 + Math.floor(random() * 3) }, anyKey);
        const begunMs = nowMs();
        const note = (entities: readonly EntityRows[]) => {
          for (const [j, entity] of entities.entries()) events.push(indexes[j]!, versionOf(entity), begunMs);
        };
        const failed = () => {
          failures.failures++;
        };
        const read = (async () => store.read(indexes.map((index) => ({ key: keyOf(index), fields: ["view"] }))))();
        const done = read.then(note, failed).finally(() => underWay.delete(done));
        underWay.add(done);
      }
    }
    await Promise.all(underWay);
  },
  /** Notes when each new row of any entity is first answered. */
  async watch() {
    const requests = Array.from({ length: options.keys }, (_, index) => ({ key: keyOf(index), fields: ["view"] }));
    const newest = new Array<number>(options.keys).fill(0);
    for (; isAsked; await pause(1)) {
      // A busy machine may say nothing for longer than the connection is given.
      const entities = await (async () => store.read(requests))().catch(() => {
        failures.failures++;
        return [];
      });
      for (const [index, entity] of entities.entries()) {
        const at = versionOf(entity);
        if (at > newest[index]!) events.push(index, at, nowMs());
        newest[index] = at;
      }
    }
  },
};

while (["read", "watch"].includes(options.role) && store.coherence().state !== "armed") await pause(5);
await new Promise<void>((sent) => process.send!("ready", () => sent()));
await ROLES[options.role]();
const report: TieredProcessReport = {
  events: Float64Array.from(events),
  counts: { ...failures, ...store.counts() },
};
await new Promise<void>((sent) => process.send!(report, () => sent()));
await store.close();
process.disconnect();
