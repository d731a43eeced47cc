/** JSON with integers that a double does not hold, read and written by means of their own, not by what is tested. */

/** Integers past 2^53 as bigints. */
export function parseExact(text: string): unknown {
  return JSON.parse(text.replace(/(?<=[[,:])-?\d{16,}(?=[\],}])/g, '"big:$&"'), (_, value) =>
    typeof value === "string" && value.startsWith("big:") ? BigInt(value.slice(4)) : value,
  );
}

/** Bigints as the integers they are. */
export function writeExact(value: unknown): string {
  const text = JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `big:${one}` : one));
  return text.replace(/"big:(-?\d+)"/g, "$1");
}

/** As a number where that is exact. */
export function small(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
