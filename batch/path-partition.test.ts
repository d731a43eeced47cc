import { expect, test } from "vitest";
import type { FieldType, ScalarKind } from "../features/field.ts";
import { compileLocalToUtc } from "../features/local-time.ts";
import { partitionValue, pathPartitions } from "./path-partition.ts";

const of = (kind: ScalarKind, list = false): FieldType => ({ kind, list });
const utc = compileLocalToUtc("UTC");
const value = (text: string | null, type: FieldType, toUtc = utc) => partitionValue("f", ["p", text], type, toUtc);

test("folders that are name=value are partitions, decoded; the file's own name is none", () => {
  const path =
    "s3://bucket/a=b=c/dt=2026-11-01/ts=2026-11-01 05%3A00%3A00/city=M%C3%BCnchen/x=__HIVE_DEFAULT_PARTITION__/50%/=1/y=/part=0.parquet";
  expect([...pathPartitions(path)]).toEqual([
    ["a", "b=c"],
    ["dt", "2026-11-01"],
    ["ts", "2026-11-01 05:00:00"],
    ["city", "München"],
    ["x", null],
    ["y", ""],
  ]);
  expect(pathPartitions("dt=1/dt=2/p%q=100%/f.parquet")).toEqual(
    new Map([
      ["dt", "2"],
      ["p%q", "100%"],
    ]),
  );
});

test.each<[string, FieldType, unknown]>([
  ["05", of("int64"), 5],
  ["-7", of("int32"), -7],
  ["9223372036854775807", of("int64"), 9223372036854775807n],
  ["005", of("string"), "005"],
  ["", of("string"), ""],
  ["true", of("bool"), true],
  ["2026-11-01", of("timestamp"), Date.UTC(2026, 10, 1) * 1_000],
  ["2026-11-01 05:06:07.123456", of("timestamp"), Date.UTC(2026, 10, 1, 5, 6, 7) * 1_000 + 123_456],
  ["2026-11-01T05:00:00+02:00", of("timestamp"), Date.UTC(2026, 10, 1, 3) * 1_000],
])("%s is taken", (text, type, taken) => expect(value(text, type)).toBe(taken));

test.each<[string, FieldType]>([
  ["1.0", of("int64")],
  ["9223372036854775808", of("int64")],
  ["2147483648", of("int32")],
  ["", of("int64")],
  ["TRUE", of("bool")],
  ["2026-02-30", of("timestamp")],
  ["1.5", of("float64")],
  ["ab", of("bytes")],
  ["1", of("int64", true)],
])("%s is refused with the way out", (text, type) => {
  expect(() => value(text, type)).toThrow(
    /^f: the folder gives "p" the value ".*", which .* can't take; declare string/,
  );
});

test("null is null of any type, and a time without zone is the source's zone's", () => {
  expect(value(null, of("int64"))).toBeNull();
  expect(value("2026-07-01", of("timestamp"), compileLocalToUtc("Europe/Berlin"))).toBe(
    Date.UTC(2026, 5, 30, 22) * 1_000,
  );
  expect(value("2026-07-01T00:00:00Z", of("timestamp"), compileLocalToUtc("Europe/Berlin"))).toBe(
    Date.UTC(2026, 6, 1) * 1_000,
  );
});
