/**
 * Where files are decoded and encoded: on this thread, or on one of its own, so that it overlaps with writing. A store
 * that writes on the calling thread (LMDB) keeps one core busy by itself; the other one then decodes.
 *
 * The thread works at most AHEAD batches ahead of its consumer, which bounds memory whatever the store's speed. It is
 * started when the first file needs it and thrown away when a file is not read to its end.
 */

import { on } from "node:events";
import { Worker } from "node:worker_threads";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import { openObjectStore } from "../object-store.ts";
import { encodeFile, type FileLoad } from "./file-load.ts";
import type { RowBatch } from "./row-batch.ts";

/** Batches that a thread may have finished before the consumer took them; each holds up to a range of rows. */
export const AHEAD = 2;

/**
 * The thread's heap at most, MB. Far above what ranges of ordinary rows need (about 100); a bound at all makes the
 * collector keep less garbage around. A file whose rows are so wide that it does not do is refused.
 */
const THREAD_HEAP_MB = 1_024;

/** Encodes files, one at a time. */
export interface FileEncoder {
  /** The batches of a load, in the file's order; rejects with what encodeFile throws. */
  encode(load: FileLoad): AsyncIterable<RowBatch>;
  close(): Promise<void>;
}

/** What the thread is told: a load to encode, or that a batch was taken. */
export type ToThread = { readonly load: FileLoad } | { readonly taken: true };

/** What the thread tells. */
export type FromThread =
  | { readonly batch: RowBatch }
  | { readonly done: true }
  | { readonly failed: { readonly code: ErrorCode | undefined; readonly message: string } };

/** Encodes on this thread. */
export function inlineEncoder(directory: string): FileEncoder {
  const objects = openObjectStore({ directory });
  return Object.freeze({ encode: (load: FileLoad) => encodeFile(load, objects), close: async () => {} });
}

/** Encodes on a thread of its own. */
export function threadEncoder(directory: string): FileEncoder {
  let worker: Worker | undefined;
  const stop = async (): Promise<void> => {
    await worker?.terminate();
    worker = undefined;
  };
  const start = (): Worker => {
    const started = new Worker(THREAD_URL, {
      workerData: { directory },
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
    });
    // While a file is encoded its loop hears of an error too. Between files nothing is lost by one: the next file gets
    // a new thread.
    started.on("error", () => {
      if (worker === started) worker = undefined;
    });
    return started;
  };
  async function* encode(load: FileLoad): AsyncGenerator<RowBatch, void, undefined> {
    worker ??= start();
    const encoding = worker;
    let done = false;
    try {
      const messages = on(encoding, "message", { close: ["exit"] });
      encoding.postMessage({ load } satisfies ToThread);
      for await (const [message] of messages as AsyncIterable<[FromThread]>) {
        done = "done" in message;
        if (done) return;
        if ("failed" in message) throw thrownBy(message.failed);
        if ("batch" in message) {
          yield message.batch;
          encoding.postMessage({ taken: true } satisfies ToThread);
        }
      }
      throw new Error("The decoding thread ended before its file did.");
    } catch (cause) {
      throw (cause as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY" ? tooWide(load.path) : cause;
    } finally {
      if (!done) await stop();
    }
  }
  return Object.freeze({ encode, close: stop });
}

/** Node 20 starts no thread from TypeScript, so run from source (as tests are) all work stays on one thread. */
export const THREADS_WORK: boolean = !import.meta.url.endsWith(".ts") || "typescript" in process.features;

const THREAD_URL = new URL(`./encode-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

function thrownBy({ code, message }: { readonly code: ErrorCode | undefined; readonly message: string }): Error {
  return code === undefined ? new Error(message) : new HeadgateError(code, message);
}

function tooWide(path: string): HeadgateError {
  return new HeadgateError(
    "PARQUET_INVALID",
    `${path} can't be decoded within ${THREAD_HEAP_MB} MB: its row groups hold too much. Write the file with smaller row groups.`,
  );
}
