/** What can be asked of store-worker.ts, and a handle on such a process. */

import { readCpuMicros } from "./process-cpu.ts";
import type { StoreShape } from "./store-rows.ts";
import { startWorker, type Worker } from "./worker.ts";

interface Place {
  readonly url: string;
  /** The project. */
  readonly prefix: string;
}

/** The jobs. */
export interface Jobs {
  /** Writes all rows of entities 0 … entities − 1 as the newest. */
  readonly write: Place & { readonly shape: StoreShape; readonly entities: number; readonly eventMs: number };
  /** Writes rows of keys 1 … keys at an even rate. */
  readonly stream: Place & { readonly keys: number; readonly perSecond: number; readonly seconds: number };
  /** Looks for what a stream writes, through memory. */
  readonly watch: Place & { readonly keys: number; readonly seconds: number };
  /** Reads entities drawn from 1 … entities, one a request, `perTurn` requests in one turn of the event loop. */
  readonly read: Place & {
    readonly entities: number;
    readonly reads: number;
    readonly perTurn: number;
    readonly fromMemory: boolean;
  };
}

/** Rows that were written; encoding them is not counted. */
export interface Written {
  readonly rows: number;
  /** Of one row. */
  readonly rowBytes: number;
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
}

/** Rows that were seen, from the moment they were sent to the moment they were answered from or through memory. */
export interface Seen {
  readonly seen: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Entities answered from memory. */
  readonly hits: number;
}

/** What reads cost the reading process. */
export interface Reads {
  readonly cpuMicrosPerEntity: number;
}

/** The answers. */
export interface Answers {
  readonly write: Written;
  readonly stream: { readonly writes: number };
  readonly watch: Seen;
  readonly read: Reads;
}

/** A running worker. */
export type StoreWorker = Worker<Jobs, Answers>;

/** Starts a worker; `core` undefined lets it run on any. */
export function startStoreWorker(core: number | undefined): StoreWorker {
  return startWorker(new URL("store-worker.ts", import.meta.url), core);
}

/** CPU time that a process takes while something is done, µs; undefined without /proc. */
export async function cpuMicrosOf(pid: number, work: () => Promise<unknown>): Promise<number | undefined> {
  const before = readCpuMicros(pid);
  await work();
  const after = readCpuMicros(pid);
  return before === undefined || after === undefined ? undefined : after - before;
}
