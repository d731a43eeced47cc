/**
 * Feast's key of an entity's hash, made of our entity key (../entity-key.ts) and back: entity key serialization 3, then
 * the project's name. Both sides are texts; Feast's has one character a byte ("latin1").
 *
 *   uint32 count of join keys · per name: uint32 2 · uint32 bytes · name · per value: uint32 type · uint32 bytes · value
 *
 * All little-endian; names are sorted by code point, which for the names that definitions may have is JavaScript's sort.
 * A view without entities is under the join key `__dummy_id` with the text "". Source: feast 0.67.0,
 * infra/key_encoding_utils.py (docs/specs/online_store_format.md there describes an older key).
 */

import { compileEntityKey, parseEntityKey, sortedJoinKeys } from "../entity-key.ts";
import { canonicalInteger, type FeatureValue, type ScalarKind, type Schema } from "../field.ts";
import { formatTimestampValueUs } from "../timestamp.ts";

/** The keys of one set of join keys in one Feast project. */
export interface FeastKeys {
  /** What all of them begin with, whatever the project. */
  readonly prefix: string;
  /** Feast's key; undefined for a text that is no key of these join keys, or one that Feast can't key. */
  keyOf(entityKey: string): string | undefined;
  /** Our key; undefined for one of other join keys, of another project, or of values we don't key. */
  entityKeyOf(key: string): string | undefined;
}

const STRING_TAG = 2;
const INTEGER_BYTES: Partial<Record<ScalarKind, number>> = { int32: 4, int64: 8, timestamp: 8 };
/** ValueType of the kinds that Feast keys by. */
const TAGS: Partial<Record<ScalarKind, number>> = { bytes: 1, string: STRING_TAG, int32: 3, int64: 4, timestamp: 8 };
const DUMMY = "__dummy_id";
const US_PER_SECOND = 1_000_000n;
/** The end of a sentence on a key that can't be: which values Feast has no form for, and what to do about it. */
export const FEAST_KEY_RULE = "in Feast's layout timestamps are whole seconds: cut them to seconds at the source";
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** True for a kind of join key that Feast has a form for. */
export function isFeastKeyKind(kind: ScalarKind): boolean {
  return TAGS[kind] !== undefined;
}

/** Compiles the keys. The join keys' kinds are those of isFeastKeyKind. */
export function compileFeastKeys(joinKeys: Schema, project: string): FeastKeys {
  const names = sortedJoinKeys(joinKeys);
  const suffix = Buffer.from(project).toString("latin1");
  const prefix = prefixOf(names.length === 0 ? [DUMMY] : names);
  if (names.length === 0) {
    const only = prefix + uint32(STRING_TAG) + uint32(0) + suffix;
    return Object.freeze({
      prefix,
      keyOf: (entityKey: string) => (entityKey === "" ? only : undefined),
      entityKeyOf: (key: string) => (key === only ? "" : undefined),
    });
  }
  const kinds = names.map((name) => joinKeys[name]!.kind);
  const entityKey = compileEntityKey(joinKeys);
  return Object.freeze({
    prefix,
    keyOf: compileKeyOf(joinKeys, names, prefix, suffix),
    entityKeyOf: (key: string) => {
      const values = key.startsWith(prefix) ? valuesOf(key, prefix.length, kinds, suffix) : undefined;
      try {
        return values && entityKey(values);
      } catch {
        // Longer than a key of ours may be: nothing is asked for by it.
        return undefined;
      }
    },
  });
}

/**
 * Compiles why join key values, in the order of their sorted names and of their types, have no key in Feast's layout: a
 * sentence, or undefined where they have one. Undefined itself for join keys whose values all have one.
 */
export function compileFeastKeyRefusal(
  joinKeys: Schema,
): ((values: readonly unknown[]) => string | undefined) | undefined {
  const names = sortedJoinKeys(joinKeys);
  const timestamps = names.flatMap((name, i) => (joinKeys[name]!.kind === "timestamp" ? [{ name, i }] : []));
  if (timestamps.length === 0) return undefined;
  return (values) => {
    const found = timestamps.find(({ i }) => wholeSeconds(values[i] as number | bigint) === undefined);
    if (found === undefined) return undefined;
    const value = formatTimestampValueUs(values[found.i] as number | bigint);
    return `join key "${found.name}" is ${value}, and ${FEAST_KEY_RULE}`;
  };
}

function prefixOf(names: readonly string[]): string {
  const parts = names.map((name) => uint32(STRING_TAG) + uint32(name.length) + name);
  return uint32(names.length) + parts.join("");
}

function compileKeyOf(joinKeys: Schema, names: readonly string[], prefix: string, suffix: string) {
  const heads = names.map((name) => uint32(TAGS[joinKeys[name]!.kind]!));
  const forms = names.map((name) => valueForm(joinKeys[name]!.kind));
  const partOf = (i: number, value: FeatureValue): string | undefined => {
    const bytes = forms[i]!(value);
    return bytes === undefined ? undefined : heads[i]! + uint32(bytes.length) + bytes;
  };
  const anyKeyOf = (entityKey: string): string | undefined => {
    const entity = parseEntityKey(entityKey, joinKeys);
    const parts = entity && names.map((name, i) => partOf(i, entity[name]!));
    return parts === undefined || parts.includes(undefined) ? undefined : prefix + parts.join("") + suffix;
  };
  const { kind } = joinKeys[names[0]!]!;
  if (names.length > 1 || kind === "bytes" || kind === "timestamp") return anyKeyOf;
  // One integer or plain text is what nearly all keys are: no need to take the text apart.
  const head = `${names[0]!}=`;
  const keyOf = (value: FeatureValue) => prefix + partOf(0, value)! + suffix;
  if (kind === "string") {
    return (entityKey: string): string | undefined => {
      const text = entityKey.slice(head.length);
      return entityKey.startsWith(head) && /^[A-Za-z0-9_.~-]*$/.test(text) ? keyOf(text) : anyKeyOf(entityKey);
    };
  }
  return (entityKey: string): string | undefined => {
    const text = entityKey.slice(head.length);
    if (!entityKey.startsWith(head) || !/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
    const value = Number(text);
    // What is wider than a double, or than int32, is taken apart after all.
    return Number.isSafeInteger(value) && (kind === "int64" || value === (value | 0))
      ? keyOf(value)
      : anyKeyOf(entityKey);
  };
}

/** A join key's value as Feast's bytes; undefined for what it has no form for: a time of a part of a second. */
function valueForm(kind: ScalarKind): (value: FeatureValue) => string | undefined {
  if (kind === "string") return (value) => binaryOf(value as string);
  if (kind === "bytes") return (value) => Buffer.from(value as Uint8Array).toString("latin1");
  if (kind === "int32") return (value) => uint32(value as number);
  if (kind === "int64") return (value) => int64(value as number | bigint);
  return (value) => {
    const seconds = wholeSeconds(value as number | bigint);
    return seconds === undefined ? undefined : int64(seconds);
  };
}

/** A time's seconds; undefined for one of a part of a second. */
function wholeSeconds(value: number | bigint): bigint | undefined {
  const timestampUs = BigInt(value);
  return timestampUs % US_PER_SECOND === 0n ? timestampUs / US_PER_SECOND : undefined;
}

function valuesOf(
  key: string,
  start: number,
  kinds: readonly ScalarKind[],
  suffix: string,
): readonly FeatureValue[] | undefined {
  const values: FeatureValue[] = [];
  let at = start;
  for (const kind of kinds) {
    if (at + 8 > key.length || readUint32(key, at) !== TAGS[kind]) return undefined;
    const end = at + 8 + readUint32(key, at + 4);
    if (end > key.length) return undefined;
    const value = parseValue(kind, Buffer.from(key.slice(at + 8, end), "latin1"));
    if (value === undefined) return undefined;
    values.push(value);
    at = end;
  }
  return key.length === at + suffix.length && key.endsWith(suffix) ? values : undefined;
}

function parseValue(kind: ScalarKind, bytes: Buffer): FeatureValue | undefined {
  if (kind === "bytes") return bytes;
  if (kind === "string") {
    try {
      return utf8.decode(bytes);
    } catch {
      return undefined;
    }
  }
  if (bytes.length !== INTEGER_BYTES[kind]) return undefined;
  if (kind === "int32") return bytes.readInt32LE();
  const value = bytes.readBigInt64LE();
  if (kind === "int64") return canonicalInteger(value);
  const timestampUs = value * US_PER_SECOND;
  return BigInt.asIntN(64, timestampUs) === timestampUs ? canonicalInteger(timestampUs) : undefined;
}

/** The UTF-8 of a text, a character a byte. */
function binaryOf(text: string): string {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? text : Buffer.from(text).toString("latin1");
}

function uint32(value: number): string {
  return String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function int64(value: number | bigint): string {
  if (typeof value === "bigint") {
    return uint32(Number(value & 0xffffffffn)) + uint32(Number((value >> 32n) & 0xffffffffn));
  }
  return uint32(value >>> 0) + uint32(Math.floor(value / 2 ** 32) >>> 0);
}

function readUint32(key: string, at: number): number {
  const [a, b, c, d] = [key.charCodeAt(at), key.charCodeAt(at + 1), key.charCodeAt(at + 2), key.charCodeAt(at + 3)];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}
