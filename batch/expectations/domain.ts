/**
 * The rows an expectation looks at: all of the table, or those a row condition lets pass. Expectations on the same rows
 * share one domain, and in it the statistics and the kept values of each column, so that nothing is found twice.
 */

import { ColumnStatistics } from "./column-statistics.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import { KeptColumn, type KeptLimits } from "./kept-column.ts";
import { type DomainChunk, rowAt, type TableColumn } from "./table-chunk.ts";

/** The rows under one row condition. */
export class Domain {
  readonly #columns: readonly TableColumn[];
  readonly #limits: KeptLimits;
  readonly #statistics = new Map<number, ColumnStatistics>();
  readonly #kept = new Map<number, KeptColumn>();
  readonly #bytes: KeptBytes;
  #rows: Uint32Array | undefined;
  #hasRoom = true;
  /** Rows so far. */
  rowCount = 0;

  /**
   * `bytes` is shared by all domains of a run. `isFiltered` where rows are left out, so that the places of kept values
   * are no row numbers.
   */
  constructor(columns: readonly TableColumn[], limits: KeptLimits, bytes: KeptBytes, isFiltered: boolean) {
    this.#columns = columns;
    this.#limits = limits;
    this.#bytes = bytes;
    if (isFiltered) this.#rows = new Uint32Array(0);
  }

  /** The statistics of a column, shared by all who ask. */
  statistics(index: number): ColumnStatistics {
    const known = this.#statistics.get(index);
    if (known !== undefined) return known;
    const statistics = new ColumnStatistics(this.#columns[index]!.type);
    this.#statistics.set(index, statistics);
    return statistics;
  }

  /** The values of a column, shared by all who ask before the first chunk. Lists are not kept: Python can't hash them. */
  kept(index: number, metrics: readonly string[]): KeptColumn {
    const { type } = this.#columns[index]!;
    if (type.list) throw new ExpectationFault("unhashable type: 'numpy.ndarray'", metrics);
    const known = this.#kept.get(index);
    if (known !== undefined) return known;
    const kept = new KeptColumn(type, this.#limits, this.#bytes);
    this.#kept.set(index, kept);
    return kept;
  }

  /** The row of the table at a place of the kept values. Throws ExpectationFault where there was no room for them. */
  rowAt(place: number): number {
    if (!this.#hasRoom) throw new ExpectationFault(this.#bytes.overflow);
    return this.#rows === undefined ? place : this.#rows[place]!;
  }

  /** Takes the next rows. */
  take(chunk: DomainChunk): void {
    for (const [index, statistics] of this.#statistics) statistics.take(chunk.column(index));
    for (const [index, kept] of this.#kept) kept.take(chunk.column(index));
    if (this.#rows !== undefined && this.#kept.size > 0) this.#keepRows(chunk);
    this.rowCount += chunk.count;
  }

  #keepRows(chunk: DomainChunk): void {
    const needed = this.rowCount + chunk.count;
    if (needed > this.#limits.keptRowsMax || !this.#hasRoom) return;
    let rows = this.#rows!;
    if (needed > rows.length) {
      const length = Math.max(needed, rows.length * 2);
      this.#hasRoom = this.#bytes.take(4 * (length - rows.length));
      if (!this.#hasRoom) return;
      rows = new Uint32Array(length);
      rows.set(this.#rows!);
      this.#rows = rows;
    }
    for (let place = 0; place < chunk.count; place++) rows[this.rowCount + place] = rowAt(chunk, place);
  }
}
