/**
 * Puts right what a materialization of everything would put right, and nothing else.
 *
 * A row of the files that is newer than the stored one is written as any load writes it: the store itself lets the
 * newest win. A stored row that claims to be the same event with other values (one of Feast's does not say when it was
 * made), or that is dated ahead of the clock, is replaced by compare-and-swap on the bytes that were judged. Any other row
 * of a later event, or made later, is never touched, and one that no file has is not a load's to take away.
 */

import { isOfFeast, readRowOrder } from "../../features/row-order.ts";
import type { RowWrite } from "../../features/store/online-store.ts";
import { rowExpiryMs } from "../../features/writer.ts";
import { createRowRate } from "../row-rate.ts";
import { isMismatch, isSkewed, type OfflineRow } from "./parity-pair.ts";
import type { RepairCounts } from "./parity-result.ts";
import type { ComparedPair, ViewParityOptions } from "./parity-run.ts";

/** Rows that are replaced at once: each is a round trip of its own. */
const REPLACES_AT_ONCE = 16;

/** A repair of a view that is under way. */
export interface ParityRepair {
  /** Repairs what of these pairs can be. Rejects with STORE_UNREACHABLE or STORE_UNWRITABLE. */
  take(pairs: readonly ComparedPair[], nowMs: number): Promise<void>;
  counts(): RepairCounts;
}

/** Begins a repair; with the mode "plan" it only counts. */
export function createParityRepair(options: ViewParityOptions): ParityRepair {
  const { store, view, settings, wait, now, signal, repair } = options;
  const rate = createRowRate(settings.materializeRate, now, wait);
  const counts = { written: 0, replaced: 0, left_newer: 0, left_extra: 0, overtaken: 0 };
  const isDryRun = repair !== "write";
  const rules = { maxFutureUs: settings.maxFuture * 1_000 };

  async function write(rows: readonly RowWrite[]): Promise<void> {
    if (isDryRun) {
      counts.written += rows.length;
      return;
    }
    for (let from = 0; from < rows.length; from += rate.pieceRows) {
      const piece = rows.slice(from, from + rate.pieceRows);
      await rate.take(piece.length, signal);
      for (const outcome of await store.write(piece)) counts[outcome === "stale" ? "overtaken" : "written"]++;
    }
  }

  async function replace(rows: readonly Replacement[]): Promise<void> {
    if (isDryRun) {
      counts.replaced += rows.length;
      return;
    }
    const pieceRows = Math.min(REPLACES_AT_ONCE, rate.pieceRows);
    for (let from = 0; from < rows.length; from += pieceRows) {
      const piece = rows.slice(from, from + pieceRows);
      await rate.take(piece.length, signal);
      const done = await Promise.all(piece.map(({ row, stored }) => store.replace(row, stored)));
      for (const isDone of done) counts[isDone ? "replaced" : "overtaken"]++;
    }
  }

  return Object.freeze({
    take: async (pairs: readonly ComparedPair[], nowMs: number) => {
      const repairs = pairs.flatMap(({ pair, verdict }) =>
        isMismatch(verdict) ? [repairOf({ pair, verdict }, rules)] : [],
      );
      const rowOf = ({ key, offline }: Mendable): RowWrite => {
        const { bytes, eventTimestampUs } = offline;
        const expireAtMs = rowExpiryMs(view.ttlMs, settings.expiryGrace, eventTimestampUs, nowMs);
        return { key, field: view.name, bytes, expireAtMs };
      };
      const writes: RowWrite[] = [];
      const replacements: Replacement[] = [];
      for (const repair of repairs) {
        if (typeof repair === "string") counts[repair]++;
        else if (repair.replaced === undefined) writes.push(rowOf(repair));
        else replacements.push({ row: rowOf(repair), stored: repair.replaced });
      }
      await write(writes);
      await replace(replacements);
    },
    counts: () => ({ dry_run: isDryRun, ...counts }),
  });
}

/** An entity that the files' row mends: written, newest wins, or put in place of a row that claims to be the same. */
interface Mendable {
  readonly key: string;
  readonly offline: OfflineRow;
  readonly replaced: Uint8Array | undefined;
}

/** A row, and the stored one that it takes the place of. */
interface Replacement {
  readonly row: RowWrite;
  readonly stored: Uint8Array;
}

/** What to do about a mismatch, or why nothing is done. */
function repairOf(
  { pair, verdict }: ComparedPair,
  rules: Parameters<typeof isSkewed>[2],
): Mendable | "left_extra" | "left_newer" {
  const { key, offline, stored } = pair;
  if (offline === undefined) return "left_extra";
  if (stored === undefined) return { key, offline, replaced: undefined };
  if (isSkewed(pair, verdict, rules)) return { key, offline, replaced: stored };
  const ahead = compareTimes(offline.bytes, stored);
  if (ahead < 0) return "left_newer";
  return { key, offline, replaced: ahead === 0 ? stored : undefined };
}

/**
 * Positive when the files' row is of a later event than the stored one, or of the same and made later; zero when they are
 * of the same times, as far as these are known: when a row of Feast's was made is not.
 */
function compareTimes(offline: Uint8Array, stored: Uint8Array): number {
  const [one, other] = [readRowOrder(offline), readRowOrder(stored)];
  const ahead = one.eventTimestampUs - other.eventTimestampUs;
  return ahead !== 0 || isOfFeast(other) ? ahead : one.createdTimestampUs - other.createdTimestampUs;
}
