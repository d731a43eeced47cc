/** `value_set` as Python compares: 1, 1.0 and true are one value, "1" is another, null is never in it. */

import { canonicalInteger, type FeatureValue, type FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { parseTimestampValueUs } from "../../features/timestamp.ts";
import { isNumeric } from "./table-chunk.ts";

/** A member as columns of the type hold it; undefined for what can't be in such a column. */
function memberOf(
  { kind, list }: FieldType,
  member: JsonValue,
  parsesDates: boolean,
): number | bigint | string | undefined {
  if (list || kind === "bytes") return undefined;
  if (kind === "string") return typeof member === "string" ? member : undefined;
  if (kind === "timestamp") {
    return parsesDates && typeof member === "string" ? parseTimestampValueUs(member) : undefined;
  }
  if (typeof member === "boolean") return Number(member);
  if (typeof member === "bigint") return canonicalInteger(member);
  return typeof member === "number" ? member : undefined;
}

/** The members that a column of the type can hold. Dates are read as such only where the original does. */
export function membersOf(type: FieldType, valueSet: readonly JsonValue[], parsesDates: boolean) {
  const members = new Set<number | bigint | string>();
  for (const one of valueSet) {
    const member = memberOf(type, one, parsesDates);
    if (member !== undefined) members.add(member);
  }
  return members;
}

/** A value of a column as `membersOf` has it. */
export function asMember(type: FieldType, value: FeatureValue): number | bigint | string | undefined {
  if (typeof value === "boolean") return Number(value);
  if (isNumeric(type) || type.kind === "string") return value as number | bigint | string;
  return undefined;
}
