/**
 * Variables of the environment that look like settings and are none. An environment is shared, so they are no error; but
 * a setting that was misspelt would be without effect and without a word.
 */

/** Of the tests and the benches. */
const OTHERS = /^HEADGATE_(?:TEST|BENCH)_/;
/** Kubernetes describes services whose names begin with headgate so, unless enableServiceLinks is false. */
const SERVICE_LINK =
  /_SERVICE_(?:HOST|PORT)(?:_\w+)?=|_PORT(?:_\d+_\w+)?=(?:tcp|udp|sctp):|_PORT_\d+_(?:TCP|UDP|SCTP)_\w+=/;

/** A variable that is no setting, and the setting's variable that is spelt most like it. */
export interface UnknownVariable {
  readonly name: string;
  readonly nearest: string;
}

/** The variables that begin like a setting's and are none of `known`, which must not be empty. */
export function unknownVariables(environment: NodeJS.ProcessEnv, known: readonly string[]): readonly UnknownVariable[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith("HEADGATE_") && !known.includes(name) && !OTHERS.test(name))
    .filter((name) => !SERVICE_LINK.test(`${name}=${environment[name]}`))
    .sort()
    .map((name) => {
      const distances = known.map((one) => editsBetween(name, one));
      return { name, nearest: known[distances.indexOf(Math.min(...distances))]! };
    });
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
