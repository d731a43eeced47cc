/**
 * What Feast's form of a value loses, kept beside the row in our header (feast-row.ts), so that nothing is lost to
 * Headgate: the part of a second of timestamps, and lists that hold nulls, which Feast can't say and reads as null.
 *
 * The remainder of a value is bytes, none where nothing is lost:
 *   timestamp             varint: µs beyond the second
 *   array(timestamp)      a varint for each element, 0 for a null
 *   another array         varint: how many elements · a bit for each, 1 for a null · Value of the list without its nulls
 */

import { canonicalInteger, type FeatureValue, type FieldType, REFUSED } from "../field.ts";
import { type FeastValues, secondsOf } from "./feast-value.ts";
import { readVarint, VARINT_MAX_BYTES, writeVarint } from "./feast-varint.ts";

/** The remainders of a row's values. */
export interface FeastRemainders {
  /** For each value that loses something: its feature's field, varint length, remainder. Mostly no bytes. */
  of(values: readonly FeatureValue[]): Uint8Array;
  /** Makes the values what they were, by the remainders from `start` to the end. */
  restore(values: FeatureValue[], bytes: Buffer, start: number): void;
}

interface ValueRemainders {
  /** Undefined where nothing is lost. */
  of(value: FeatureValue): Uint8Array | undefined;
  /** The value as it was, from what Feast's form gave and the remainder; the former where the two don't go together. */
  restored(value: FeatureValue, remainder: Buffer): FeatureValue;
}

type Element = Extract<FeatureValue, readonly unknown[]>[number];

const NOTHING = new Uint8Array(0);
const FIELD_BYTES = 4;
const US_PER_SECOND = 1_000_000;

/** Compiles the remainders of a view: its types, their forms and the features' fields, all in the schema's order. */
export function compileFeastRemainders(
  types: readonly FieldType[],
  forms: readonly FeastValues[],
  features: readonly string[],
): FeastRemainders {
  const remainders = types.map((type, i) => valueRemainders(type, forms[i]!));
  const lossy = remainders.flatMap((one, i) => (one === undefined ? [] : [i]));
  return Object.freeze({
    of: (values: readonly FeatureValue[]) => {
      let parts: Uint8Array[] | undefined;
      for (const i of lossy) {
        const bytes = remainders[i]!.of(values[i]!);
        if (bytes === undefined) continue;
        const length = new Uint8Array(VARINT_MAX_BYTES);
        parts ??= [];
        parts.push(
          Buffer.from(features[i]!, "latin1"),
          length.subarray(0, writeVarint(length, 0, bytes.length)),
          bytes,
        );
      }
      return parts === undefined ? NOTHING : Buffer.concat(parts);
    },
    restore: (values: FeatureValue[], bytes: Buffer, start: number) => {
      const cursor = { offset: start };
      while (cursor.offset + FIELD_BYTES < bytes.length) {
        const feature = features.indexOf(bytes.toString("latin1", cursor.offset, cursor.offset + FIELD_BYTES));
        cursor.offset += FIELD_BYTES;
        const length = readVarint(bytes, cursor);
        if (typeof length !== "number" || length < 0) return;
        const remainder = bytes.subarray(cursor.offset, cursor.offset + length);
        cursor.offset += length;
        // A feature that the view has no more is passed over.
        const one = remainders[feature];
        if (one !== undefined) values[feature] = one.restored(values[feature]!, remainder);
      }
    },
  });
}

function valueRemainders(type: FieldType, form: FeastValues): ValueRemainders | undefined {
  if (type.kind === "timestamp") return type.list ? TIMESTAMP_LIST : TIMESTAMP;
  return type.list ? listRemainders(form) : undefined;
}

const TIMESTAMP = Object.freeze<ValueRemainders>({
  of: (value) => (value === null ? undefined : microsOf([value as number | bigint])),
  restored: (value, remainder) => withMicros(value, readVarint(remainder, { offset: 0 })),
});

const TIMESTAMP_LIST = Object.freeze<ValueRemainders>({
  of: (value) => (value === null ? undefined : microsOf(value as readonly (number | bigint | null)[])),
  restored: (value, remainder) => {
    const cursor = { offset: 0 };
    if (value === null) return value;
    return (value as readonly (number | bigint | null)[]).map((one) => {
      return withMicros(one, readVarint(remainder, cursor)) as number | bigint | null;
    });
  },
});

function microsOf(timestamps: readonly (number | bigint | null)[]): Uint8Array | undefined {
  const bytes = new Uint8Array(timestamps.length * VARINT_MAX_BYTES);
  let [end, isAny] = [0, false];
  for (const one of timestamps) {
    const micros = one === null ? 0 : Number(BigInt(one) - BigInt(secondsOf(one)) * BigInt(US_PER_SECOND));
    isAny ||= micros !== 0;
    end = writeVarint(bytes, end, micros);
  }
  return isAny ? bytes.subarray(0, end) : undefined;
}

function withMicros(value: FeatureValue, micros: number | bigint | undefined): FeatureValue {
  if (value === null || typeof micros !== "number" || Math.abs(micros) >= US_PER_SECOND) return value;
  return canonicalInteger(BigInt(value as number | bigint) + BigInt(micros));
}

function listRemainders(form: FeastValues): ValueRemainders {
  return Object.freeze({
    of: (value: FeatureValue) => {
      const list = value as readonly Element[] | null;
      if (list === null || !list.includes(null)) return undefined;
      const head = new Uint8Array(VARINT_MAX_BYTES);
      const bits = new Uint8Array(Math.ceil(list.length / 8));
      for (const [i, one] of list.entries()) if (one === null) bits[i >> 3]! |= 1 << (i & 7);
      const rest = form.encode(list.filter((one) => one !== null));
      return Buffer.concat([head.subarray(0, writeVarint(head, 0, list.length)), bits, rest]);
    },
    restored: (value: FeatureValue, remainder: Buffer) => {
      const cursor = { offset: 0 };
      const length = readVarint(remainder, cursor);
      // One that Feast can say has lost nothing.
      if (value !== null || typeof length !== "number" || length < 0 || length > 8 * remainder.length) return value;
      const bits = remainder.subarray(cursor.offset, cursor.offset + Math.ceil(length / 8));
      const rest = form.decode(remainder.subarray(cursor.offset + bits.length));
      if (rest === REFUSED || !Array.isArray(rest)) return value;
      const elements: readonly Element[] = rest;
      const isNull = (at: number) => (((bits[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
      let next = 0;
      return Array.from({ length }, (_, at): Element => (isNull(at) ? null : (elements[next++] ?? null)));
    },
  });
}
