/**
 * From an event to one view's row: members by name, through the source's `columns` or `map`, from the format's own
 * representation to canonical values (features/field.ts). What is absent is null, but an entity and a time must be there.
 * What the value is not converted for, the writer checks: here nothing is coerced.
 */

import { excerpt, reasonOf } from "../errors.ts";
import { sortedJoinKeys } from "../features/entity-key.ts";
import type { FeatureView } from "../features/feature-view.ts";
import { REFUSED } from "../features/field.ts";
import { isObject } from "../features/json-value.ts";
import { viewJoinKeys } from "../features/registry.ts";
import { shown } from "../features/shown.ts";
import type { KafkaSource } from "../features/source.ts";
import type { SourceRow } from "../features/writer.ts";
import type { Deletion, ParsedEvent, RecordKey } from "./event-format.ts";
import { compileMember, isLogical, isUnavailable, type Member, refusedMember } from "./event-member.ts";
import { compileReadTime, refusedTime } from "./event-time.ts";
import type { StreamRecord } from "./stream-record.ts";

type RowOrRefusal = { readonly row: SourceRow } | { readonly refused: string };
type Mapped = { readonly object: object } | { readonly refused: string } | { readonly skipped: true };

/** Compiles the taking of a view's row. The result never throws. */
export function compileRowOfEvent(
  view: FeatureView,
  source: KafkaSource,
): (parsed: ParsedEvent, record: StreamRecord) => RowOrRefusal | { readonly skipped: true } {
  const taken = compileTake(view, source);
  return (parsed, record) => {
    try {
      return taken(parsed, record);
    } catch (cause) {
      // What a map gave may have getters that throw.
      return failed(view, source, cause);
    }
  };
}

function failed(view: FeatureView, source: KafkaSource, cause: unknown): { readonly refused: string } {
  const what = source.map === undefined ? "the event can't be read" : `${mapName(view, source)} failed`;
  return { refused: `${what}: ${excerpt(reasonOf(cause), COMPLAINT_CHARACTERS)}` };
}

type Take = (parsed: ParsedEvent, record: StreamRecord) => RowOrRefusal | { readonly skipped: true };

function compileTake(view: FeatureView, source: KafkaSource): Take {
  const objectOf = compileObjectOf(view, source);
  const rowOfObject = compileRowOfObject(view, source);
  const deletionOf = compileDeletionOf(view, source);
  return (parsed, record) => {
    if ("event" in parsed) {
      const mapped = objectOf(parsed.event);
      return "object" in mapped ? rowOfObject(mapped.object, record) : mapped;
    }
    if (!("deletion" in parsed)) return parsed;
    const { deletion } = parsed;
    const mapped = deletion.before === undefined ? undefined : objectOf(deletion.before);
    if (mapped !== undefined && "skipped" in mapped) return mapped;
    const before = mapped !== undefined && "object" in mapped ? mapped.object : undefined;
    return deletionOf(deletion, before, record);
  };
}

function mapName(view: FeatureView, { topic }: KafkaSource): string {
  return `map of view "${view.name}" and topic "${topic}"`;
}

/** What a row's members are taken from: the event itself, or what the source's map makes of it. */
function compileObjectOf(view: FeatureView, source: KafkaSource): (event: unknown) => Mapped {
  if (source.map === undefined) {
    return (event) =>
      isObject(event) ? { object: event } : { refused: `the event is ${shown(event)}, not an object` };
  }
  const what = mapName(view, source);
  const apply = source.map as (event: unknown) => unknown;
  return (event) => {
    let row: unknown;
    try {
      row = apply(event);
    } catch (cause) {
      // Of a delete's row as it was, which its key can do without.
      return failed(view, source, cause);
    }
    if (row === null || row === undefined) return { skipped: true };
    if (row instanceof Promise) {
      // Nobody waits for it: its failure must not end the process.
      row.catch(() => {});
      return { refused: `${what} gave a promise; it must be a plain function` };
    }
    return isObject(row) ? { object: row } : { refused: `${what} gave ${shown(row)}, not an object` };
  };
}

/** The most characters of a failure's own words. */
const COMPLAINT_CHARACTERS = 160;

function compileRowOfObject(
  view: FeatureView,
  source: KafkaSource,
): (object: object, record: StreamRecord) => RowOrRefusal {
  const joinKeys = compileJoinKeys(view, source);
  const fields = Object.entries(view.schema).map(([name, type]) => compileMember(name, type, source));
  const timeOf = compileTimeOf(source);
  return (object, record) => {
    const entity = take(joinKeys, object, true);
    if (typeof entity === "string") return { refused: entity };
    const values = take(fields, object, false);
    if (typeof values === "string") return { refused: values };
    const eventTimestampUs = timeOf.event(object);
    if (typeof eventTimestampUs === "string") return { refused: eventTimestampUs };
    const createdTimestampUs = timeOf.created(object) ?? record.timestampMs * 1_000;
    if (typeof createdTimestampUs === "string") return { refused: createdTimestampUs };
    return {
      row: {
        entity,
        values,
        eventTimestampUs,
        createdTimestampUs: createdTimestampUs as number,
        position: Number(record.offset),
      },
    };
  };
}

function compileJoinKeys(view: FeatureView, source: KafkaSource): readonly Member[] {
  const joinKeys = viewJoinKeys(view);
  return sortedJoinKeys(joinKeys).map((name) => compileMember(name, joinKeys[name]!, source));
}

/** The values of members, or why one can't be taken. */
function take(members: readonly Member[], object: object, isRequired: boolean): unknown[] | string {
  const values = new Array<unknown>(members.length);
  for (let i = 0; i < members.length; i++) {
    const { get, convert } = members[i]!;
    const value = get(object) ?? null;
    if (value === null && isRequired) return refusedMember(members[i]!, get(object));
    if (isUnavailable(value)) return refusedMember(members[i]!, value);
    const converted = value === null || convert === undefined ? value : convert(value);
    if (converted === REFUSED) return refusedMember(members[i]!, value);
    values[i] = converted;
  }
  return values;
}

/** The event's and the created timestamp, µs, or a sentence; the created one may be absent. */
function compileTimeOf(source: KafkaSource) {
  const readTime = compileReadTime(source);
  const { timestampField, createdField } = source;
  const event = compileMember(timestampField, undefined, source).get;
  const created = createdField === undefined ? () => undefined : compileMember(createdField, undefined, source).get;
  return {
    event: (object: object): number | bigint | string => {
      const value = event(object);
      return readTime(value) ?? refusedTime(timestampField, value, source);
    },
    created: (object: object): number | bigint | string | undefined => {
      const value = created(object) ?? undefined;
      return value === undefined ? undefined : (readTime(value) ?? refusedTime(createdField!, value, source));
    },
  };
}

/**
 * A delete's row, dated no earlier than what it deletes. The key says whose it is; the row as it was only where the key
 * does not, or where a map makes the join keys: a database that does not log old rows puts zeros for all but its key.
 */
function compileDeletionOf(
  view: FeatureView,
  source: KafkaSource,
): (deletion: Deletion, before: object | undefined, record: StreamRecord) => RowOrRefusal {
  const joinKeys = compileJoinKeys(view, source);
  const timeOf = compileTimeOf(source);
  const ofKey = compileEntityOfKey(view, source);
  return (deletion, before, record) => {
    const { key } = deletion;
    const hasKey = source.map === undefined && "key" in key && hasMembers(key.key);
    const fromKey = ofKey(key);
    const fromBefore = before === undefined ? undefined : take(joinKeys, before, true);
    const best = hasKey ? fromKey : fromBefore;
    const entity = Array.isArray(best) ? best : Array.isArray(fromBefore) ? fromBefore : fromKey;
    if (typeof entity === "string") return { refused: entity };
    const lastUs = before === undefined ? undefined : timeOf.event(before);
    const { eventTimestampUs } = deletion;
    return {
      row: {
        entity,
        values: undefined,
        eventTimestampUs: typeof lastUs === "number" && lastUs > eventTimestampUs ? lastUs : eventTimestampUs,
        createdTimestampUs: record.timestampMs * 1_000,
        position: Number(record.offset),
      },
    };
  };
}

function hasMembers(key: unknown): key is object {
  return isObject(key) && !(key instanceof Uint8Array) && !isLogical(key);
}

/** The entity of a record's key, or why it tells none: an object with the join keys, or the only join key's value. */
function compileEntityOfKey(view: FeatureView, source: KafkaSource): (key: RecordKey) => unknown[] | string {
  const joinKeys = viewJoinKeys(view);
  const members = compileJoinKeys(view, source);
  // A key has seldom the shape of its value: the join key's own name will do.
  const named = members.map((member) => {
    const own = compileMember(member.name, joinKeys[member.name], { ...source, columns: {} });
    return { ...member, get: (object: object) => member.get(object) ?? own.get(object) };
  });
  const only = members.length === 1 ? members[0]! : undefined;
  const isText = only !== undefined && joinKeys[only.name]!.kind === "string";
  return (recordKey) => {
    if (members.length === 0) return [];
    if ("refused" in recordKey) return recordKey.refused;
    const { key, text } = recordKey;
    if (hasMembers(key)) {
      const entity = take(named, key, true);
      return typeof entity === "string" ? `the record's key: ${entity}` : entity;
    }
    const bare = isText && typeof key !== "string" ? text : key;
    if (only === undefined || bare === undefined || bare === null) {
      return `the record's key is ${shown(text ?? key)}, which does not hold ${members.map(({ name }) => `"${name}"`).join(", ")}`;
    }
    const value = only.convert === undefined ? bare : only.convert(bare);
    return value === REFUSED ? `the record's key: ${refusedMember(only, bare)}` : [value];
  };
}
