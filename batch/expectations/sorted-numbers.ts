/** Numbers in ascending order, none of them NaN. */

/** How many different ones there are. */
export function distinctCountOf(sorted: Float64Array): number {
  let count = sorted.length === 0 ? 0 : 1;
  for (let at = 1; at < sorted.length; at++) if (sorted[at] !== sorted[at - 1]) count++;
  return count;
}

/** Each different one once, in an array of their own. */
export function distinctOf(sorted: Float64Array): Float64Array {
  const distinct = new Float64Array(distinctCountOf(sorted));
  let count = 0;
  for (let at = 0; at < sorted.length; at++)
    if (at === 0 || sorted[at] !== sorted[at - 1]) distinct[count++] = sorted[at]!;
  return distinct;
}

/** The place of a value that is among them. */
export function placeOf(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
