import avro from "avsc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { array, bytes, entity, featureView, float64, int64, kafkaSource, string, timestamp } from "../headgate.ts";
import { compileAvro } from "./avro.ts";
import { compileTopicDecoder } from "./decode.ts";
import { Decimal, EventTime, TimeOfDay } from "./logical-type.ts";
import { recordOf, rowOf } from "./test-fixtures/decode-one.ts";

type Field = { readonly name: string; readonly type: unknown };

const record = (fields: readonly Field[], name = "Event") => ({ type: "record", name, fields });
const schemaOf = (schema: unknown) => ({ id: 7, kind: "AVRO", text: JSON.stringify(schema), references: [] });

/** Longs beyond 2^53 can be written too. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint | number) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === "bigint" || Number.isSafeInteger(value),
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

function payloadOf(schema: unknown, value: unknown): Buffer {
  return avro.Type.forSchema(
    schema as avro.Schema,
    {
      wrapUnions: "auto",
      typeHook: (node: unknown) => ((node as { type?: unknown }).type === "long" || node === "long" ? LONG : undefined),
    } as object,
  ).toBuffer(value);
}

function read(schema: unknown, payload: Buffer): unknown {
  const outcome = compileAvro(schemaOf(schema))(payload);
  return "event" in outcome ? outcome.event : outcome.refused;
}

test("a long is exact to 64 bits", () => {
  const ofInt64 = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: -3, max: 3 })).map(([bits, off]) => {
      return BigInt.asIntN(64, 2n ** BigInt(bits) + BigInt(off));
    }),
    fc.maxSafeInteger().map(BigInt),
  );
  fc.assert(
    fc.property(ofInt64, (value) => {
      const decoded = read("long", payloadOf("long", value));
      expect(decoded).toBe(Number.isSafeInteger(Number(value)) ? Number(value) : value);
    }),
    { numRuns: 1_000 },
  );
});

const fixed = { type: "fixed", name: "Unscaled", size: 2 };

describe("values", () => {
  test.each([
    ["a float is the double of the same value", "float", 0.1, Math.fround(0.1)],
    ["NaN", "double", Number.NaN, Number.NaN],
    ["bytes", "bytes", Buffer.of(1, 2), Buffer.of(1, 2)],
    ["fixed", fixed, Buffer.of(1, 2), Buffer.of(1, 2)],
    ["an enum is its symbol", { type: "enum", name: "E", symbols: ["A", "B"] }, "B", "B"],
    ["a union's null", ["null", "long"], null, null],
    ["a union's value", ["null", "long"], 5, 5],
    ["a union of two kinds of number", ["null", "long", "double"], 1.5, 1.5],
    ["null of such a union", ["null", "long", "double"], null, null],
    [
      "a list of unions",
      { type: "array", items: ["int", "double", "string"] },
      [{ int: 1 }, { string: "a" }],
      [1, "a"],
    ],
    [
      "a union within a union's record",
      ["null", "string", record([{ name: "n", type: ["null", "long"] }], "Inner")],
      { n: 5 },
      { n: 5 },
    ],
    ["a map", { type: "map", values: "long" }, { a: 1 }, { a: 1 }],
    ["a time in ms", { type: "long", logicalType: "timestamp-millis" }, 5, new EventTime(5_000, false)],
    ["a time in µs", { type: "long", logicalType: "timestamp-micros" }, 2n ** 60n, new EventTime(2n ** 60n, false)],
    ["a time in ns", { type: "long", logicalType: "timestamp-nanos" }, -1n, new EventTime(-1, false)],
    ["a local time", { type: "long", logicalType: "local-timestamp-micros" }, 5, new EventTime(5, true)],
    ["a day", { type: "int", logicalType: "date" }, 1, new EventTime(86_400_000_000, true)],
    ["an optional time", ["null", { type: "long", logicalType: "timestamp-millis" }], 5, new EventTime(5_000, false)],
    ["a time of day", { type: "int", logicalType: "time-millis" }, 5, new TimeOfDay(5)],
    ["an exact one", { type: "long", logicalType: "time-micros" }, 2n ** 60n, new TimeOfDay(2n ** 60n)],
    [
      "a decimal",
      { type: "bytes", logicalType: "decimal", precision: 5, scale: 2 },
      Buffer.of(0xff, 0x85),
      new Decimal(-123n, 2),
    ],
    [
      "a decimal of fixed size",
      { ...fixed, logicalType: "decimal", precision: 4 },
      Buffer.of(0, 9),
      new Decimal(9n, 0),
    ],
    ["a logical type that there is not", { type: "long", logicalType: "moon-phase" }, 5, 5],
    [
      "a number of Debezium's",
      { type: "long", "connect.name": "io.debezium.time.MicroTimestamp" },
      5,
      new EventTime(5, true),
    ],
    [
      "one of Connect's",
      { type: "long", "connect.name": "org.apache.kafka.connect.data.Timestamp", logicalType: "timestamp-millis" },
      5,
      new EventTime(5_000, false),
    ],
  ])("%s", (_, type, value, expected) => {
    const schema = record([{ name: "value", type }]);
    const payload = payloadOf(schema, { value });
    const event = read(schema, payload) as { readonly value: unknown };
    if (expected instanceof Object && !Array.isArray(expected))
      expect(event.value).toEqual(expect.objectContaining({ ...expected }));
    else expect(event.value).toEqual(expected);
  });

  test("a schema that contains itself", () => {
    const node = record([
      { name: "at", type: "long" },
      { name: "next", type: ["null", "Event"] },
    ]);
    const payload = payloadOf(node, { at: 1, next: { at: 2, next: null } });
    expect(read(node, payload)).toMatchObject({ at: 1, next: { at: 2, next: null } });
  });
});

test.each([
  ["a payload that is cut", record([{ name: "a", type: "string" }]), Buffer.of(20, 1)],
  ["a payload that goes on", "long", Buffer.of(2, 2)],
  ["an empty payload", "long", Buffer.of()],
  ["a branch that there is not", ["null", "long"], Buffer.of(8)],
  ["a long without end", "long", Buffer.alloc(30, 0xff)],
])("%s is refused", (_, schema, payload) => {
  expect(read(schema, payload)).toMatch(/^does not fit its Avro schema, id 7: /);
});

test("a schema that is none is refused by its id", () => {
  expect(read({ type: "record", name: "Event" }, Buffer.of(0))).toMatch(/^has schema id 7, which can't be read: /);
  expect(compileAvro({ id: 7, kind: "PROTOBUF", text: "", references: [] })(Buffer.of(0))).toEqual({
    refused: "has schema id 7, which is PROTOBUF, not AVRO",
  });
});

describe("rows", () => {
  const customer = entity("customer", { joinKeys: { customer_id: int64() } });
  const micros = { type: "long", logicalType: "timestamp-micros" };
  const decimal = { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 };
  const order = record([
    { name: "customer_id", type: "long" },
    { name: "at", type: micros },
    { name: "day", type: { type: "int", logicalType: "date" } },
    { name: "price", type: decimal },
    { name: "count", type: { ...decimal, scale: 0 } },
    { name: "raw", type: "bytes" },
    { name: "tags", type: { type: "array", items: "string" } },
    { name: "shop", type: record([{ name: "city", type: ["null", "string"] }], "Shop") },
  ]);
  const value = {
    customer_id: 2n ** 60n,
    at: 1_700_000_000_000_001,
    day: 19_723,
    price: Buffer.of(1, 0),
    count: Buffer.of(12),
    raw: Buffer.of(9),
    tags: ["a", "b"],
    shop: { city: "Graz" },
  };
  const framed = (payload: Buffer) => Buffer.concat([Buffer.of(0, 0, 0, 0, 7), payload]);

  function decode(
    schema: unknown,
    fields: Parameters<typeof featureView>[1]["schema"],
    options: object,
    key: Buffer | null,
    bytesOfValue: Buffer | null,
  ) {
    const source = kafkaSource({
      topic: "t",
      timestampField: "at",
      format: "avro",
      timezone: "Europe/Vienna",
      ...options,
    });
    const view = featureView("v", { entities: [customer], schema: fields, stream: source });
    const decoder = compileTopicDecoder([{ view, source }], { schema: () => schemaOf(schema) });
    return rowOf((decoder.decode(recordOf(bytesOfValue, key)) as never[])[0]!);
  }

  test("fields by name, nested ones by path, logical types as what they mean", () => {
    const schema = {
      day: timestamp(),
      price: float64(),
      count: int64(),
      raw: bytes(),
      tags: array(string()),
      city: string(),
      gone: int64(),
    };
    const options = { columns: { city: "shop.city" } };
    expect(decode(order, schema, options, null, framed(payloadOf(order, value)))).toMatchObject({
      entity: [2n ** 60n],
      values: [(Date.UTC(2024, 0, 1) - 3_600_000) * 1_000, 2.56, 12, Buffer.of(9), ["a", "b"], "Graz", null],
      eventTimestampUs: 1_700_000_000_000_001,
    });
  });

  test.each([
    [{ at2: int64() }, { at2: "at" }, `"at2" (the event's "at") is a timestamp, not int64`],
    [{ p: int64() }, { p: "price" }, `"p" (the event's "price") is the decimal 256e-2, not int64`],
    [{ p: string() }, { p: "price" }, `"p" (the event's "price") is the decimal 256e-2, not string`],
  ])("what a logical type is not is refused", (schema, columns, sentence) => {
    expect(decode(order, schema, { columns }, null, framed(payloadOf(order, value)))).toEqual({ refused: sentence });
  });

  test("deletes by a framed key, a framed value alone, or a plain one", () => {
    const key = record([{ name: "customer_id", type: "long" }], "Key");
    const fields = { price: float64() };
    expect(decode(key, fields, {}, framed(payloadOf(key, { customer_id: 5 })), null)).toMatchObject({
      entity: [5],
      values: undefined,
    });
    expect(decode("long", fields, {}, framed(payloadOf("long", 6)), null)).toMatchObject({ entity: [6] });
    expect(decode("long", fields, {}, Buffer.from("7"), null)).toMatchObject({ entity: [7] });
  });

  test("Debezium's envelope", () => {
    const row = record(
      [
        { name: "customer_id", type: "long" },
        { name: "at", type: { type: "long", "connect.name": "io.debezium.time.MicroTimestamp" } },
      ],
      "Value",
    );
    const envelope = record(
      [
        { name: "before", type: ["null", row] },
        { name: "after", type: ["null", "Value"] },
        { name: "op", type: "string" },
      ],
      "Envelope",
    );
    const options = { envelope: "debezium" };
    const after = payloadOf(envelope, { before: null, after: { customer_id: 1, at: 3_600_000_005 }, op: "c" });
    expect(decode(envelope, { x: int64() }, options, null, framed(after))).toMatchObject({
      entity: [1],
      eventTimestampUs: 5,
    });
    const before = payloadOf(envelope, { before: { customer_id: 2, at: 0 }, after: null, op: "d" });
    expect(decode(envelope, { x: int64() }, options, null, framed(before))).toMatchObject({
      entity: [2],
      values: undefined,
    });
  });

  test("a value that is not framed", () => {
    expect(decode("long", { x: int64() }, {}, null, Buffer.from("{}"))).toMatchObject({
      refused: expect.stringMatching(/^the value is not framed for a schema registry: it begins with 0x7b7d/),
    });
  });
});
