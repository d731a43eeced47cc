/**
 * What a misspelt name was to be: of the names that there are, the one that the fewest letters have to be changed for.
 */

/** The name of `known`, which must not be empty, that is spelt most like `name`, and how many letters they differ by. */
export function nearestName(
  name: string,
  known: readonly string[],
): { readonly nearest: string; readonly edits: number } {
  const distances = known.map((one) => editsBetween(name, one));
  const edits = Math.min(...distances);
  return { nearest: known[distances.indexOf(edits)]!, edits };
}

/** How many letters have to be put in, taken out or changed to make one text the other. Levenshtein, 1966. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
