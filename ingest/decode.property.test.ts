import fc from "fast-check";
import { expect, test } from "vitest";
import { writeJson } from "../features/json-value.ts";
import { EARLIEST_EVENT_US, formatTimestampUs, LATEST_EVENT_US, parseTimestampUs } from "../features/timestamp.ts";
import { float64, int64, string, timestamp } from "../headgate.ts";
import { compileOne, rowOf } from "./test-fixtures/decode-one.ts";

const ofInt64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const ofUs = fc.integer({ min: EARLIEST_EVENT_US, max: LATEST_EVENT_US - 1 });
const schema = { whole: int64(), real: float64(), text: string(), seen: timestamp() };
const decode = compileOne(schema);

test("JSON keeps every int64, double and text", () => {
  fc.assert(
    fc.property(ofInt64, ofInt64, fc.double(), fc.string({ unit: "grapheme" }), (id, whole, real, text) => {
      const row = rowOf(decode(writeJson({ customer_id: id, event_ts: 0, whole, real, text }))) as never;
      const [key] = (row as { entity: (number | bigint)[] }).entity;
      const values = (row as { values: unknown[] }).values;
      expect(BigInt(key!)).toBe(id);
      expect(BigInt(values[0] as number)).toBe(whole);
      expect(values[1]).toBe(real);
      expect(values[2]).toBe(text);
    }),
  );
});

test("a time keeps every microsecond, in text and in numbers of any unit", () => {
  const decoders = (["s", "ms", "us", "ns"] as const).map((timestampUnit) => compileOne(schema, { timestampUnit }));
  const factors = [1_000_000n, 1_000n, 1n];
  fc.assert(
    fc.property(ofUs, fc.integer({ min: 0, max: 999 }), (us, ns) => {
      const text = formatTimestampUs(us);
      expect(rowOf(decode({ customer_id: 1, event_ts: text, seen: text }))).toMatchObject({
        eventTimestampUs: us,
        values: [null, null, null, us],
      });
      const written = factors.map((factor) => BigInt(us) / factor);
      for (const [i, number] of written.entries()) {
        const expected = Number(number * factors[i]!);
        expect(rowOf(decoders[i]!(`{"customer_id":1,"event_ts":${number}}`))).toMatchObject({
          eventTimestampUs: expected,
        });
      }
      // Nanoseconds are floored, before 1970 as well.
      const inNs = BigInt(us) * 1_000n + BigInt(ns);
      expect(rowOf(decoders[3]!(`{"customer_id":1,"event_ts":${inNs}}`))).toMatchObject({ eventTimestampUs: us });
    }),
  );
});

test("the quick reading of a text is that of the general parser", () => {
  const two = fc.integer({ min: 0, max: 99 }).map((n) => String(n).padStart(2, "0"));
  const near = fc.record({
    year: fc.integer({ min: 1890, max: 2210 }).map(String),
    month: fc.integer({ min: 0, max: 13 }).map((n) => String(n).padStart(2, "0")),
    day: fc.integer({ min: 0, max: 32 }).map((n) => String(n).padStart(2, "0")),
    hour: fc.oneof(two, fc.integer({ min: 10, max: 25 }).map(String)),
    minute: fc.oneof(two, fc.constant("59")),
    separator: fc.constantFrom("T", " ", "t", ""),
    fraction: fc.oneof(fc.constant(""), fc.constant("."), fc.stringMatching(/^\.\d{1,10}$/)),
    zone: fc.constantFrom("", "Z", "z", "+02:00", "-11:30", "Zz", "X"),
  });
  fc.assert(
    fc.property(near, ({ year, month, day, hour, minute, separator, fraction, zone }) => {
      const text = `${year}-${month}-${day}${separator}${hour}:${minute}:${minute}${fraction}${zone}`;
      const expected = parseTimestampUs(text);
      const decoded = rowOf(decode({ customer_id: 1, event_ts: text }));
      if (expected === undefined) expect(decoded).toHaveProperty("refused");
      else expect(decoded).toMatchObject({ eventTimestampUs: expected });
    }),
    { numRuns: 2_000 },
  );
});

test("nothing that a record holds makes it throw", () => {
  const decoders = [
    decode,
    compileOne(schema, { envelope: "debezium" }),
    compileOne(schema, { format: "json-schema", columns: { whole: "a.b" } }),
  ];
  const bytes = fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each));
  const json = fc.json().map((text) => Buffer.from(text));
  const key = fc.option(fc.oneof(bytes, json));
  fc.assert(
    fc.property(fc.option(fc.oneof(bytes, json)), key, (value, itsKey) => {
      for (const each of decoders) {
        const decoded = each(value, itsKey);
        expect("row" in decoded || "refused" in decoded || "skipped" in decoded).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
