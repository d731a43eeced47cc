/**
 * A thread that opens, decodes and encodes files, seen from outside.
 *
 * It works at most AHEAD batches ahead of its consumer, which bounds memory whatever the store's speed. What a damaged
 * file can do to a decoder ends here: a loop is noticed by its watch (decode-watch.ts), more memory than the thread may
 * have ends the thread alone; either way the file is named and the next load gets a new thread.
 */

import { Worker } from "node:worker_threads";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import { createWatchMemory, lastDecoded, watchBeat } from "./decode-watch.ts";
import type { ValidationResult } from "./expectations/validation-result.ts";
import type { FileCheck } from "./file-check.ts";
import type { ViewRows } from "./file-load.ts";
import type { FileSummary, FileToOpen } from "./file-open.ts";
import type { RowBatch } from "./row-batch.ts";

/** How files are encoded. */
export interface FileEncoderOptions {
  /** Where relative paths start. */
  readonly directory: string;
  /** How long a decoder may go on without coming back before its file is taken for damaged, ms; in a thread only. */
  readonly decodeTimeoutMs: number;
  /** Ends what is under way, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens and encodes files, here or elsewhere; see file-encoder.ts. */
export interface FileEncoder {
  /** Looks what there is in a file; see openFile for what it throws. */
  open(file: FileToOpen): Promise<FileSummary>;
  /** Runs a suite over the rows of files; see checkFiles for what it throws. */
  check(check: FileCheck): Promise<ValidationResult>;
  /** The rows of files, one such load at a time; see encodeFiles for what it throws. */
  encode(load: ViewRows): AsyncIterable<RowBatch>;
  close(): Promise<void>;
}

/** Batches that the thread may have finished before the consumer took them; each holds up to a range of rows. */
export const AHEAD = 2;

/**
 * The thread's heap at most, MB. Far above what ranges of ordinary rows need (about 100); a bound at all makes the
 * collector keep less garbage around. It covers values; files' bytes lie outside of it, and are bounded where they are
 * read (group-bytes.ts, file-tail.ts).
 */
const THREAD_HEAP_MB = 1_024;
/** The least that a thread can be started with and does something, MB. */
const LEAST_HEAP_MB = 64;

/** The bound on the thread's heap, MB: at most half of what a container may have, which has to hold the rest, too. */
export function threadHeapMb(constrainedBytes = process.constrainedMemory()): number {
  if (!constrainedBytes) return THREAD_HEAP_MB;
  return Math.max(LEAST_HEAP_MB, Math.min(THREAD_HEAP_MB, Math.floor(constrainedBytes / 2 / 1_048_576)));
}

/** What the thread is started with. */
export interface ThreadStart {
  readonly directory: string;
  readonly watch: SharedArrayBuffer;
}

/** What the thread is told: a file to open, files to check, a load to encode, or that a batch was taken. */
export type ToThread =
  | { readonly id: number; readonly check: FileCheck }
  | { readonly id: number; readonly open: FileToOpen }
  | { readonly load: ViewRows }
  | { readonly taken: true };

/** What the thread tells; what has an id answers what was asked with it. */
export type FromThread =
  | { readonly id: number; readonly checked: ValidationResult }
  | { readonly id: number; readonly opened: FileSummary }
  | { readonly id?: number; readonly failed: { readonly code: ErrorCode | undefined; readonly message: string } }
  | { readonly batch: RowBatch }
  | { readonly done: true };

/** Opens an encoder that works in a thread of its own. */
export function openDecodingThread(options: FileEncoderOptions): FileEncoder {
  const thread = new DecodingThread(options);
  return Object.freeze({
    open: (file: FileToOpen) => thread.ask<FileSummary>((id) => ({ id, open: file })),
    check: (check: FileCheck) => thread.ask<ValidationResult>((id) => ({ id, check })),
    encode: (load: ViewRows) => thread.encode(load),
    close: () => thread.close(),
  });
}

interface Waiting<Value> {
  resolve(value: Value): void;
  reject(cause: unknown): void;
}

class DecodingThread {
  readonly #options: FileEncoderOptions;
  readonly #asked = new Map<number, Waiting<never>>();
  #worker: Worker | undefined;
  #endWatch: () => void = () => {};
  /** What the encoding has been told and has not taken, and who waits for more. */
  #told: FromThread[] = [];
  #listener: Waiting<void> | undefined;
  /** Why the thread is no more. */
  #failure: unknown;
  #nextId = 0;
  readonly #abort = () => this.#end(this.#options.signal?.reason);

  constructor(options: FileEncoderOptions) {
    this.#options = options;
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  ask<Answer>(question: (id: number) => ToThread): Promise<Answer> {
    this.#options.signal?.throwIfAborted();
    const worker = this.#running();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      worker.postMessage(question(id));
    });
  }

  async *encode(load: ViewRows): AsyncGenerator<RowBatch, void, undefined> {
    this.#options.signal?.throwIfAborted();
    const worker = this.#running();
    this.#told = [];
    worker.postMessage({ load } satisfies ToThread);
    let hasEnded = false;
    try {
      for (;;) {
        const message = await this.#next();
        hasEnded = "done" in message;
        if ("done" in message) return;
        if ("failed" in message) throw thrownBy(message.failed);
        if (!("batch" in message)) continue;
        yield message.batch;
        worker.postMessage({ taken: true } satisfies ToThread);
      }
    } finally {
      // A thread that is left half way, or has failed, goes on with what nobody wants.
      if (!hasEnded) await this.#end(new Error("The load was left before its end."));
    }
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    await this.#end(new Error("The decoding thread has been closed."));
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const watch = createWatchMemory();
    const worker = new Worker(THREAD_URL, {
      workerData: { directory: this.#options.directory, watch } satisfies ThreadStart,
      resourceLimits: { maxOldGenerationSizeMb: threadHeapMb() },
    });
    this.#worker = worker;
    this.#failure = undefined;
    const endedBy = (cause: unknown): void => {
      if (this.#worker === worker) void this.#end(cause);
    };
    worker.on("message", (message: FromThread) => this.#hear(message));
    worker.on("error", (cause: NodeJS.ErrnoException) =>
      endedBy(cause.code === "ERR_WORKER_OUT_OF_MEMORY" ? tooWide(watch) : cause),
    );
    worker.on("exit", () => endedBy(new Error("The decoding thread ended before its files did.")));
    this.#endWatch = watchBeat(watch, this.#options.decodeTimeoutMs, () =>
      endedBy(stuck(watch, this.#options.decodeTimeoutMs)),
    );
    return worker;
  }

  #hear(message: FromThread): void {
    const id = "id" in message ? message.id : undefined;
    if (id === undefined) {
      this.#told.push(message);
      this.#listener?.resolve();
      return;
    }
    const asker = this.#asked.get(id);
    this.#asked.delete(id);
    if ("opened" in message) asker?.resolve(message.opened as never);
    else if ("checked" in message) asker?.resolve(message.checked as never);
    else if ("failed" in message) asker?.reject(thrownBy(message.failed));
  }

  async #next(): Promise<FromThread> {
    while (this.#told.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve, reject) => {
        this.#listener = { resolve, reject };
      });
    }
    return this.#told.shift()!;
  }

  async #end(cause: unknown): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    this.#failure = cause;
    this.#endWatch();
    for (const asker of this.#asked.values()) asker.reject(cause);
    this.#asked.clear();
    this.#listener?.reject(cause);
    this.#listener = undefined;
    await worker.terminate();
  }
}

const THREAD_URL = new URL(`./encode-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

function thrownBy({ code, message }: { readonly code: ErrorCode | undefined; readonly message: string }): Error {
  return code === undefined ? new Error(message) : new HeadgateError(code, message);
}

function stuck(watch: SharedArrayBuffer, decodeTimeoutMs: number): HeadgateError {
  return new HeadgateError(
    "PARQUET_INVALID",
    `${shownPlace(watch)} can't be decoded within ${decodeTimeoutMs / 1_000} s, so it is damaged, or far too large for this machine. Write the file again; where it is sound, raise decodeTimeout.`,
  );
}

function tooWide(watch: SharedArrayBuffer): HeadgateError {
  return new HeadgateError(
    "PARQUET_INVALID",
    `${shownPlace(watch)} can't be decoded within ${threadHeapMb()} MB of heap, which is 1 GiB or half of the container's memory: it is damaged, or single pages of it hold too much. Write the file again, with smaller pages and row groups, or give the container more memory.`,
  );
}

function shownPlace(watch: SharedArrayBuffer): string {
  const { path, row } = lastDecoded(watch);
  return `${path}, from row ${row} on,`;
}
