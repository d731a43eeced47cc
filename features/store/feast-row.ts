/**
 * One view's row in Feast's hash and as the store hands it on (../row-codec.ts), each made of the other.
 *
 * The hash holds a Value for each feature, the event time, and our header, which Feast does not know:
 *
 *   order        length byte + the order; a delete's header ends here, and no feature's field is there
 *   written-at   varint   as in a row
 *   origin id    varint   as in a row
 *   remainders   what the Values lose (feast-remainder.ts)
 *
 * The header is believed while the event time beside it has our mark (feast-timestamp.ts) and is its order's: Feast,
 * which writes that time with every row, leaves the header as it is but not the mark. A row of Feast's has the lowest
 * order of its time: created in 1900, of generation 0, and so older than any of ours. No schema is named: values are
 * found by feature, so a row is read as the view is declared today, whatever it was written by.
 */

import { channel } from "node:diagnostics_channel";
import { type FeatureValue, REFUSED } from "../field.ts";
import { compileEncodeValues } from "../row-codec.ts";
import {
  isTombstone,
  payloadOffset,
  ROW_ORDER_MAX_BYTES,
  readEventTimestampUs,
  SOURCE_RANK,
  valuesOffset,
  writeRowOrder,
} from "../row-order.ts";
import { EARLIEST_EVENT_US } from "../timestamp.ts";
import type { EncodedView } from "../writer.ts";
import { featureField, headerField, timestampField } from "./feast-field.ts";
import { compileFeastRemainders } from "./feast-remainder.ts";
import { decodeFeastTime, encodeMarkedTime } from "./feast-timestamp.ts";
import { compileFeastValues } from "./feast-value.ts";
import { VARINT_MAX_BYTES, writeVarint } from "./feast-varint.ts";

/** A row's fields in the hash, as bytes. */
export interface FeastFields {
  readonly header: Uint8Array;
  readonly time: Uint8Array;
  /** In the order of FeastRows.features; not to be looked at for a delete. */
  readonly values: readonly Uint8Array[];
}

/** The rows of one view. */
export interface FeastRows {
  /** The features' fields in the hash, in the schema's order. */
  readonly features: readonly string[];
  /** All fields: the row's time, our header, the features. */
  readonly fields: readonly string[];
  /** `values` are the row's, in the schema's order; undefined for a delete. */
  encode(row: Uint8Array, values: readonly FeatureValue[] | undefined): FeastFields;
  /**
   * The row that the answers for `fields` make, from the given one on: `undefined` where there is none, or one that is not
   * of the schema, which is told as an incompatible row.
   */
  decode(found: readonly (Buffer | null)[], from: number, schemaId: number): Uint8Array | undefined;
}

/** Published once for each row that could not be read as its view is declared today; see ../reader.ts. */
const incompatibleRow = channel("headgate:row-incompatible");

const NOTHING = new Uint8Array(0);
/** An order of five zeros: a byte each. */
const ORDER_MIN_BYTES = 5;

/** Compiles the rows of a view. */
export function compileFeastRows(view: Pick<EncodedView, "name" | "schema">): FeastRows {
  const types = Object.values(view.schema);
  const features = Object.keys(view.schema).map((name) => featureField(view.name, name));
  const forms = types.map(compileFeastValues);
  const remainders = compileFeastRemainders(types, forms, features);
  const encodeValues = compileEncodeValues(types);
  const nulls = types.map(() => NOTHING);

  function encode(row: Uint8Array, values: readonly FeatureValue[] | undefined): FeastFields {
    const time = encodeMarkedTime(readEventTimestampUs(row));
    if (values === undefined) return { header: row, time, values: nulls };
    return {
      header: headerOf(row, remainders.of(values)),
      time,
      values: forms.map((form, i) => form.encode(values[i]!)),
    };
  }

  function valuesOf(found: readonly (Buffer | null)[], from: number): FeatureValue[] | undefined {
    const values = new Array<FeatureValue>(forms.length);
    for (let i = 0; i < forms.length; i++) {
      const bytes = found[from + i];
      const value = bytes ? forms[i]!.decode(bytes) : null;
      if (value === REFUSED) return undefined;
      values[i] = value;
    }
    return values;
  }

  function decode(found: readonly (Buffer | null)[], from: number, schemaId: number): Uint8Array | undefined {
    const time = found[from] && decodeFeastTime(found[from]);
    if (time === null) return undefined;
    const values = time && valuesOf(found, from + 2);
    if (time === undefined || values === undefined) return incompatible(view.name);
    const stored = found[from + 1];
    const end = stored && time.isMarked ? headerEnd(stored, time.timestampUs) : undefined;
    if (!stored || end === undefined) return joined(feastHeader(time.timestampUs), schemaId, encodeValues(values));
    // A copy: the header is part of a larger answer of the server's.
    if (isTombstone(stored)) return Buffer.from(stored);
    if (end < stored.length) remainders.restore(values, stored, end);
    return joined(stored.subarray(0, end), schemaId, encodeValues(values));
  }

  return Object.freeze({
    features,
    fields: [timestampField(view.name), headerField(view.name), ...features],
    encode,
    decode,
  });
}

function incompatible(view: string): undefined {
  if (incompatibleRow.hasSubscribers) incompatibleRow.publish({ view, schema: "feast" });
  return undefined;
}

/** A row's order, written-at and origin, and the remainders. */
function headerOf(row: Uint8Array, rest: Uint8Array): Uint8Array {
  const orderEnd = payloadOffset(row);
  let start = orderEnd;
  while (row[start]! >= 0x80) start++;
  const end = valuesOffset(row);
  const header = new Uint8Array(orderEnd + end - start - 1 + rest.length);
  header.set(row.subarray(0, orderEnd), 0);
  header.set(row.subarray(start + 1, end), orderEnd);
  header.set(rest, header.length - rest.length);
  return header;
}

/** Where the remainders begin; undefined for a header that is not whole, or of another event time. */
function headerEnd(header: Uint8Array, timestampUs: number): number | undefined {
  if (header.length <= ORDER_MIN_BYTES || header[0]! < ORDER_MIN_BYTES) return undefined;
  let end = payloadOffset(header);
  if (end > header.length || readEventTimestampUs(header) !== timestampUs) return undefined;
  if (end === header.length) return end;
  for (let varints = 0; varints < 2; varints++) {
    while (header[end]! >= 0x80) end++;
    end++;
  }
  return end <= header.length ? end : undefined;
}

/** What a row that Feast wrote has for a header: written when it happened, by an origin that is none. */
function feastHeader(timestampUs: number): Uint8Array {
  const order = { eventTimestampUs: timestampUs, createdTimestampUs: EARLIEST_EVENT_US };
  const header = new Uint8Array(ROW_ORDER_MAX_BYTES + 2);
  const end = writeRowOrder(header, 0, { ...order, generation: 0, sourceRank: SOURCE_RANK.feast, position: 0 });
  return header.subarray(0, end + 2);
}

/** A row of a header without remainders. */
function joined(header: Uint8Array, schemaId: number, body: Uint8Array): Uint8Array {
  const orderEnd = payloadOffset(header);
  const row = Buffer.allocUnsafe(header.length + VARINT_MAX_BYTES + body.length);
  row.set(header, 0);
  let end = writeVarint(row, orderEnd, schemaId);
  for (let i = orderEnd; i < header.length; i++) row[end++] = header[i]!;
  row.set(body, end);
  return row.subarray(0, end + body.length);
}
