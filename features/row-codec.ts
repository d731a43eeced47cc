/**
 * A row's bytes: order · header · values. docs/store-format.md is this file in prose.
 *
 *   order        length byte + the order (row-order.ts); a row that ends here is a tombstone
 *   schema id    varint   which stored schema the values follow (stored-schema.ts interns them)
 *   written-at   varint   zigzag of (written-at ms − event timestamp ms)
 *   origin id    varint   which run or topic partition wrote it (intern-table.ts interns them)
 *   values       msgpack array in the schema's field order
 *
 * At 10⁹ entities a byte is a gigabyte, so the header is varints and the text it points to is kept once.
 *
 * Values are exact bit by bit (NaN's payload aside), which msgpackr alone is not: a float row is packed with its 5-byte
 * floats only when no value of it would lose bits by that, else with 9-byte ones; −0, which msgpackr writes as the
 * integer 0, is written as `false`, which no float field holds otherwise; an integer-valued float may come back from
 * msgpackr as a bigint and is made a number again.
 */

import { Packr, Unpackr } from "msgpackr";
import type { FeatureValue, FieldType } from "./field.ts";
import {
  payloadOffset,
  ROW_ORDER_MAX_BYTES,
  type RowOrder,
  readRowOrder,
  valuesOffset,
  writeRowOrder,
} from "./row-order.ts";

/** What a row says about itself besides its values. */
export interface RowHeader {
  readonly schemaId: number;
  readonly writtenAtMs: number;
  readonly originId: number;
}

/** Encodes the rows of one schema. `values` are canonical (field.ts) and in field order. */
export type EncodeRow = (order: RowOrder, header: RowHeader, values: readonly FeatureValue[]) => Uint8Array;

/** Decodes the values of a row of one schema; `row` is not a tombstone. */
export type DecodeValues = (row: Uint8Array) => FeatureValue[];

const HEADER_MAX_BYTES = 3 * 8;
const singles = new Packr({ useRecords: false, useFloat32: 1 });
const doubles = new Packr({ useRecords: false, useFloat32: 0 });
const unpackr = new Unpackr({ useRecords: false, int64AsType: "auto", copyBuffers: true } as object);

/** Compiles the encoder of a schema's fields. */
export function compileEncodeRow(types: readonly FieldType[]): EncodeRow {
  const encodeValues = compileEncodeValues(types);
  const head = new Uint8Array(ROW_ORDER_MAX_BYTES + HEADER_MAX_BYTES);
  return (order, header, values) => {
    let end = writeRowOrder(head, 0, order);
    end = writeHeader(head, end, header, order.eventTimestampUs);
    const body = encodeValues(values);
    const row = new Uint8Array(end + body.length);
    row.set(head.subarray(0, end), 0);
    row.set(body, end);
    return row;
  };
}

/** Compiles the encoder of what follows a row's header: its values, canonical and in field order. */
export function compileEncodeValues(types: readonly FieldType[]): (values: readonly FeatureValue[]) => Uint8Array {
  const floats = indexesOf(types, isFloat);
  const wideFloats = floats.filter((i) => types[i]!.kind === "float64");
  return (values) => {
    const packr = wideFloats.some((i) => losesBits(values[i]!)) ? doubles : singles;
    return packr.pack(floats.length === 0 ? values : withMarkedZeros(values, floats));
  };
}

/** A tombstone: nothing but its order. */
export function encodeTombstone(order: RowOrder): Uint8Array {
  const row = new Uint8Array(ROW_ORDER_MAX_BYTES);
  return row.slice(0, writeRowOrder(row, 0, order));
}

/** Compiles the decoder of a schema's fields. */
export function compileDecodeValues(types: readonly FieldType[]): DecodeValues {
  const floats = indexesOf(types, isFloat);
  const integers = indexesOf(types, ({ kind }) => kind === "int64" || kind === "timestamp");
  const isNumbers = types.every(isScalarNumber) && types.length <= SHORT_ARRAY_MAX;
  return (row) => {
    const start = valuesOffset(row);
    const numbers = isNumbers ? readNumbers(row, start, types.length) : undefined;
    if (numbers !== undefined) return numbers;
    const values = unpackr.unpack(row, { start, end: row.length } as never) as FeatureValue[];
    for (const i of floats) {
      const value = values[i]!;
      if (typeof value !== "number" && value !== null) values[i] = restoredFloat(value);
    }
    for (const i of integers) {
      const value = values[i]!;
      if (!Number.isSafeInteger(value) && value !== null) values[i] = restoredInteger(value);
    }
    return values;
  };
}

/** The most elements of an array whose length is in its first byte. */
const SHORT_ARRAY_MAX = 15;
const double = new DataView(new ArrayBuffer(8));

/**
 * Reads a msgpack array of nothing but short numbers and nulls, which is what most rows are, in 0.4 of the time that
 * msgpackr takes; undefined when there is anything else in it. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
function readNumbers(row: Uint8Array, start: number, count: number): FeatureValue[] | undefined {
  if (row[start] !== 0x90 + count) return undefined;
  const values = new Array<FeatureValue>(count);
  let at = start + 1;
  for (let i = 0; i < count; i++) {
    const head = row[at++]!;
    if (head < 0x80) values[i] = head;
    else if (head >= 0xe0) values[i] = head - 0x100;
    else if (head === NIL) values[i] = null;
    else if (head === FLOAT32) {
      double.setInt32(0, readInt32(row, at));
      values[i] = double.getFloat32(0);
      at += 4;
    } else if (head === FLOAT64) {
      double.setInt32(0, readInt32(row, at));
      double.setInt32(4, readInt32(row, at + 4));
      values[i] = double.getFloat64(0);
      at += 8;
    } else if (head === UINT8) values[i] = row[at++]!;
    else if (head === UINT16) {
      values[i] = (row[at]! << 8) | row[at + 1]!;
      at += 2;
    } else if (head === UINT32) {
      values[i] = readInt32(row, at) >>> 0;
      at += 4;
    } else return undefined;
  }
  return values;
}

const [NIL, FLOAT32, FLOAT64, UINT8, UINT16, UINT32] = [0xc0, 0xca, 0xcb, 0xcc, 0xcd, 0xce];

function readInt32(row: Uint8Array, at: number): number {
  return (row[at]! << 24) | (row[at + 1]! << 16) | (row[at + 2]! << 8) | row[at + 3]!;
}

/** The schema id alone: what a read needs to find the decoder. */
export function readSchemaId(row: Uint8Array): number {
  return readVarint(row, { offset: payloadOffset(row) });
}

/** The header of a row that is not a tombstone. */
export function readRowHeader(row: Uint8Array): RowHeader & { readonly order: RowOrder } {
  const order = readRowOrder(row);
  const cursor = { offset: payloadOffset(row) };
  const schemaId = readVarint(row, cursor);
  const sinceEventMs = unzigzag(readVarint(row, cursor));
  const originId = readVarint(row, cursor);
  return { order, schemaId, writtenAtMs: Math.floor(order.eventTimestampUs / 1000) + sinceEventMs, originId };
}

function writeHeader(into: Uint8Array, offset: number, header: RowHeader, eventTimestampUs: number): number {
  let end = writeVarint(into, offset, header.schemaId);
  end = writeVarint(into, end, zigzag(header.writtenAtMs - Math.floor(eventTimestampUs / 1000)));
  return writeVarint(into, end, header.originId);
}

function indexesOf(types: readonly FieldType[], keep: (type: FieldType) => boolean): readonly number[] {
  return types.flatMap((type, i) => (keep(type) ? [i] : []));
}

function isFloat(type: FieldType): boolean {
  return type.kind === "float32" || type.kind === "float64";
}

function isScalarNumber({ kind, list }: FieldType): boolean {
  return !list && kind !== "string" && kind !== "bytes" && kind !== "bool";
}

function losesBits(value: FeatureValue): boolean {
  if (typeof value === "number") return Math.fround(value) !== value && !Number.isNaN(value);
  return Array.isArray(value) && value.some(losesBits);
}

function withMarkedZeros(values: readonly FeatureValue[], floats: readonly number[]): readonly FeatureValue[] {
  let marked: FeatureValue[] | undefined;
  for (const i of floats) {
    const value = values[i]!;
    if (Array.isArray(value) ? value.some(isNegativeZero) : isNegativeZero(value)) {
      marked ??= [...values];
      marked[i] = Array.isArray(value) ? value.map((one) => (isNegativeZero(one) ? false : one)) : false;
    }
  }
  return marked ?? values;
}

function isNegativeZero(value: unknown): boolean {
  return Object.is(value, -0);
}

function restoredFloat(value: FeatureValue): FeatureValue {
  if (value === false) return -0;
  if (typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.map((one) => restoredFloat(one) as number | null) : value;
}

/** msgpackr takes −2^53 for a safe integer. */
function restoredInteger(value: FeatureValue): FeatureValue {
  if (Array.isArray(value)) return value.map((one) => restoredInteger(one) as number | bigint | null);
  return typeof value === "number" && !Number.isSafeInteger(value) ? BigInt(value) : value;
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

function writeVarint(into: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[at++] = rest;
  return at;
}

function readVarint(row: Uint8Array, cursor: { offset: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = row[cursor.offset++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
}
