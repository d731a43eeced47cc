/** Feast's value types and what they are here. The numbers are those of feast.types.ValueType (Value.proto, Feast 0.67). */

const SCALARS: Readonly<Record<number, string>> = {
  1: "bytes",
  2: "string",
  3: "int32",
  4: "int64",
  5: "float64",
  6: "float32",
  7: "bool",
  8: "timestamp",
};
/** A list's number is its element's and this. */
const LIST_OFFSET = 10;

const OTHERS: Readonly<Record<number, string>> = {
  ...{ 0: "Invalid", 19: "Null", 20: "Map", 21: "Array(Map)", 32: "Json", 33: "Array(Json)", 34: "Struct" },
  ...{ 35: "Array(Struct)", 36: "Uuid", 37: "TimeUuid", 38: "Array(Uuid)", 39: "Array(TimeUuid)", 44: "Decimal" },
  ...{ 47: "ScalarMap", 48: "ZonedTimestamp" },
};

/** How a definition file writes the type, "array(float32())"; undefined for a type that has no form here. */
export function fieldTypeText(valueType: number): string | undefined {
  const scalar = SCALARS[valueType];
  if (scalar !== undefined) return `${scalar}()`;
  const element = SCALARS[valueType - LIST_OFFSET];
  return element === undefined ? undefined : `array(${element}())`;
}

/** The kinds that Feast lets a join key have, by their numbers. */
const KEY_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 4, 8]);

/** The same for a join key, whose type has to have an exact equality. */
export function keyTypeText(valueType: number): string | undefined {
  return KEY_TYPES.has(valueType) ? fieldTypeText(valueType) : undefined;
}

/** A type's name for people, where it has no form here. */
export function feastTypeName(valueType: number): string {
  return OTHERS[valueType] ?? (valueType >= 22 && valueType <= 43 ? "a Set or a nested list" : `type ${valueType}`);
}
