/**
 * Records on their way to the store: decoded, encoded for every view that reads their topic, and reduced to the newest
 * row of each entity, since the store would keep no other. What can't be taken is set aside with its reasons.
 *
 * A record that is good for one view and bad for another is both a row and a dead letter.
 */

import { compareRows } from "../features/row-order.ts";
import type { RowWrite, WriteOutcome } from "../features/store/online-store.ts";
import { formatTimestampUs, isEventTimestampUs } from "../features/timestamp.ts";
import type { RowEncoder, SourceRow } from "../features/writer.ts";
import type { ViewRefusal } from "./dead-letter.ts";
import type { StreamRecord } from "./stream-record.ts";
import type { PlannedTopic } from "./topic-plan.ts";
import type { Watermark } from "./watermark.ts";

/** What became of the rows of a view. */
export interface RowCounts {
  written: number;
  /** The store had them already. */
  equal: number;
  /** The store had something newer. */
  stale: number;
  /** A newer row of the same entity came with them. */
  superseded: number;
  refused: number;
}

/** Counts of nothing. */
export function emptyRowCounts(): RowCounts {
  return { written: 0, equal: 0, stale: 0, superseded: 0, refused: 0 };
}

/** How records become rows. */
export interface RowChunkOptions {
  /** How far an event may be dated ahead of its record, ms. */
  readonly maxFutureMs: number;
  /** When the rows are made, epoch ms. */
  readonly nowMs: number;
  /** Is shown every event's timestamp; undefined where records don't come in their order. */
  readonly watermark?: Watermark | undefined;
}

/** Rows of one topic's records, gathered to be written at once. */
export class RowChunk {
  /** By view. */
  readonly counts: ReadonlyMap<string, RowCounts>;
  readonly #planned: PlannedTopic;
  readonly #options: RowChunkOptions;
  readonly #newest: readonly Map<string, RowWrite>[];

  constructor(planned: PlannedTopic, options: RowChunkOptions) {
    this.#planned = planned;
    this.#options = options;
    this.counts = new Map(planned.views.map((view) => [view, emptyRowCounts()]));
    this.#newest = planned.views.map(() => new Map());
  }

  /**
   * Takes a record; returns why views refuse it, empty where none does. `views` leaves out the others. A promise where
   * the decoder has to ask; it rejects with what the decoder throws, STREAM_UNREACHABLE for one.
   */
  take(
    record: StreamRecord,
    encoders: readonly RowEncoder[],
    views?: ReadonlySet<string>,
  ): readonly ViewRefusal[] | Promise<readonly ViewRefusal[]> {
    const decoded = this.#planned.decoder.decode(record);
    return decoded instanceof Promise
      ? decoded.then((events) => this.#takeEvents(record, events, encoders, views))
      : this.#takeEvents(record, decoded, encoders, views);
  }

  #takeEvents(
    record: StreamRecord,
    events: Awaited<ReturnType<PlannedTopic["decoder"]["decode"]>>,
    encoders: readonly RowEncoder[],
    views: ReadonlySet<string> | undefined,
  ): readonly ViewRefusal[] {
    let refusals: ViewRefusal[] | undefined;
    for (let i = 0; i < events.length; i++) {
      const view = this.#planned.views[i]!;
      if (views !== undefined && !views.has(view)) continue;
      const event = events[i]!;
      if ("skipped" in event) continue;
      const reason = "refused" in event ? event.refused : this.#takeRow(record, event.row, i, encoders[i]!);
      if (reason === undefined) continue;
      this.counts.get(view)!.refused++;
      refusals ??= [];
      refusals.push({ view, reason });
    }
    return refusals ?? NONE;
  }

  /** Why the row is refused; undefined when it was taken. */
  #takeRow(record: StreamRecord, row: SourceRow, index: number, encoder: RowEncoder): string | undefined {
    const { maxFutureMs, nowMs, watermark } = this.#options;
    const { eventTimestampUs } = row;
    const hasTime = isEventTimestampUs(eventTimestampUs);
    // The encoder holds an event against its created timestamp, which here may be a field of the event and as wrong.
    if (hasTime && eventTimestampUs - record.timestampMs * 1_000 > maxFutureMs * 1_000) {
      return `the event is dated ${formatTimestampUs(eventTimestampUs)}, ahead of its record (${formatTimestampUs(record.timestampMs * 1_000)}) by more than maxFuture`;
    }
    const encoded = encoder.encode(row, nowMs);
    if ("refused" in encoded) return encoded.refused;
    if (hasTime) watermark?.observe(eventTimestampUs);
    const newest = this.#newest[index]!;
    const other = newest.get(encoded.key);
    if (other !== undefined) this.counts.get(encoded.field)!.superseded++;
    if (other === undefined || compareRows(encoded.bytes, other.bytes) >= 0) newest.set(encoded.key, encoded);
    return undefined;
  }

  /** The rows to write: the newest of each entity and view. */
  rows(): readonly RowWrite[] {
    return this.#newest.flatMap((newest) => [...newest.values()]);
  }

  /** Counts what the store made of `rows`. */
  count(rows: readonly RowWrite[], outcomes: readonly WriteOutcome[]): void {
    for (let i = 0; i < rows.length; i++) this.counts.get(rows[i]!.field)![outcomes[i]!]++;
  }
}

const NONE: readonly ViewRefusal[] = Object.freeze([]);
