/**
 * Feast's layout in Redis, to compare memory with: one hash for each entity key, one protobuf value for each feature
 * under four bytes of MurmurHash3, one protobuf timestamp for each view. Written from Feast's public documentation and
 * sources, version 0.67: https://docs.feast.dev/reference/online-stores/redis and
 * https://github.com/feast-dev/feast/tree/v0.67.0/sdk/python/feast/infra (key_encoding_utils.py, online_stores).
 */

import { featureField, timestampField } from "../features/store/feast-field.ts";
import type { ShapeView } from "./store-rows.ts";

/** The tags of a join key's name and of an int64 value in an entity key. */
const [STRING_TAG, INT64_TAG] = [2, 4];

/** Serialized entity key, version 3, of one int64 join key, then the project's name; numbers are little-endian. */
export function feastKey(joinKey: string, id: number, project: string): Buffer {
  const name = Buffer.from(joinKey);
  const value = Buffer.alloc(8);
  value.writeBigInt64LE(BigInt(id));
  const [count, nameTag, nameBytes, valueTag, valueBytes] = [1, STRING_TAG, name.length, INT64_TAG, 8].map(uint32);
  return Buffer.concat([count!, nameTag!, nameBytes!, name, valueTag!, valueBytes!, value, Buffer.from(project)]);
}

/** A row as the arguments of HSET after the key: field, value, … */
export function feastRow(view: ShapeView, values: readonly number[], eventMs: number): Buffer[] {
  const features = Object.entries(view.features).flatMap(([feature, kind], i) => [
    Buffer.from(featureField(view.name, feature), "latin1"),
    kind === "integer" ? int64Value(values[i]!) : floatValue(values[i]!),
  ]);
  return [Buffer.from(timestampField(view.name)), timestamp(eventMs), ...features];
}

/** feast.types.Value with int64_val (field 4, varint); `value` ≥ 0. */
function int64Value(value: number): Buffer {
  return Buffer.from([0x20, ...varint(value)]);
}

/** feast.types.Value with float_val (field 6, four bytes). */
function floatValue(value: number): Buffer {
  const bytes = Buffer.alloc(5, 0x35);
  bytes.writeFloatLE(value, 1);
  return bytes;
}

/** google.protobuf.Timestamp: seconds (field 1), nanos (field 2) where they are not 0. */
function timestamp(eventMs: number): Buffer {
  const nanos = (eventMs % 1_000) * 1_000_000;
  return Buffer.from([0x08, ...varint(Math.floor(eventMs / 1_000)), ...(nanos === 0 ? [] : [0x10, ...varint(nanos)])]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
