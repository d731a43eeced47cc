/**
 * A process that uses the store as a gateway or a loader does, for the store's bench: one job after the other, told and
 * answered by IPC. Its times are of the machine's monotonic clock, which all processes share.
 */

import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { EntityRows, OnlineStore } from "../features/store/online-store.ts";
import type { TieredStore } from "../features/store/tiered.ts";
import {
  createTieredStore,
  openRedisStore,
  ROW_ORDER_MAX_BYTES,
  readEventTimestampUs,
  writeRowOrder,
} from "./built.ts";
import { percentile, uniformIds } from "./statistics.ts";
import { encodeRows, SHAPES } from "./store-rows.ts";
import type { Answers, Jobs, Reads, Seen, Written } from "./store-worker-jobs.ts";
import { serveJobs } from "./worker.ts";

/** Rows of one write, as materialize has them; one write after the other. */
const WRITE_ROWS = 16_384;
/** Rows encoded at a time: all of a million entities' would be the garbage collector's bench. */
const ENCODED_ROWS = 100_000;
const FIELDS = [SHAPES.customer[0]!.name];
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const keyOf = (id: number) => `customer_id=${id}`;
const requestOf = (id: number) => ({ key: keyOf(id), fields: FIELDS });

serveJobs<Jobs, Answers>({
  write: (job) => withStore(job.url, job.prefix, (store) => write(store, job)),
  stream: (job) => withStore(job.url, job.prefix, (store) => stream(store, job)),
  watch: (job) => withMemory(job.url, job.prefix, (store) => watch(store, job)),
  read: (job) =>
    job.fromMemory
      ? withMemory(job.url, job.prefix, (store) => read(store, job))
      : withStore(job.url, job.prefix, (store) => read(store, job)),
});

async function withStore<T>(url: string, keyPrefix: string, work: (store: OnlineStore) => Promise<T>): Promise<T> {
  const tracking = { now: nowMs, random: Math.random };
  const store = await openRedisStore(url, { keyPrefix, tracking, now: nowMs, silenceMs: 30_000 });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function withMemory<T>(url: string, prefix: string, work: (store: TieredStore) => Promise<T>): Promise<T> {
  return withStore(url, prefix, async (remote) => {
    const store = createTieredStore(remote, { maxBytes: 2 ** 28, now: nowMs });
    while (store.coherence().state !== "armed") await pause(5);
    return work(store);
  });
}

/** Rows are encoded before the clock starts. */
async function write(store: OnlineStore, { shape, entities, eventMs }: Jobs["write"]): Promise<Written> {
  let seconds = 0;
  let cpuMicros = 0;
  let rowCount = 0;
  let rowBytes = 0;
  const step = Math.floor(ENCODED_ROWS / SHAPES[shape].length);
  for (let from = 0; from < entities; from += step) {
    const rows = encodeRows(shape, from, Math.min(step, entities - from), eventMs);
    rowBytes = rows[0]!.bytes.length;
    rowCount += rows.length;
    const [startMs, cpu] = [nowMs(), process.cpuUsage()];
    for (let next = 0; next < rows.length; next += WRITE_ROWS) {
      const outcomes = await store.write(rows.slice(next, next + WRITE_ROWS));
      if (outcomes.some((outcome) => outcome !== "written")) throw new Error("A row was not the newest.");
    }
    const { user, system } = process.cpuUsage(cpu);
    seconds += (nowMs() - startMs) / 1_000;
    cpuMicros += user + system;
  }
  return { rows: rowCount, rowBytes, rowsPerSecond: rowCount / seconds, cpuMicrosPerRow: cpuMicros / rowCount };
}

/** Each row's event time is the moment at which it was sent. */
async function stream(store: OnlineStore, { keys, perSecond, seconds }: Jobs["stream"]): Promise<{ writes: number }> {
  const draw = uniformIds(keys, 1);
  const [template] = encodeRows("customer", 0, 1, 0);
  const under = new Set<Promise<unknown>>();
  const startMs = nowMs();
  let writes = 0;
  for (; nowMs() - startMs < seconds * 1_000; await pause(1)) {
    for (const due = ((nowMs() - startMs) * perSecond) / 1_000; writes < due; writes++) {
      const bytes = rowOfNow(template!.bytes);
      const done = store.write([{ ...template!, key: keyOf(draw()), bytes }]).finally(() => under.delete(done));
      under.add(done);
    }
  }
  await Promise.all(under);
  return { writes };
}

/** The row with now for its event time. */
function rowOfNow(template: Uint8Array): Uint8Array {
  const eventTimestampUs = Math.round(nowMs() * 1_000);
  const head = Buffer.alloc(ROW_ORDER_MAX_BYTES);
  const order = { eventTimestampUs, createdTimestampUs: eventTimestampUs, generation: 1, sourceRank: 1, position: 0 };
  return Buffer.concat([head.subarray(0, writeRowOrder(head, 0, order)), template.subarray(1 + template[0]!)]);
}

/** Reads all keys through memory every millisecond and notes how old a new row is when it is first answered. */
async function watch(store: TieredStore, { keys, seconds }: Jobs["watch"]): Promise<Seen> {
  const requests = Array.from({ length: keys }, (_, i) => requestOf(i + 1));
  const newest = new Float64Array(keys);
  const delaysMs: number[] = [];
  const note = ({ rows: [row] }: EntityRows, i: number) => {
    const at = row === undefined ? 0 : readEventTimestampUs(row.bytes);
    if (at === newest[i]) return;
    if (newest[i]! > at) throw new Error("A row went back in time.");
    newest[i] = at;
    delaysMs.push(nowMs() - at / 1_000);
  };
  const startMs = nowMs();
  for (; nowMs() - startMs < seconds * 1_000; await pause(1)) (await store.read(requests)).forEach(note);
  const sorted = Float64Array.from(delaysMs).sort();
  return {
    seen: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    hits: store.counts().hits,
  };
}

/** CPU of this process, the client's work and the decoding of answers included, the reader's of rows not. */
async function read(store: OnlineStore, { entities, reads, perTurn, fromMemory }: Jobs["read"]): Promise<Reads> {
  const draw = uniformIds(entities, 1);
  const turn = () => Promise.all(Array.from({ length: perTurn }, async () => store.read([requestOf(draw())])));
  if (fromMemory)
    for (let id = 1; id <= entities; id += 500) await store.read(range(id, Math.min(500, entities - id + 1)));
  for (let done = 0; done < reads / 4; done += perTurn) await turn();
  const cpu = process.cpuUsage();
  for (let done = 0; done < reads; done += perTurn) {
    await turn();
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMicrosPerEntity: (user + system) / reads };
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => requestOf(from + i));
