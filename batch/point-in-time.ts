/**
 * The latest row of each entity among some, sorted by key.
 *
 * "Latest" is what newest is to a store (event, created, …, position, values), so this and the store can't disagree. The reduction is
 * per batch, not per load: what it leaves over is one write more that the store decides the same way, and memory stays
 * bounded by the batch. Sorted, because stores that keep keys in order load sorted batches about twice as fast.
 */

import { compareRows } from "../features/row-order.ts";
import { keySequence } from "./key-sequence.ts";
import { type RowBlock, rowBytes } from "./row-batch.ts";

/** The rows of a block that a store would be left with, by their place in it, sorted by key; of equal ones the later. */
export function latestPerEntity(block: RowBlock): readonly number[] {
  const { keys } = block;
  const latest: number[] = [];
  for (const row of keySequence(keys)) {
    const other = latest.at(-1);
    if (other === undefined || keys[other] !== keys[row]) latest.push(row);
    else if (compareRows(rowBytes(block, row), rowBytes(block, other)) >= 0) latest[latest.length - 1] = row;
  }
  return latest;
}
