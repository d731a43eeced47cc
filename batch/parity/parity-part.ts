/**
 * Holds one part of a view's entities against the store, a batch of them at a time.
 *
 * Where the store was scanned, what seems to differ is read once more before it is told: the scan was some time ago, and
 * a row that was streamed since, or that the scan's page just missed, is no mismatch.
 */

import type { DecodeValues } from "../../features/row-codec.ts";
import { readEventTimestampUs } from "../../features/row-order.ts";
import type { EntityRows } from "../../features/store/online-store.ts";
import { startedAhead } from "../started-ahead.ts";
import type { PacedReads, ServeRows } from "./online-rows.ts";
import { isMismatch, type OfflineRow, type PairRules, verdictOf } from "./parity-pair.ts";
import { type ComparedPair, READ_ROWS } from "./parity-run.ts";
import type { GatheredRow, PartEntity } from "./part-entities.ts";

/** Batches that are read ahead of the one that is compared. */
const READ_AHEAD = 2;

/** What a part is compared by. */
export interface PartComparison {
  readonly rules: PairRules;
  readonly serve: ServeRows;
  readonly reads: PacedReads;
  /** Decodes the files' rows. */
  readonly decode: DecodeValues;
  /** False where only what the files have is looked at, by reading. */
  readonly isScanned: boolean;
  readonly now: () => number;
  /** Given every pair, in batches of at most READ_ROWS; the next comes when this is done. */
  readonly take: (pairs: readonly ComparedPair[], nowMs: number) => Promise<void>;
}

/** Compares. */
export async function comparePart(comparison: PartComparison, entities: readonly PartEntity[]): Promise<void> {
  const { isScanned, take, now } = comparison;
  const look = isScanned ? async (batch: readonly PartEntity[]) => batch.map(scannedRow) : readRows(comparison);
  const works = batchesOf(entities).map((batch) => ({
    weight: 1,
    begin: async () => ({ batch, found: await look(batch) }),
  }));
  for await (const { batch, found } of startedAhead(works, { works: READ_AHEAD, weight: READ_AHEAD })) {
    const nowMs = now();
    const doubted: PartEntity[] = [];
    await take(await pairsOf(comparison, batch, found, nowMs, isScanned ? doubted : undefined), nowMs);
    if (doubted.length === 0) continue;
    const again = await readRows(comparison)(doubted);
    const laterMs = now();
    await take(await pairsOf(comparison, doubted, again, laterMs, undefined), laterMs);
  }
}

function batchesOf(entities: readonly PartEntity[]): readonly (readonly PartEntity[])[] {
  return Array.from({ length: Math.ceil(entities.length / READ_ROWS) }, (_, i) =>
    entities.slice(i * READ_ROWS, (i + 1) * READ_ROWS),
  );
}

const NO_ROW: EntityRows = Object.freeze({ tier: "scan", rows: [undefined] });

function scannedRow({ scanned: bytes }: PartEntity): EntityRows {
  return bytes === undefined ? NO_ROW : { tier: "scan", rows: [{ bytes, decoded: undefined }] };
}

function readRows({ reads }: PartComparison) {
  return (batch: readonly PartEntity[]) => reads.read(batch.map(({ key }) => key));
}

/** The pairs of a batch; where `doubted` is given, those that differ go there instead. */
async function pairsOf(
  { rules, serve, decode }: PartComparison,
  batch: readonly PartEntity[],
  found: readonly EntityRows[],
  nowMs: number,
  doubted: PartEntity[] | undefined,
): Promise<readonly ComparedPair[]> {
  const keys = batch.map(({ key }) => key);
  const vectors = await serve(keys, found, nowMs);
  const pairs: ComparedPair[] = [];
  for (let i = 0; i < batch.length; i++) {
    const { key, offline } = batch[i]!;
    const stored = found[i]!.rows[0]?.bytes;
    const pair = { key, offline: offline && offlineRow(offline, decode), stored, served: vectors[i]! };
    const verdict = verdictOf(pair, rules, nowMs);
    if (verdict === undefined) continue;
    if (doubted !== undefined && isMismatch(verdict)) doubted.push(batch[i]!);
    else pairs.push({ pair, verdict });
  }
  return pairs;
}

function offlineRow({ bytes, file }: GatheredRow, decode: DecodeValues): OfflineRow {
  return { bytes, file, eventTimestampUs: readEventTimestampUs(bytes), values: decode(bytes) };
}
