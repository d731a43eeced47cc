/**
 * Sorting keys by code unit, quickly. Comparing a hundred thousand texts costs more than encoding their rows; numbers
 * are sorted ten times as fast. So the first characters after what all keys begin with become a number, with the key's
 * place in its low bits, and texts are compared only where these numbers are equal.
 */

/** Characters that go into a number, and the bits of each. Keys are percent-encoded, hence ASCII. */
const CHARACTERS = 5;
const CHARACTER_LIMIT = 2 ** 7;
/** A double is exact to 53 bits: what the characters leave. */
const KEYS_MOST = 2 ** (53 - 7 * CHARACTERS);

/** The places of the keys in the order of the keys; equal keys in the order of their places. */
export function keySequence(keys: readonly string[]): Uint32Array {
  const sequence = new Uint32Array(keys.length);
  if (keys.length > KEYS_MOST) return sequence.map((_, place) => place).sort(byKey(keys));
  const start = commonLength(keys);
  const numbers = new Float64Array(keys.length);
  for (let place = 0; place < keys.length; place++) {
    numbers[place] = headNumber(keys[place]!, start) * KEYS_MOST + place;
  }
  numbers.sort();
  for (let i = 0; i < numbers.length; i++) sequence[i] = numbers[i]! % KEYS_MOST;
  sortEqualHeads(keys, numbers, sequence);
  return sequence;
}

function byKey(keys: readonly string[]): (a: number, b: number) => number {
  return (a, b) => {
    const [left, right] = [keys[a]!, keys[b]!];
    return left < right ? -1 : left > right ? 1 : a - b;
  };
}

function sortEqualHeads(keys: readonly string[], numbers: Float64Array, sequence: Uint32Array): void {
  for (let from = 0; from < numbers.length; ) {
    const head = Math.floor(numbers[from]! / KEYS_MOST);
    let end = from + 1;
    while (end < numbers.length && Math.floor(numbers[end]! / KEYS_MOST) === head) end++;
    if (end - from > 1) sequence.subarray(from, end).sort(byKey(keys));
    from = end;
  }
}

/** How many characters all keys begin with alike. */
function commonLength(keys: readonly string[]): number {
  const first = keys[0] ?? "";
  let length = first.length;
  for (const key of keys) while (length > 0 && !key.startsWith(first.slice(0, length))) length--;
  return length;
}

/** Sorts as the text does, as far as it reaches; what is no ASCII and what comes after it is left to comparing texts. */
function headNumber(key: string, start: number): number {
  let number = 0;
  let isAscii = true;
  for (let i = start; i < start + CHARACTERS; i++) {
    const code: number = isAscii && i < key.length ? key.charCodeAt(i) : 0;
    isAscii &&= code < CHARACTER_LIMIT - 1;
    number = number * CHARACTER_LIMIT + Math.min(code, CHARACTER_LIMIT - 1);
  }
  return number;
}
