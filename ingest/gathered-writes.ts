/**
 * One write for the rows that several partitions have ready in the same turn of the event loop. A store that keeps its
 * rows in order pays by the pages that a write touches, and one over the network by the call: many rows together cost a
 * fraction of what they cost apart. Nothing waits for more than its turn, so a single event is as quick as without.
 *
 * A write that fails fails for all whose rows were in it; each hands its batch on again.
 */

import type { OnlineStore, RowWrite, WriteOutcome } from "../features/store/online-store.ts";

/** Rows of one write, unless one part alone has more: what a driver is asked to keep in memory at once. */
const GATHERED_ROWS_MAX = 65_536;

interface Part {
  readonly rows: readonly RowWrite[];
  readonly done: (outcomes: readonly WriteOutcome[]) => void;
  readonly fail: (cause: unknown) => void;
}

/** Gathers writes to a store; each gets the outcomes of its own rows, or rejects with what the store does. */
export function gatherWrites(
  store: Pick<OnlineStore, "write">,
  maxRows = GATHERED_ROWS_MAX,
): Pick<OnlineStore, "write"> {
  let parts: Part[] = [];
  const writeAll = () => {
    const gathered = parts;
    parts = [];
    for (const group of groups(gathered, maxRows)) void writeParts(store, group);
  };
  return Object.freeze({
    write: (rows: readonly RowWrite[]) =>
      new Promise<readonly WriteOutcome[]>((done, fail) => {
        if (parts.push({ rows, done, fail }) === 1) setImmediate(writeAll);
      }),
  });
}

/** In their order, as many together as the bound allows. */
function groups(parts: readonly Part[], maxRows: number): readonly (readonly Part[])[] {
  const all: Part[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const part of parts) {
    if (rows + part.rows.length > maxRows) {
      all.push([]);
      rows = 0;
    }
    all.at(-1)!.push(part);
    rows += part.rows.length;
  }
  return all;
}

async function writeParts(store: Pick<OnlineStore, "write">, parts: readonly Part[]): Promise<void> {
  try {
    const outcomes = await store.write(parts.length === 1 ? parts[0]!.rows : parts.flatMap(({ rows }) => rows));
    let from = 0;
    for (const { rows, done } of parts) {
      done(parts.length === 1 ? outcomes : outcomes.slice(from, from + rows.length));
      from += rows.length;
    }
  } catch (cause) {
    for (const { fail } of parts) fail(cause);
  }
}
