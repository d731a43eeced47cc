import { describe, expect, test } from "vitest";
import { compileAccept, REFUSED } from "../features/field.ts";
import {
  array,
  bool,
  bytes,
  featureView,
  float32,
  float64,
  int32,
  int64,
  kafkaSource,
  string,
  timestamp,
} from "../headgate.ts";
import { compileTopicDecoder, type DecodedEvent } from "./decode.ts";
import {
  compileOne as compile,
  customer,
  NO_FEATURE,
  RECORD_MS,
  recordOf,
  refusalOf,
  rowOf,
} from "./test-fixtures/decode-one.ts";

const EVENT_US = 1_700_000_000_000_000;

describe("JSON", () => {
  test("an event is a row; what the view does not name is left out", () => {
    const decode = compile({ orders: int64(), aov: float32() }, { createdField: "made" });
    const event = {
      extra: [1],
      aov: 1.5,
      orders: 3,
      customer_id: 17,
      event_ts: EVENT_US / 1e3,
      made: "2023-11-14T22:13:20.25Z",
    };
    expect(rowOf(decode(event))).toEqual({
      entity: [17],
      values: [3, 1.5],
      eventTimestampUs: EVENT_US,
      createdTimestampUs: EVENT_US + 250_000,
      position: 42,
    });
  });

  test("the record's timestamp is the created one where the event has none", () => {
    for (const options of [{}, { createdField: "made" }]) {
      const decode = compile({ orders: int64() }, options);
      expect(rowOf(decode({ customer_id: 1, event_ts: 0, made: null }))).toMatchObject({
        createdTimestampUs: RECORD_MS * 1_000,
      });
    }
  });

  test.each([
    ["an integer past 2^53", int64(), "9007199254740993", 9007199254740993n],
    ["one of 16 digits", int64(), "8999999999999999", 8999999999999999],
    ["a float", float64(), "0.1", 0.1],
    ["an integer for a float", float64(), "18446744073709551616", 2 ** 64],
    ["a number that is none", float64(), `"NaN"`, Number.NaN],
    ["infinity", float32(), `"-Infinity"`, Number.NEGATIVE_INFINITY],
    ["a text", string(), `"17"`, "17"],
    ["a bool", bool(), "true", true],
    ["bytes", bytes(), `"AQI="`, new Uint8Array([1, 2])],
    ["a time in text", timestamp(), `"2023-11-14T22:13:20.000001Z"`, EVENT_US + 1],
    ["a time in a number", timestamp(), "1700000000000", EVENT_US],
    ["a list", array(float64()), `[1,null,"NaN"]`, [1, null, Number.NaN]],
    ["a list of times", array(timestamp()), `["1970-01-01", 1]`, [0, 1_000]],
    ["a fraction for a float that a double rounds", float64(), "4503599627370497.2", 4503599627370497],
    ["an integer with a point", int64(), "4503599627370497.0", 4503599627370497],
    ["null", int32(), "null", null],
  ])("%s", (_, type, json, value) => {
    const decode = compile({ feature: type });
    expect(rowOf(decode(`{"customer_id":1,"event_ts":0,"feature":${json}}`))).toMatchObject({ values: [value] });
  });

  test("an absent feature is null", () => {
    expect(rowOf(compile({ a: int64(), b: string() })({ customer_id: 1, event_ts: 0 }))).toMatchObject({
      values: [null, null],
    });
  });

  test.each([
    ["no JSON", "{customer_id", /^the value is not JSON: /],
    ["nothing", "", /^the value is not JSON: /],
    ["bytes that are not UTF-8", Buffer.of(0x22, 0xff, 0x22), /^the value is not JSON: its bytes are not UTF-8$/],
    ["no object", "[1]", /^the event is a list of 1, not an object$/],
    ["null as JSON", "null", /^the event is null, not an object$/],
    ["no join key", { event_ts: 0 }, /^"customer_id" is missing$/],
    ["a join key of null", { customer_id: null, event_ts: 0 }, /^"customer_id" is null, not int64$/],
    ["no timestamp", { customer_id: 1 }, /^the timestamp "event_ts" is missing$/],
    ["a timestamp of null", { customer_id: 1, event_ts: null }, /^"event_ts" is null; a timestamp is RFC 3339/],
    ["a fraction of a unit", { customer_id: 1, event_ts: 1.5 }, /^"event_ts" is 1.5; .* whole milliseconds/],
    ["a text that is no time", { customer_id: 1, event_ts: "2023-02-30" }, /^"event_ts" is "2023-02-30"; /],
    ["a number as text", { customer_id: 1, event_ts: "1700000000000" }, /^"event_ts" is "1700000000000"; /],
    ["a bool", { customer_id: 1, event_ts: true }, /^"event_ts" is true; /],
    ["bytes that are no base64", { customer_id: 1, event_ts: 0, raw: "?" }, /^"raw" is "\?", not bytes$/],
    ["a text for a time", { customer_id: 1, event_ts: 0, seen: "soon" }, /^"seen" is "soon", not timestamp$/],
    ["half a millisecond", { customer_id: 1, event_ts: 0, seen: 0.5 }, /^"seen" is 0.5, not timestamp$/],
    [
      "a float past every double",
      { customer_id: 1, event_ts: 0 },
      /^"total" is Infinity, not float64$/,
      `"total":1e400`,
    ],
    ["created that is no time", { customer_id: 1, event_ts: 0, made: {} }, /^"made" is an object; /],
  ])("%s is refused", (_, value, sentence, member?: string) => {
    const decode = compile({ raw: bytes(), seen: timestamp(), total: float64() }, { createdField: "made" });
    const event = member === undefined ? value : JSON.stringify(value).replace("}", `,${member}}`);
    expect(refusalOf(decode(event))).toMatch(sentence);
  });

  test("a fraction that a double rounds to a whole number is none for the writer either", async () => {
    const values = rowOf(compile({ a: int64() })(`{"customer_id":1,"event_ts":0,"a":4503599627370497.2}`));
    expect("values" in values && compileAccept(int64())(values.values![0])).toBe(REFUSED);
  });

  test("Debezium's placeholder is no value, whatever the type, and the sentence says what to do", () => {
    const placeholder = "__debezium_unavailable_value";
    const decode = compile({ a: string(), b: bytes(), c: array(string()), d: int64() });
    const base64 = Buffer.from(placeholder).toString("base64");
    for (const member of [{ a: placeholder }, { b: base64 }, { c: [placeholder] }, { d: placeholder }]) {
      const name = Object.keys(member)[0]!;
      expect(refusalOf(decode({ customer_id: 1, event_ts: 0, ...member }))).toMatch(
        new RegExp(`^"${name}" is Debezium's placeholder .* REPLICA IDENTITY FULL`),
      );
    }
    expect(rowOf(decode({ customer_id: 1, event_ts: 0, a: `${placeholder}s` }))).toMatchObject({ entity: [1] });
  });

  test("what the writer's check is for passes as it is", () => {
    const decode = compile({ orders: int64() });
    for (const orders of ["7", 1.5, true, { a: 1 }]) {
      expect(rowOf(decode({ customer_id: "1", event_ts: 0, orders }))).toMatchObject({
        entity: ["1"],
        values: [orders],
      });
    }
  });

  test("a member that every object inherits is only there when the event has it", () => {
    const decode = compile({ a: int64() }, { columns: { a: "constructor" }, timestampField: "valueOf" });
    expect(refusalOf(decode({ customer_id: 1 }))).toBe(`the timestamp "valueOf" is missing`);
    expect(rowOf(decode({ customer_id: 1, valueOf: 0 }))).toMatchObject({ values: [null] });
    expect(rowOf(decode({ customer_id: 1, valueOf: 0, constructor: 5 }))).toMatchObject({ values: [5] });
  });
});

describe("timestamps", () => {
  test.each([
    ["s", 1_700_000_000, EVENT_US],
    ["ms", 1_700_000_000_000, EVENT_US],
    ["us", 1_700_000_000_000_001, EVENT_US + 1],
    ["ns", 1_700_000_000_000_001_999n, EVENT_US + 1],
    ["ns", -1, -1],
    ["ns", -1_000, -1],
    ["s", -1, -1_000_000],
  ] as const)("%s", (timestampUnit, value, us) => {
    const decode = compile({ seen: timestamp() }, { timestampUnit });
    const decoded = decode(`{"customer_id":1,"event_ts":${value},"seen":${value}}`);
    expect(rowOf(decoded)).toMatchObject({ eventTimestampUs: us, values: [us] });
  });

  test.each([
    ["UTC", "2024-07-01T12:00:00", "2024-07-01T12:00:00Z"],
    ["Europe/Vienna", "2024-07-01T12:00:00.5", "2024-07-01T10:00:00.5Z"],
    ["Europe/Vienna", "2024-01-01 12:00:00", "2024-01-01T11:00:00Z"],
    ["Europe/Vienna", "2024-07-01", "2024-06-30T22:00:00Z"],
    ["Europe/Vienna", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"],
    ["Europe/Vienna", "2024-07-01T12:00:00+05:45", "2024-07-01T06:15:00Z"],
    ["Europe/Vienna", "2024-07-01T12:00", "2024-07-01T10:00:00Z"],
  ])("in %s %s is %s", (timezone, text, utc) => {
    const decode = compile(NO_FEATURE, { timezone });
    const expected = Date.parse(utc) * 1_000;
    expect(rowOf(decode({ customer_id: 1, event_ts: text }))).toMatchObject({ eventTimestampUs: expected });
  });
});

describe("several views of one topic", () => {
  test("each takes its own of an event that is parsed once", () => {
    let maps = 0;
    const sources = [
      kafkaSource({ topic: "t", timestampField: "event_ts" }),
      kafkaSource({ topic: "t", timestampField: "event_ts", map: (() => void maps++) as never }),
      kafkaSource({ topic: "t", timestampField: "at", envelope: "debezium" }),
    ];
    const subscriptions = sources.map((source, i) => ({
      source,
      view: featureView(`v${i}`, { entities: [customer], schema: { a: int64() }, stream: source }),
    }));
    const decoder = compileTopicDecoder(subscriptions, undefined);
    expect(decoder.decode(recordOf({ customer_id: 1, event_ts: 0, a: 3 }))).toMatchObject([
      { row: { values: [3] } },
      { skipped: true },
      { refused: expect.stringMatching(/^op is/) },
    ]);
    expect(maps).toBe(1);
  });

  test("a map that writes to its event writes to its own", () => {
    const take = ({ a }: { a?: number }) => ({ customer_id: 1, event_ts: 0, a });
    const doubling = (event: { a: number }) => {
      event.a *= 2;
      return take(event);
    };
    const maps = [doubling, undefined, doubling, take];
    const subscriptions = maps.map((map, i) => {
      const source = kafkaSource({ topic: "t", timestampField: "event_ts", map: map as never });
      return { source, view: featureView(`v${i}`, { entities: [customer], schema: { a: int64() }, stream: source }) };
    });
    const decoded = compileTopicDecoder(subscriptions, undefined).decode(
      recordOf({ customer_id: 1, event_ts: 0, a: 3 }),
    ) as readonly DecodedEvent[];
    expect(decoded.map((one) => (rowOf(one) as { values: unknown }).values)).toEqual([[6], [3], [6], [3]]);
  });

  test("Avro without a schema registry is refused at load", () => {
    const source = kafkaSource({ topic: "t", timestampField: "event_ts", format: "avro" });
    const view = featureView("v", { entities: [customer], schema: NO_FEATURE, stream: source });
    expect(() => compileTopicDecoder([{ view, source }], undefined)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("schemaRegistry") }),
    );
  });

  test("JSON Schema needs none, but its frame", () => {
    const decode = compile(NO_FEATURE, { format: "json-schema" });
    const json = Buffer.from(`{"customer_id":1,"event_ts":0}`);
    expect(rowOf(decode(Buffer.concat([Buffer.of(0, 0, 0, 0, 9), json])))).toMatchObject({ entity: [1] });
    expect(refusalOf(decode(json))).toMatch(/^the value is not framed for a schema registry: it begins with 0x7b/);
    expect(rowOf(decode(null, Buffer.concat([Buffer.of(0, 0, 0, 0, 9), Buffer.from("7")])))).toMatchObject({
      entity: [7],
    });
    expect(rowOf(decode(null, "7"))).toMatchObject({ entity: [7] });
  });
});
