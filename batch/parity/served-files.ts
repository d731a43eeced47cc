/**
 * The files of the served log, newest hour first, until there are as many vectors as may be taken. They lie in folders of
 * their hour, `<folder>/2026-11-23/06/<gateway>-<n>.ndjson` or `.ndjson.gz`, so that an interval is a few listings.
 *
 * What a file lost to a disk or to a hand must not hide what the others say: it is counted and told of, and the rest is
 * read. A store that does not answer ends the run.
 */

import { gunzipSync } from "node:zlib";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import type { ObjectStore } from "../../object-store.ts";
import type { Interval } from "../interval.ts";
import { startedAhead } from "../started-ahead.ts";
import type { ServedVector, TakeLine } from "./served-line.ts";
import type { ServedLogRead } from "./served-result.ts";

/** Files read before their turn; each is in memory whole. */
const AHEAD_FILES = 4;
/** The most that a file may be, bytes, unpacked too: four times what a gateway puts into one. */
const FILE_BYTES_MAX = 268_435_456;
/** The most reasons that are told. */
const SAMPLES_MAX = 5;
const HOUR_US = 3_600_000_000;
const HOURS_OF_DAY = 24;

/** What to read. */
export interface ServedFilesOptions {
  readonly objects: ObjectStore;
  readonly folder: string;
  /** Of when it was served. */
  readonly interval: Interval;
  /** The most vectors taken; memory grows with it. */
  readonly maxVectors: number;
  readonly takeLine: TakeLine;
  readonly signal?: AbortSignal | undefined;
  /** See FILE_BYTES_MAX. */
  readonly fileBytesMax?: number;
}

/** The newest vectors of an interval, newest first. Throws what listing and reading throw, the signal's reason. */
export async function readServedFiles(
  options: ServedFilesOptions,
): Promise<{ readonly vectors: readonly ServedVector[]; readonly log: ServedLogRead }> {
  const reading: Reading = {
    vectors: [],
    leftOut: 0,
    files: 0,
    filesUnreadable: 0,
    lines: 0,
    linesBad: 0,
    samples: [],
  };
  for (const pattern of hourPatterns(options.folder, options.interval)) {
    await readHours(options, pattern, reading);
    if (reading.vectors.length + reading.leftOut > options.maxVectors) break;
  }
  keepNewest(reading, options.maxVectors);
  const { vectors } = reading;
  const timeOf = (vector: ServedVector | undefined) =>
    vector === undefined ? null : formatTimestampUs(vector.servedAtUs);
  return {
    vectors,
    log: {
      files: reading.files,
      files_unreadable: reading.filesUnreadable,
      vectors: vectors.length,
      vectors_left_out: reading.leftOut,
      lines: reading.lines,
      lines_bad: reading.linesBad,
      samples: reading.samples,
      first_served_at: timeOf(vectors.at(-1)),
      last_served_at: timeOf(vectors[0]),
    },
  };
}

interface Reading {
  vectors: ServedVector[];
  leftOut: number;
  files: number;
  filesUnreadable: number;
  lines: number;
  linesBad: number;
  readonly samples: string[];
}

/** Globs of the interval's hours, newest first; of a whole day at a time where there are many. */
function* hourPatterns(folder: string, { startUs, endUs }: Interval): Generator<string, void, undefined> {
  const root = folder.replace(/\/+$/, "");
  const last = Math.floor((endUs - 1) / HOUR_US);
  const first = Math.floor(startUs / HOUR_US);
  for (let hour = last; hour >= first; hour--) {
    const text = formatTimestampUs(hour * HOUR_US);
    const isDay = hour % HOURS_OF_DAY === HOURS_OF_DAY - 1 && hour - first >= HOURS_OF_DAY - 1;
    yield `${root}/${text.slice(0, 10)}/${isDay ? "*" : text.slice(11, 13)}/*.{ndjson,ndjson.gz}`;
    if (isDay) hour -= HOURS_OF_DAY - 1;
  }
}

async function readHours(options: ServedFilesOptions, pattern: string, reading: Reading): Promise<void> {
  const { objects, maxVectors, signal, fileBytesMax = FILE_BYTES_MAX } = options;
  const listed = [...(await objects.list(pattern))].reverse();
  const reads = listed.map(({ path, version }) => ({
    weight: 1,
    begin: async () => ({ path, text: await textOf(objects, path, version, fileBytesMax) }),
  }));
  let folder = "";
  for await (const { path, text } of startedAhead(reads, { works: AHEAD_FILES, weight: AHEAD_FILES })) {
    signal?.throwIfAborted();
    // Older hours add nothing once there are enough.
    const hour = path.slice(0, path.lastIndexOf("/"));
    if (hour !== folder && reading.vectors.length + reading.leftOut > maxVectors) return;
    folder = hour;
    reading.files++;
    if (text instanceof Error) {
      reading.filesUnreadable++;
      tellOf(reading, `${path}: ${reasonOf(text)}`);
    } else takeText(options, path, text, reading);
  }
}

/** The text, or why there is none. */
async function textOf(
  objects: ObjectStore,
  path: string,
  { bytes, etag }: { readonly bytes: number; readonly etag: string },
  bytesMax: number,
): Promise<string | Error> {
  if (bytes > bytesMax) return new Error(`the file has ${bytes} bytes, more than ${bytesMax}`);
  try {
    const content = Buffer.from(await objects.read(path, 0, bytes, etag));
    const unpacked = path.endsWith(".gz") ? gunzipSync(content, { maxOutputLength: bytesMax }) : content;
    return unpacked.toString("utf8");
  } catch (cause) {
    if (cause instanceof HeadgateError && cause.retriable && cause.code !== "SOURCE_CHANGED") throw cause;
    return cause as Error;
  }
}

function takeText(
  { takeLine, interval, maxVectors }: ServedFilesOptions,
  path: string,
  text: string,
  reading: Reading,
) {
  for (let start = 0, number = 1; start < text.length; number++) {
    const end = text.indexOf("\n", start);
    // A file is put whole, so what ends without a line break was cut by somebody else.
    const line = text.slice(start, end < 0 ? text.length : end);
    start = end < 0 ? text.length : end + 1;
    if (line === "") continue;
    reading.lines++;
    try {
      const vector = takeLine(line);
      if (vector.servedAtUs < interval.startUs || vector.servedAtUs >= interval.endUs) continue;
      reading.vectors.push(vector);
    } catch (cause) {
      reading.linesBad++;
      tellOf(reading, `${path}: line ${number}: ${reasonOf(cause)}`);
    }
    if (reading.vectors.length >= 2 * maxVectors) keepNewest(reading, maxVectors);
  }
}

function tellOf({ samples }: Reading, reason: string): void {
  if (samples.length < SAMPLES_MAX) samples.push(reason);
}

function keepNewest(reading: Reading, most: number): void {
  reading.vectors.sort((a, b) => b.servedAtUs - a.servedAtUs);
  reading.leftOut += Math.max(0, reading.vectors.length - most);
  reading.vectors = reading.vectors.slice(0, most);
}
