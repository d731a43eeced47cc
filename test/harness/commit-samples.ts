/**
 * Whether commits keep behind rows: samples of what a group has committed and of what the store held right after that
 * was asked, to be held against the log when it is known.
 */

import { setTimeout as pause } from "node:timers/promises";
import type { OnlineStore } from "../../features/store/online-store.ts";
import type { LoggedRecord } from "./kafka-log.ts";
import { compareOrders, eventOf, keyOf, rowOfRecord, type ScoreEvent } from "./score-events.ts";
import { type ScannedRow, type ScoreStream, scanScores } from "./score-stream.ts";

/** Between two samples, ms. */
const SAMPLE_PAUSE_MS = 250;

/** What a group had committed, and what the store held after that was asked. */
export interface Sample {
  readonly committed: readonly (readonly number[])[];
  readonly rows: ReadonlyMap<string, ScannedRow>;
}

/** Takes samples until it is stopped; a moment in which broker or store don't answer has none. */
export function takeSamples(project: ScoreStream, store: OnlineStore): { stop(): Promise<readonly Sample[]> } {
  const samples: Sample[] = [];
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) {
      const committed = await project.committed().catch(() => undefined);
      const rows = await scanScores(store).catch(() => undefined);
      if (committed !== undefined && rows !== undefined) samples.push({ committed, rows });
      await pause(SAMPLE_PAUSE_MS);
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await sampling;
      return samples;
    },
  };
}

/** Records below a committed offset whose row, or a newer one, was not in the store. */
export function uncovered(
  { topics }: ScoreStream,
  records: readonly LoggedRecord[],
  events: readonly ScoreEvent[],
  samples: readonly Sample[],
): readonly string[] {
  return samples.flatMap(({ committed, rows }, i) =>
    records.flatMap((record) => {
      const event = eventOf(record, events);
      const row = rowOfRecord(record, event);
      if (row === undefined || record.offset >= committed[topics.indexOf(record.topic)]![record.partition]!) return [];
      const stored = rows.get(keyOf(event.row!.customerId));
      const isStored = stored !== undefined && compareOrders(stored.order, row.order) >= 0;
      return isStored ? [] : [`sample ${i}: ${placeOf(record)}`];
    }),
  );
}

/** How a record is named. */
export function placeOf({ topic, partition, offset }: Pick<LoggedRecord, "topic" | "partition" | "offset">): string {
  return `${topic}[${partition}]@${offset}`;
}
