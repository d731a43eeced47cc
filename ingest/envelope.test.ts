import { describe, expect, test } from "vitest";
import { entity, float64, int64, string, timestamp } from "../headgate.ts";
import {
  compileOne as compile,
  customer,
  NO_FEATURE,
  RECORD_MS,
  refusalOf,
  rowOf,
} from "./test-fixtures/decode-one.ts";

describe("deletes", () => {
  const place = entity("place", { joinKeys: { zip: string(), country: string() } });
  const word = entity("word", { joinKeys: { word: string() } });
  const deleted = {
    values: undefined,
    eventTimestampUs: RECORD_MS * 1_000,
    createdTimestampUs: RECORD_MS * 1_000,
    position: 42,
  };

  test.each([
    ["an object", [customer], { customer_id: 17, other: 1 }, [17]],
    ["the bare value", [customer], "17", [17]],
    ["an integer past 2^53", [customer], "9007199254740993", [9007199254740993n]],
    ["join keys in the order of their names", [place], { zip: "1010", country: "at" }, ["at", "1010"]],
    ["a JSON text", [word], `"gate"`, ["gate"]],
    ["a plain text", [word], "gate", ["gate"]],
    ["a plain text that looks like a number", [word], "17", ["17"]],
    ["an object with a text", [word], { word: "17" }, ["17"]],
    ["nothing that matters, for a view without entities", [], "x", []],
  ])("by a key that is %s", (_, entities, key, values) => {
    expect(rowOf(compile(NO_FEATURE, {}, entities)(null, key))).toEqual({ ...deleted, entity: values });
  });

  test("a renamed join key is found by either name", () => {
    const decode = compile(NO_FEATURE, { columns: { customer_id: "user.id" } });
    expect(rowOf(decode(null, { user: { id: 3 } }))).toMatchObject({ entity: [3] });
    expect(rowOf(decode(null, { customer_id: 4 }))).toMatchObject({ entity: [4] });
  });

  test.each([
    ["no key", null, /neither a value nor a key/],
    ["a key without the join key", { id: 1 }, /^the record's key: "customer_id" is missing$/],
    ["a text that is no JSON", "abc", /^the record's key is "abc", which does not hold "customer_id"$/],
    ["a null", "null", /^the record's key is "null", which/],
    ["bytes", Buffer.of(0xff), /^the record's key is undefined, which|does not hold "customer_id"$/],
  ])("%s is refused", (_, key, sentence) => {
    expect(refusalOf(compile(NO_FEATURE)(null, key))).toMatch(sentence);
  });

  test("a bare value can't be two join keys", () => {
    expect(refusalOf(compile(NO_FEATURE, {}, [place])(null, "1010"))).toMatch(/does not hold "country", "zip"$/);
  });
});

describe("Debezium", () => {
  const decode = compile({ total: float64(), paid: timestamp() }, { envelope: "debezium", timezone: "Europe/Vienna" });
  const after = { customer_id: 1, event_ts: 1_000, total: 2 };

  test.each(["c", "r", "u", undefined])("op %s: the row is after", (op) => {
    expect(rowOf(decode({ before: null, after, op }))).toMatchObject({
      entity: [1],
      values: [2, null],
      eventTimestampUs: 1_000_000,
    });
    expect(rowOf(decode({ schema: NO_FEATURE, payload: { after, op } }))).toMatchObject({ entity: [1] });
  });

  test("numbers are what the schema of the envelope says", () => {
    const field = (name: string, schemaName?: string, parameters?: object) => ({
      field: name,
      name: schemaName,
      parameters,
    });
    const row = {
      field: "after",
      fields: [
        field("customer_id"),
        field("event_ts", "io.debezium.time.MicroTimestamp"),
        field("total", "org.apache.kafka.connect.data.Decimal", { scale: "2" }),
        field("paid", "io.debezium.time.ZonedTimestamp"),
      ],
    };
    const payload = {
      op: "u",
      after: { customer_id: 1, event_ts: 1_719_835_200_000_001, total: "MDk=", paid: "2024-07-01T12:00:00.1Z" },
    };
    expect(rowOf(decode({ schema: { fields: [row] }, payload }))).toMatchObject({
      values: [123.45, Date.UTC(2024, 6, 1, 12) * 1_000 + 100_000],
      // Of a column without a zone, so it is the source's.
      eventTimestampUs: Date.UTC(2024, 6, 1, 10) * 1_000 + 1_000_001 - 1_000_000,
    });
  });

  test("a time of day is no timestamp, but its number may be a feature", () => {
    const timed = compile({ paid: timestamp(), opens: int64(), opened: float64() }, { envelope: "debezium" });
    const fields = ["paid", "opens", "opened"].map((field) => ({ field, name: "io.debezium.time.MicroTime" }));
    const eventOf = (row: object) => ({
      schema: { fields: [{ field: "after", fields }] },
      payload: { op: "c", after: { customer_id: 1, event_ts: 0, ...row } },
    });
    expect(rowOf(timed(eventOf({ opens: 36_000_000_000, opened: 5 })))).toMatchObject({
      values: [null, 36_000_000_000, 5],
    });
    expect(refusalOf(timed(eventOf({ paid: 36_000_000_000 })))).toBe(`"paid" is a time of day, not timestamp`);
  });

  test("a delete whose row a map can't take is its key's", () => {
    const map = ({ id }: { id?: number }) => ({ customer_id: id!.toFixed(), event_ts: 0 });
    const mapped = compile(NO_FEATURE, { envelope: "debezium", map: map as never });
    expect(rowOf(mapped({ op: "d", before: {} }, { customer_id: 4 }))).toMatchObject({ entity: [4] });
  });

  test("a delete is dated by the database, and takes the key's entity first", () => {
    const before = { customer_id: 0, event_ts: 0 };
    const envelope = { op: "d", before, after: null, source: { ts_ms: 5_000 } };
    expect(rowOf(decode(envelope, { schema: NO_FEATURE, payload: { customer_id: 8 } }))).toEqual({
      entity: [8],
      values: undefined,
      eventTimestampUs: 5_000_999,
      createdTimestampUs: RECORD_MS * 1_000,
      position: 42,
    });
    expect(rowOf(decode(envelope, { id: 8 }))).toMatchObject({ entity: [0] });
    expect(rowOf(decode(envelope))).toMatchObject({ entity: [0] });
    const exact = { ...envelope, source: { ts_ms: 5_000, ts_us: 5_000_123 } };
    expect(rowOf(decode(exact))).toMatchObject({ eventTimestampUs: 5_000_123 });
  });

  test("a delete is never older than the row that it deletes, nor without a time", () => {
    const before = { customer_id: 3, event_ts: 9_000 };
    expect(rowOf(decode({ op: "d", before, source: { ts_ms: 5_000 } }))).toMatchObject({ eventTimestampUs: 9_000_000 });
    expect(rowOf(decode({ op: "d", before }))).toMatchObject({ eventTimestampUs: RECORD_MS * 1_000 });
    expect(rowOf(decode({ op: "u", before, after: null }))).toMatchObject({ entity: [3], values: undefined });
  });

  test("a record without value deletes as everywhere", () => {
    const expected = { entity: [5], values: undefined, eventTimestampUs: RECORD_MS * 1_000 };
    expect(rowOf(decode(null, { schema: NO_FEATURE, payload: { customer_id: 5 } }))).toMatchObject(expected);
    expect(rowOf(decode({ schema: null, payload: null }, { customer_id: 5 }))).toMatchObject(expected);
  });

  test.each([
    ["a message", { op: "m" }, { skipped: true }],
    ["a truncate", { op: "t" }, { refused: expect.stringMatching(/truncated/) }],
    ["an op that there is not", { op: "x", after }, { refused: expect.stringMatching(/^op is "x"; /) }],
    ["a plain row", after, { refused: expect.stringMatching(/^op is undefined; /) }],
    ["no object", [1], { refused: expect.stringMatching(/^the event is a list/) }],
    ["an after that is no row", { op: "c", after: 5 }, { refused: `"after" is 5, not an object` }],
    ["a delete of nobody", { op: "d", before: null }, { refused: "the record has neither a value nor a key" }],
  ])("%s", (_, value, outcome) => {
    expect(decode(value)).toEqual(outcome);
  });

  test("a map gets the row, also of a delete", () => {
    const map = (({ id, at }: { id: number; at: number }) =>
      id < 0 ? null : { customer_id: id, event_ts: at }) as never;
    const mapped = compile(NO_FEATURE, { envelope: "debezium", map });
    expect(rowOf(mapped({ op: "c", after: { id: 4, at: 1 } }))).toMatchObject({ entity: [4], eventTimestampUs: 1_000 });
    expect(rowOf(mapped({ op: "d", before: { id: 4, at: 1 } }, { id: 4 }))).toMatchObject({
      entity: [4],
      values: undefined,
    });
    expect(mapped({ op: "d", before: { id: -4, at: 1 } })).toEqual({ skipped: true });
  });
});
