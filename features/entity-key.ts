/**
 * The entity key: the join keys of one entity as one text, the same from every writer and reader.
 *
 * It is the canonical query string of the join keys, sorted by name: `customer_id=17`, `customer_id=17&product_id=a%2Fb`.
 * So an operator reads it in redis-cli as he would write it behind the debug view's URL. A join key has one type in a
 * project (the registry refuses a second), so the text needs no type tags. Integers are decimal, bools true/false,
 * bytes base64url, texts percent-encoded (UTF-8; A–Z a–z 0–9 - _ . ~ stand for themselves). A view without entities
 * has the empty key. Keys are ASCII, so their order as text is their order as bytes.
 */

import { HeadgateError } from "../errors.ts";
import { parseBase64 } from "./base64.ts";
import {
  type Accept,
  canonicalInteger,
  compileAccept,
  type FeatureValue,
  type FieldType,
  REFUSED,
  type Schema,
} from "./field.ts";
import { shown } from "./shown.ts";
import { parseTimestampValueUs } from "./timestamp.ts";

/** The longest key that is stored, in bytes: LMDB's limit less room for the view's name. */
export const ENTITY_KEY_MAX_BYTES = 1_500;

/** Turns join key values, in the order of the sorted names, into a key. Throws ENTITY_KEY_INVALID naming the join key. */
export type EntityKeyOf = (values: readonly unknown[]) => string;

/** The names of join keys in the order of their key: by code point. */
export function sortedJoinKeys(joinKeys: Schema): readonly string[] {
  return Object.keys(joinKeys).sort();
}

/** Compiles the key of a set of join keys. `compile` says how values are taken: as they are in memory, or as JSON has them. */
export function compileEntityKey(joinKeys: Schema, compile: (type: FieldType) => Accept = compileAccept): EntityKeyOf {
  const names = sortedJoinKeys(joinKeys);
  const texts = names.map((name) => compileJoinKeyText(name, joinKeys[name]!, compile));
  if (names.length === 0) return () => "";
  if (names.length === 1) {
    const text = texts[0]!;
    return (values) => bounded(text(values[0]));
  }
  return (values) => bounded(texts.map((text, i) => text(values[i])).join("&"));
}

/** The join key values of a key, by name. Undefined when the text is not a key of these join keys. */
export function parseEntityKey(key: string, joinKeys: Schema): Record<string, FeatureValue> | undefined {
  const names = sortedJoinKeys(joinKeys);
  const parts = key === "" ? [] : key.split("&");
  if (parts.length !== names.length) return undefined;
  const entity: Record<string, FeatureValue> = {};
  for (const [i, name] of names.entries()) {
    const part = parts[i]!;
    if (!part.startsWith(`${name}=`)) return undefined;
    try {
      entity[name] = parseJoinKey(name, joinKeys[name]!, decodeURIComponent(part.slice(name.length + 1)));
    } catch {
      return undefined;
    }
  }
  return Object.freeze(entity);
}

const parseInteger = (text: string) => (/^-?\d{1,19}$/.test(text) ? canonicalInteger(BigInt(text)) : undefined);

const PARSE_TEXT: Partial<Record<FieldType["kind"], (text: string) => unknown>> = {
  int32: parseInteger,
  int64: parseInteger,
  timestamp: (text) => parseInteger(text) ?? parseTimestampValueUs(text),
  bool: (text) => (text === "true" ? true : text === "false" ? false : undefined),
  bytes: parseBase64,
};

/**
 * A join key's value from the text of a URL or a command line: as the key has it, or as JSON does (a timestamp in
 * RFC 3339, bytes in base64). Throws ENTITY_KEY_INVALID.
 */
export function parseJoinKey(name: string, type: FieldType, text: string): FeatureValue {
  const parse = PARSE_TEXT[type.kind];
  const value = parse === undefined ? text : (parse(text) ?? text);
  const taken = compileAccept(type)(value);
  if (taken === REFUSED || taken === null) throw new JoinKeyRefused(name, type, text);
  return taken;
}

function compileJoinKeyText(
  name: string,
  type: FieldType,
  compile: (type: FieldType) => Accept,
): (value: unknown) => string {
  const accept = compile(type);
  const head = `${name}=`;
  const texts: Partial<Record<FieldType["kind"], (value: never) => string>> = {
    string: textOfString,
    bytes: (value: Uint8Array) => Buffer.from(value).toString("base64url"),
  };
  const textOf = (texts[type.kind] ?? String) as (value: FeatureValue) => string;
  return (value) => {
    const taken = accept(value);
    if (taken === REFUSED || taken === null || !hasUtf8(taken)) throw new JoinKeyRefused(name, type, value);
    return head + textOf(taken);
  };
}

function textOfString(value: string): string {
  if (/^[A-Za-z0-9_.~-]*$/.test(value)) return value;
  // encodeURIComponent leaves !'()* as they are.
  return encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A text with a lone surrogate has no UTF-8 form: two such texts could end as one key. */
function hasUtf8(value: FeatureValue): boolean {
  return typeof value !== "string" || value.isWellFormed();
}

function bounded(key: string): string {
  if (key.length <= ENTITY_KEY_MAX_BYTES) return key;
  throw new HeadgateError(
    "ENTITY_KEY_INVALID",
    `The entity key "${key.slice(0, 40)}…" is ${key.length} bytes long; the most is ${ENTITY_KEY_MAX_BYTES}.`,
  );
}

/** ENTITY_KEY_INVALID for a join key's value; who knows a list that it came in can say where. */
export class JoinKeyRefused extends HeadgateError {
  readonly joinKey: string;
  /** As it was given. */
  readonly value: unknown;

  constructor(joinKey: string, type: FieldType, value: unknown) {
    super("ENTITY_KEY_INVALID", `Join key "${joinKey}" must be ${article(type.kind)}, not ${shown(value)}.`);
    this.joinKey = joinKey;
    this.value = value;
  }
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}
