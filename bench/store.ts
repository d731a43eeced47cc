/**
 * The online store on Redis: how quickly rows are written against redis-benchmark's plain HSET, how soon another
 * process sees them, what they take beside Feast's layout, and what a read costs. Servers are this bench's own.
 */

import { endingAll } from "./ends.ts";
import { canPin } from "./process-cpu.ts";
import {
  type BenchRedis,
  benchmarkHset,
  CLIENT_CORE,
  REDIS_CORE,
  startBenchCluster,
  startBenchRedis,
  tagOf,
} from "./redis-server.ts";
import { atLeast, atMost, type BenchResult, countText, textTable } from "./result.ts";
import { byTurns } from "./rounds.ts";
import { type Spread, spreadOf, spreadText } from "./statistics.ts";
import { measureMemory, type StoreMemory } from "./store-memory.ts";
import { cpuMicrosOf, type Seen, type StoreWorker, startStoreWorker } from "./store-worker-jobs.ts";

/** How to measure. */
export interface StoreOptions {
  /** Rounds of writes; visibility is measured in as many runs. */
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

/** Rows of one round of writes, each of an entity of its own. */
const ROWS = 200_000;
/** Entities that are streamed, per second, for so long. */
const STREAM = Object.freeze({ keys: 500, perSecond: 1_000, seconds: 5 });
const READS = Object.freeze({ entities: 100_000, reads: 200_000, perTurn: 64 });
const HOUR_MS = 3_600_000;

/** Runs the bench. Rejects where there is no redis-server. */
export function benchStore({ rounds, tell }: StoreOptions): Promise<BenchResult> {
  tell(canPin ? "Redis and its client each have a core of their own (taskset)." : "Nothing is held to a core.");
  return endingAll(async (keep) => {
    const server = await keep(startBenchRedis(REDIS_CORE));
    const [client, other] = [await keep(startStoreWorker(CLIENT_CORE)), await keep(startStoreWorker(undefined))];
    const writes = await measureWrites(server, client, rounds);
    tell(`\n${writesTable(writes)}\n`);
    const cluster = await measureCluster(client, rounds);
    tell(`cluster of 3, all on this machine: ${shown(cluster.perNode)} of redis-benchmark on each node at once\n`);
    const visibility = await measureVisibility(server, client, other, rounds);
    tell(
      visibility.map(({ seen, p50Ms, p99Ms }) => `${seen} rows seen: p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}`).join("\n"),
    );
    const reads = await measureReads(server, client);
    tell(`\n${readsTable(reads)}\n`);
    const memory = [
      await measureMemory(server, client, "customer", 1_000_000),
      await measureMemory(server, client, "wide", 200_000),
    ];
    tell(`${memoryTable(memory)}\n`);
    const p99Ms = spreadOf(visibility.map((run) => run.p99Ms));
    return {
      figures: { pinned: canPin, rows: ROWS, writes, cluster, stream: STREAM, visibility, reads, memory },
      bars: [
        atLeast("rows/s of redis-benchmark's HSET, rows over older ones", writes.over?.ratio?.median, "×", 0.5),
        atLeast("the same, new keys", writes.fresh?.ratio?.median, "×", 0.5),
        atLeast("rows/s per node of a cluster, of redis-benchmark's", cluster.perNode?.median, "×", 0.3),
        atMost("seen through memory by another process, p99", p99Ms?.median, "ms", 10),
        atMost("memory, 1 view of 4 features, of Feast's layout", memory[0]!.ratio, "×", 0.9),
        atMost("memory, 5 views of 10 features, of Feast's layout", memory[1]!.ratio, "×", 0.6),
      ],
    };
  });
}

/** Of one kind of writes, over the rounds. */
interface WriteFigures {
  readonly rowsPerSecond: Spread | undefined;
  readonly floorPerSecond: Spread | undefined;
  readonly ratio: Spread | undefined;
  readonly clientMicrosPerRow: Spread | undefined;
  readonly serverMicrosPerRow: Spread | undefined;
}

interface Round {
  readonly rowsPerSecond: number;
  readonly floorPerSecond: number;
  readonly clientMicrosPerRow: number;
  readonly serverMicrosPerRow: number | undefined;
}

interface Writes {
  /** Rows of keys that are not there. */
  readonly fresh: WriteFigures;
  /** Newer rows over older ones. */
  readonly over: WriteFigures;
  readonly rowBytes: number;
}

/** In every round an empty server takes each side's rows, then newer ones over them; another side begins each time. */
async function measureWrites(server: BenchRedis, worker: StoreWorker, rounds: number): Promise<Writes> {
  const startMs = Date.now() - HOUR_MS;
  const job = { url: server.url, prefix: "churn", shape: "customer", entities: ROWS } as const;
  const { rowBytes } = await worker.ask("write", { ...job, eventMs: startMs });
  const kinds: Record<"fresh" | "over", Round[]> = { fresh: [], over: [] };
  for (let round = 1; round <= rounds; round++) {
    await server.client.flushall("SYNC");
    for (const [i, kind] of (["fresh", "over"] as const).entries()) {
      let own = { rowsPerSecond: 0, cpuMicrosPerRow: 0 };
      let floorPerSecond = 0;
      let serverMicros: number | undefined;
      const sides = [
        async () => {
          const write = async () => {
            own = await worker.ask("write", { ...job, eventMs: startMs + 2 * round + i });
          };
          serverMicros = await cpuMicrosOf(server.pid, write);
        },
        async () => {
          const load = { rows: ROWS, valueBytes: rowBytes, prefix: "churn:customer_id=", isPinned: canPin };
          floorPerSecond = await benchmarkHset(server, { ...load, prefix: "floor:customer_id=" });
        },
      ];
      for (const side of byTurns(sides, round)) await side();
      kinds[kind].push({
        rowsPerSecond: own.rowsPerSecond,
        floorPerSecond,
        clientMicrosPerRow: own.cpuMicrosPerRow,
        serverMicrosPerRow: serverMicros === undefined ? undefined : serverMicros / ROWS,
      });
    }
  }
  return { fresh: figuresOf(kinds.fresh), over: figuresOf(kinds.over), rowBytes };
}

function figuresOf(rounds: readonly Round[]): WriteFigures {
  return {
    rowsPerSecond: spreadOf(rounds.map((one) => one.rowsPerSecond)),
    floorPerSecond: spreadOf(rounds.map((one) => one.floorPerSecond)),
    ratio: spreadOf(rounds.map((one) => one.rowsPerSecond / one.floorPerSecond)),
    clientMicrosPerRow: spreadOf(rounds.map((one) => one.clientMicrosPerRow)),
    serverMicrosPerRow: spreadOf(rounds.map((one) => one.serverMicrosPerRow)),
  };
}

/** The machine has fewer cores than there are processes, so the floor is all nodes' at once, as the store's rows are. */
function measureCluster(worker: StoreWorker, rounds: number) {
  return endingAll(async (keep) => {
    const cluster = await keep(startBenchCluster());
    const job = { url: cluster.url, prefix: "churn", shape: "customer", entities: ROWS } as const;
    const startMs = Date.now() - HOUR_MS;
    const { rowBytes } = await worker.ask("write", { ...job, eventMs: startMs });
    const tags = await Promise.all(cluster.nodes.map(tagOf));
    const done: { readonly rowsPerSecond: number; readonly floorPerSecond: number }[] = [];
    for (let round = 1; round <= rounds; round++) {
      const floors = await Promise.all(
        cluster.nodes.map((node, i) => {
          const prefix = `${tags[i]}customer_id=`;
          return benchmarkHset(node, { rows: ROWS, valueBytes: rowBytes, prefix, isPinned: false });
        }),
      );
      const { rowsPerSecond } = await worker.ask("write", { ...job, eventMs: startMs + round });
      done.push({ rowsPerSecond, floorPerSecond: floors.reduce((sum, floor) => sum + floor, 0) });
    }
    return {
      rowsPerSecond: spreadOf(done.map((one) => one.rowsPerSecond)),
      floorPerSecond: spreadOf(done.map((one) => one.floorPerSecond)),
      perNode: spreadOf(done.map((one) => one.rowsPerSecond / one.floorPerSecond)),
    };
  });
}

async function measureVisibility(
  server: BenchRedis,
  watcher: StoreWorker,
  writer: StoreWorker,
  runs: number,
): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (let run = 0; run < runs; run++) {
    const place = { url: server.url, prefix: `seen${run}`, keys: STREAM.keys };
    const [watched] = await Promise.all([
      watcher.ask("watch", { ...place, seconds: STREAM.seconds + 1 }),
      writer.ask("stream", { ...place, perSecond: STREAM.perSecond, seconds: STREAM.seconds }),
    ]);
    seen.push(watched);
  }
  return seen;
}

async function measureReads(server: BenchRedis, worker: StoreWorker) {
  await server.client.flushall("SYNC");
  const { entities, reads, perTurn } = READS;
  const place = { url: server.url, prefix: "churn" };
  await worker.ask("write", { ...place, shape: "customer", entities: entities + 1, eventMs: Date.now() - HOUR_MS });
  const rows: {
    readonly tier: string;
    readonly perTurn: number;
    readonly client: number;
    readonly server: number | undefined;
  }[] = [];
  for (const [fromMemory, each] of [
    [true, 1],
    [true, perTurn],
    [false, 1],
    [false, perTurn],
  ] as const) {
    let client = 0;
    // Longer for the quick: CPU time is told in hundredths of a second.
    const job = {
      ...place,
      entities,
      reads: fromMemory ? 10 * reads : each === 1 ? reads / 10 : reads,
      perTurn: each,
      fromMemory,
    };
    const micros = await cpuMicrosOf(server.pid, async () => {
      client = (await worker.ask("read", job)).cpuMicrosPerEntity;
    });
    rows.push({
      tier: fromMemory ? "memory" : "redis",
      perTurn: each,
      client,
      server: fromMemory || micros === undefined ? undefined : micros / (1.25 * job.reads),
    });
  }
  return rows;
}

const shown = (spread: Spread | undefined) => spreadText(spread, 2);
const ms = (value: number) => `${value.toFixed(2)} ms`;

function writesTable({ fresh, over }: Writes): string {
  const row = (name: string, figures: WriteFigures) => [
    name,
    countText(figures.rowsPerSecond?.median),
    countText(figures.floorPerSecond?.median),
    shown(figures.ratio),
    shown(figures.clientMicrosPerRow),
    shown(figures.serverMicrosPerRow),
  ];
  const heading = [
    "writes, one server",
    "rows/s",
    "redis-benchmark",
    "ratio",
    "client CPU µs/row",
    "server CPU µs/row",
  ];
  return textTable(heading, [row("new keys", fresh), row("newer rows over older", over)]);
}

function readsTable(rows: Awaited<ReturnType<typeof measureReads>>): string {
  const heading = ["reads, one entity a request", "requests a turn", "client CPU µs", "server CPU µs"];
  return textTable(
    heading,
    rows.map((row) => [row.tier, String(row.perTurn), row.client.toFixed(2), row.server?.toFixed(2) ?? ""]),
  );
}

function memoryTable(rows: readonly StoreMemory[]): string {
  const heading = ["memory, bytes per entity", "entities", "headgate", "Feast's layout", "ratio"];
  const names = { customer: "1 view of 4 features", wide: "5 views of 10 features" };
  return textTable(
    heading,
    rows.map(({ shape, entities, headgateBytes, feastBytes, ratio }) => [
      names[shape],
      countText(entities),
      headgateBytes.toFixed(1),
      feastBytes.toFixed(1),
      ratio.toFixed(2),
    ]),
  );
}
