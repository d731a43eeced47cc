/**
 * The served log: a sample of the feature vectors that predictions were made from, as files that are compared with the
 * offline history later (training/serving skew).
 *
 * A request pays for a hash of its id and, when it is chosen, for one push: vectors are kept as they are, since nobody
 * changes them once they are answered. Lines are made later, a few entities in each turn of the event loop, and a file is
 * put whole, so that none is ever seen in part. The log gives way to serving: what there is no room for, or can't be
 * written after a few tries, is dropped and counted, and nothing waits for it.
 */

import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";
import type { ObjectStore } from "../object-store.ts";
import { putFile } from "./served-log-file.ts";
import { compileServedLine, type ServedBy, type ServedLine } from "./served-log-line.ts";
import { compileSample } from "./served-log-sample.ts";

/** Vectors that one version of a model was fed for one request; vectors[i] is of entities[i]. */
export interface ServedVectors {
  readonly joined: ServedBy;
  readonly vectors: readonly FeatureVector[];
  readonly entities: readonly EntityKeys[];
  readonly requestId: string;
  /** When the features were read, epoch ms. */
  readonly nowMs: number;
}

/** Why vectors are not in the log. */
export type ServedLogDrop = "queue_full" | "not_written" | "closed";

/** Published for every file and for everything that was dropped. `rows` are entities. */
export type ServedLogEvent =
  | { readonly kind: "written"; readonly rows: number; readonly path: string; readonly bytes: number }
  | { readonly kind: "dropped"; readonly rows: number; readonly reason: ServedLogDrop; readonly cause?: unknown };

/** How vectors are logged; settings/served-log.ts says what the settings of these names cost. */
export interface ServedLogOptions {
  /** Closed with the log. */
  readonly objects: Pick<ObjectStore, "put" | "close">;
  readonly folder: string;
  /** Names the files of this process; no other may have it. */
  readonly gatewayId: string;
  readonly share: number;
  readonly queueRows: number;
  readonly batchRows: number;
  readonly maxWaitMs: number;
  readonly compression: "none" | "gzip";
  /** See CLOSE_TIMEOUT_MS. */
  readonly closeTimeoutMs?: number;
  /** See BACKOFF_MS of served-log-file.ts. */
  readonly backoffMs?: number;
  /** See FILE_BYTES_MAX. */
  readonly fileBytesMax?: number;
}

/** A log that takes what is served. */
export interface ServedLog {
  /** Takes vectors, or does not; never throws and never waits. It is called for every prediction there is. */
  offer(served: ServedVectors): void;
  /** Takes no more and writes what is there, for as long as it may. Safe to call twice. */
  close(): Promise<void>;
}

/** How long closing may take to write what waits, ms. What is left then is dropped and counted. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Lines made in one turn of the event loop: some tenths of a millisecond, which is all that a request may wait for it. */
const SLICE_ROWS = 32;
/** The same for vectors of many features. */
const SLICE_CHARACTERS = 16_384;
/** Text that ends a file before it has its rows, bytes: a file is in memory whole, here and where it is read. */
const FILE_BYTES_MAX = 67_108_864;

const served = "headgate:prediction";
const events = channel("headgate:served-log");
const compress = promisify(gzip);

/** Opens a log of all predictions of this process. */
export function openServedLog(options: ServedLogOptions): ServedLog {
  const writer = new ServedLogWriter(options);
  const listener = (message: unknown) => writer.offer(message as ServedVectors);
  subscribe(served, listener);
  let closed: Promise<void> | undefined;
  const close = async () => {
    unsubscribe(served, listener);
    await writer.close();
    await options.objects.close();
  };
  return Object.freeze({
    offer: (taken: ServedVectors) => writer.offer(taken),
    close: () => (closed ??= close()),
  });
}

/** The lines of one hour's file. */
interface HourLines {
  readonly chunks: Buffer[];
  bytes: number;
  rows: number;
}

class ServedLogWriter {
  readonly #options: ServedLogOptions;
  readonly #isSampled: (requestId: string) => boolean;
  readonly #lines = new WeakMap<ServedBy, ServedLine>();
  /** Rows that make a file: a queue that is smaller would never fill one. */
  readonly #fileRows: number;
  readonly #ending = new AbortController();
  #waiting: ServedVectors[] = [];
  #waitingRows = 0;
  /** Waiting, or being written. */
  #rows = 0;
  #timer: NodeJS.Timeout | undefined;
  /** All that waits is to be written, whether it fills a file or not. */
  #isDue = false;
  #isClosing = false;
  #writing: Promise<void> | undefined;
  #files = 0;
  /** Of this turn of the event loop. */
  #sliceRows = 0;
  #sliceCharacters = 0;

  constructor(options: ServedLogOptions) {
    this.#options = options;
    this.#isSampled = compileSample(options.share);
    this.#fileRows = Math.min(options.batchRows, options.queueRows);
  }

  offer(taken: ServedVectors): void {
    if (!this.#isSampled(taken.requestId) || this.#isClosing) return;
    const rows = taken.vectors.length;
    if (this.#rows + rows > this.#options.queueRows) {
      tell({ kind: "dropped", rows, reason: "queue_full" });
      return;
    }
    this.#waiting.push(taken);
    this.#waitingRows += rows;
    this.#rows += rows;
    if (this.#writing === undefined) this.#schedule();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    this.#isDue = true;
    if (this.#writing === undefined && this.#waitingRows > 0) this.#start();
    const ended = new Promise<void>((end) => this.#ending.signal.addEventListener("abort", () => end()));
    const timer = setTimeout(() => this.#ending.abort(), this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS);
    // What came while the last file was being put has a writing of its own.
    while (this.#writing !== undefined && !this.#ending.signal.aborted) await Promise.race([this.#writing, ended]);
    clearTimeout(timer);
    if (this.#rows > 0) tell({ kind: "dropped", rows: this.#rows, reason: "closed" });
    // What is still under way has been counted.
    this.#ending.abort();
  }

  /** Starts to write when there is a file's worth, else at the latest in maxWaitMs. */
  #schedule(): void {
    if (this.#waitingRows >= this.#fileRows) {
      this.#start();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#isDue = true;
      this.#start();
    }, this.#options.maxWaitMs).unref();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#write().then(() => {
      this.#writing = undefined;
      if (this.#waitingRows === 0 || this.#ending.signal.aborted) return;
      if (this.#isClosing) this.#start();
      else this.#schedule();
    });
  }

  async #write(): Promise<void> {
    await nextTurn();
    while (this.#waitingRows >= this.#fileRows || (this.#isDue && this.#waitingRows > 0)) {
      if (this.#ending.signal.aborted) return;
      const batch = this.#take();
      // What comes while this is written has its own wait.
      if (this.#waitingRows === 0) this.#isDue = this.#isClosing;
      await this.#writeBatch(batch);
    }
  }

  /** The first that wait, as many as make a file; a request's entities stay together. */
  #take(): readonly ServedVectors[] {
    let [taken, rows] = [0, 0];
    while (taken < this.#waiting.length && rows < this.#fileRows) rows += this.#waiting[taken++]!.vectors.length;
    const batch = this.#waiting.slice(0, taken);
    this.#waiting = this.#waiting.slice(taken);
    this.#waitingRows -= rows;
    return batch;
  }

  /** Tells what became of the rows; never throws. */
  async #writeBatch(batch: readonly ServedVectors[]): Promise<void> {
    const { fileBytesMax = FILE_BYTES_MAX } = this.#options;
    const hours = new Map<string, HourLines>();
    for (const vectors of batch) {
      const chunks = await this.#linesOf(vectors);
      if (this.#ending.signal.aborted) return;
      if (chunks === undefined) continue;
      const hour = hourOf(vectors.nowMs);
      const lines = hours.get(hour) ?? { chunks: [], bytes: 0, rows: 0 };
      hours.set(hour, lines);
      lines.chunks.push(...chunks);
      for (const { length } of chunks) lines.bytes += length;
      lines.rows += vectors.vectors.length;
      if (lines.bytes < fileBytesMax) continue;
      hours.delete(hour);
      await this.#putHour(hour, lines);
    }
    for (const [hour, lines] of hours) await this.#putHour(hour, lines);
  }

  /** The lines of a request; undefined, and told, where one of them can't be made. */
  async #linesOf({ joined, vectors, entities, requestId, nowMs }: ServedVectors): Promise<Buffer[] | undefined> {
    const chunks: Buffer[] = [];
    let text = "";
    try {
      const line = this.#lineOf(joined);
      for (let e = 0; e < vectors.length; e++) {
        const one = line(requestId, nowMs, entities[e]!, vectors[e]!);
        text += one;
        this.#sliceRows++;
        this.#sliceCharacters += one.length;
        if (this.#sliceRows < SLICE_ROWS && this.#sliceCharacters < SLICE_CHARACTERS) continue;
        chunks.push(Buffer.from(text));
        text = "";
        [this.#sliceRows, this.#sliceCharacters] = [0, 0];
        await nextTurn();
      }
    } catch (cause) {
      this.#rows -= vectors.length;
      this.#tell({ kind: "dropped", rows: vectors.length, reason: "not_written", cause });
      return undefined;
    }
    if (text !== "") chunks.push(Buffer.from(text));
    return chunks;
  }

  #lineOf(joined: ServedBy): ServedLine {
    let line = this.#lines.get(joined);
    if (line === undefined) {
      line = compileServedLine(joined);
      this.#lines.set(joined, line);
    }
    return line;
  }

  /** Tells what became of the rows; never throws. */
  async #putHour(hour: string, { chunks, rows }: HourLines): Promise<void> {
    const { objects, folder, gatewayId, compression, backoffMs } = this.#options;
    const name = `${gatewayId}-${this.#files++}.ndjson${compression === "gzip" ? ".gz" : ""}`;
    const path = `${folder.replace(/\/+$/, "")}/${hour}/${name}`;
    let event: ServedLogEvent;
    try {
      const text = Buffer.concat(chunks);
      const bytes = compression === "gzip" ? await compress(text) : text;
      await putFile(objects, path, bytes, this.#ending.signal, backoffMs);
      event = { kind: "written", rows, path, bytes: bytes.length };
    } catch (cause) {
      event = { kind: "dropped", rows, reason: "not_written", cause };
    }
    this.#tell(event);
    if (!this.#ending.signal.aborted) this.#rows -= rows;
  }

  /** After the end nothing is told: all that was left has been. */
  #tell(event: ServedLogEvent): void {
    if (!this.#ending.signal.aborted) tell(event);
  }
}

function tell(event: ServedLogEvent): void {
  if (events.hasSubscribers) events.publish(event);
}

/** "2026-11-23/06", in UTC. */
function hourOf(nowMs: number): string {
  const text = new Date(nowMs).toISOString();
  return `${text.slice(0, 10)}/${text.slice(11, 13)}`;
}
