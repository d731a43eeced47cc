import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  array,
  bool,
  bytes,
  type FeatureValue,
  type FieldType,
  float32,
  float64,
  int32,
  int64,
  REFUSED,
  string,
  timestamp,
} from "../field.ts";
import { checkFeastDefinitions, earlyKeyExpiry } from "./feast-definitions.ts";
import { featureField, murmur3 } from "./feast-field.ts";
import { compileFeastKeys } from "./feast-key.ts";
import { decodeFeastTime, encodeFeastTime, encodeMarkedTime } from "./feast-timestamp.ts";
import { compileFeastValues } from "./feast-value.ts";

// All hex here was written by Feast 0.67.0 itself.

const hex = (text: string) => Buffer.from(text, "latin1").toString("hex");
const binary = (text: string) => Buffer.from(text, "hex").toString("latin1");

describe("a key", () => {
  const CUSTOMER = "01000000020000000b000000637573746f6d65725f6964";
  it.each([
    [{ customer_id: int64() }, "customer_id=1001", `${CUSTOMER}0400000008000000e90300000000000073686f70`],
    [
      { customer_id: int64() },
      "customer_id=-9223372036854775808",
      `${CUSTOMER}0400000008000000000000000000008073686f70`,
    ],
    [{ customer_id: int64() }, "customer_id=9007199254740993", `${CUSTOMER}0400000008000000010000000000200073686f70`],
    [{ customer_id: int32() }, "customer_id=-5", `${CUSTOMER}0300000004000000fbffffff73686f70`],
    [
      { customer_id: string() },
      "customer_id=J%C3%BCrgen%20%2F",
      `${CUSTOMER}02000000090000004ac3bc7267656e202f73686f70`,
    ],
    [{ customer_id: bytes() }, "customer_id=AP97", `${CUSTOMER}010000000300000000ff7b73686f70`],
    [
      { customer_id: timestamp() },
      "customer_id=1700000000000000",
      `${CUSTOMER}080000000800000000f153650000000073686f70`,
    ],
    [
      { zone_id: string(), Area: int64() },
      "Area=7&zone_id=z",
      "0200000002000000040000004172656102000000070000007a6f6e655f69640400000008000000070000000000000002000000010000007a73686f70",
    ],
    [{}, "", "01000000020000000a0000005f5f64756d6d795f6964020000000000000073686f70"],
  ])("of %j is Feast's, and back: %s", (joinKeys, key, expected) => {
    const keys = compileFeastKeys(joinKeys, "shop");
    expect(hex(keys.keyOf(key)!)).toBe(expected);
    expect(keys.entityKeyOf(binary(expected))).toBe(key);
    expect(binary(expected).startsWith(keys.prefix)).toBe(true);
  });

  const keys = compileFeastKeys({ customer_id: int64() }, "shop");
  const whole = keys.keyOf("customer_id=1001")!;
  it.each([
    ["of another project", `${whole}2`],
    [
      "of a project whose name ends alike",
      compileFeastKeys({ customer_id: int64() }, "myshop").keyOf("customer_id=1001")!,
    ],
    ["of another type", compileFeastKeys({ customer_id: string() }, "shop").keyOf("customer_id=1001")!],
    ["of other join keys", compileFeastKeys({ id: int64() }, "shop").keyOf("id=1001")!],
    ["cut off", whole.slice(0, 30)],
    ["whose value is longer than it", whole.replace("\x08\0\0\0", "\xff\xff\xff\xff")],
    ["that is ours", "shop:customer_id=1001"],
  ])("%s is none of the view's", (_, key) => {
    expect(keys.entityKeyOf(key)).toBeUndefined();
  });

  it("is not made of a part of a second, nor of a text that is no key of these join keys", () => {
    const at = compileFeastKeys({ at: timestamp() }, "shop");
    expect(at.keyOf("at=1700000000000001")).toBeUndefined();
    expect(keys.keyOf("id=1001")).toBeUndefined();
    for (const text of ["abc", "", "007", "-0", "1.5", "%31", "9223372036854775808"])
      expect(keys.keyOf(`customer_id=${text}`), text).toBeUndefined();
    const narrow = compileFeastKeys({ id: int32() }, "shop");
    expect(hex(narrow.keyOf("id=-2147483648")!)).toContain("030000000400000000000080");
    expect(narrow.keyOf("id=2147483648")).toBeUndefined();
  });
});

it.each([
  ["a", "b269253c"],
  ["", "00000000"],
  ["driver_stats:conv_rate", "fa731014"],
  ["v:abc", "a8e52e41"],
  ["view:füü", "ff513946"],
])("hashes %j as Feast does", (text, expected) => {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(murmur3(Buffer.from(text)));
  expect(field.toString("hex")).toBe(expected);
  const [view, feature] = text.split(":");
  if (feature !== undefined) expect(hex(featureField(view!, feature))).toBe(expected);
});

it.each([
  [0, ""],
  [1_700_000_000_000_000, "0880e2cfaa06"],
  [1_700_000_000_000_001, "0880e2cfaa0610e807"],
  [-1, "08ffffffffffffffffff0110988cebdc03"],
  [-2_000_000, "08feffffffffffffffff01"],
])("writes the time %i µs as Feast does", (timestampUs, expected) => {
  expect(Buffer.from(encodeFeastTime(timestampUs)).toString("hex")).toBe(expected);
  expect(decodeFeastTime(Buffer.from(expected, "hex"))).toEqual({ timestampUs, isMarked: false });
  const marked = Buffer.from(encodeMarkedTime(timestampUs));
  expect(marked.toString("hex")).toBe(`1000${expected}`);
  expect(decodeFeastTime(marked)).toEqual({ timestampUs, isMarked: true });
  // What any reader of protobuf makes of it.
  const read = toBinary(TimestampSchema, fromBinary(TimestampSchema, marked));
  expect(Buffer.from(read).toString("hex")).toBe(expected);
});

it("floors a time of nanoseconds, and reads none out of other bytes", () => {
  const time = (text: string) => decodeFeastTime(Buffer.from(text, "hex"));
  expect(time("1001")).toEqual({ timestampUs: 0, isMarked: false });
  for (const text of ["08", "0880", "1801", "08ffffffffffffffff7f", "10ffffffffffffffffff01"])
    expect(time(text)).toBeUndefined();
});

const VALUES: [keyof typeof TYPES, FeatureValue, string][] = [
  ["int32", -1, "18ffffffffffffffffff01"],
  ["int64", 2n ** 63n - 1n, "20ffffffffffffffff7f"],
  ["int64", -(2n ** 63n), "2080808080808080808001"],
  ["int64", 0, "2000"],
  ["float64", 0.1, "299a9999999999b93f"],
  ["float32", 1.5, "350000c03f"],
  ["bool", false, "3800"],
  ["timestamp", 1_700_000_000_000_000, "4080e2cfaa06"],
  ["timestamp", null, "4080808080808080808001"],
  ["string", "", "1200"],
  ["string", null, ""],
  ["bytes", Uint8Array.of(1), "0a0101"],
  ["int64s", [1, -1], "720d0a0b01ffffffffffffffffff01"],
  ["strings", ["", "é"], "62060a000a02c3a9"],
  ["strings", [], "6200"],
  ["timestamps", [5_000_000, null], "92010d0a0b0580808080808080808001"],
  ["float32s", [1.5], "8201060a040000c03f"],
  ["float64s", [0.5], "7a0a0a08000000000000e03f"],
  ["bools", [true, false], "8a01040a020100"],
  ["bytess", [Uint8Array.of(0x61)], "5a030a0161"],
  ["int32s", [-2], "6a0c0a0afeffffffffffffffff01"],
];
const scalars = {
  ...{ int32: int32(), int64: int64(), float32: float32(), float64: float64() },
  ...{ string: string(), bool: bool(), bytes: bytes(), timestamp: timestamp() },
};
const lists = Object.fromEntries(Object.entries(scalars).map(([name, type]) => [`${name}s`, array(type as FieldType)]));
const TYPES = { ...scalars, ...lists } as Record<string, FieldType>;

it.each(VALUES)("writes and reads a value of %s as Feast does: %#", (type, value, expected) => {
  const values = compileFeastValues(TYPES[type]!);
  expect(Buffer.from(values.encode(value)).toString("hex")).toBe(expected);
  const read = values.decode(Buffer.from(expected, "hex"));
  expect(normal(read)).toEqual(normal(value));
});

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  return value instanceof Uint8Array ? [...value] : value;
}

it.each([
  ["int64", "1805", 5],
  ["float64", "2005", 5],
  ["float32", "2005", 5],
  ["float64", "350000c03f", 1.5],
  ["float32", "29000000000000f83f", 1.5],
  ["int32", "2005", 5],
  ["float64s", "72020a00", []],
  ["int64", "980100", null],
  ["strings", "980100", null],
  ["strings", "62050a03efbfbd", ["\ufffd"]],
  // The last of several counts, as protobuf has it.
  ["int64", "20052006", 6],
])("takes for %s what is exactly one of another kind: %s", (type, wire, expected) => {
  expect(compileFeastValues(TYPES[type as string]!).decode(Buffer.from(wire as string, "hex"))).toEqual(expected);
});

it.each([
  ["int32", "20808080808001"],
  ["float32", "299a9999999999b93f"],
  ["float64", "20ffffffffffffffff7f"],
  ["int64", "299a9999999999b93f"],
  ["int64", "1203616263"],
  ["string", "1202c328"],
  ["string", "0a0161"],
  ["timestamp", "2005"],
  ["timestamp", "40ffffffffffffffff7f"],
  ["bool", "2001"],
  ["int64", "72020a00"],
  ["int64s", "2005"],
  ["strings", "5a030a0161"],
  ["strings", "62040a02c328"],
  ["string", "1201611202c328"],
  ["int64", "a20100"],
  ["int64", "20ff"],
  ["int64", "ffff"],
])("refuses for %s what is none: %s", (type, wire) => {
  expect(compileFeastValues(TYPES[type as string]!).decode(Buffer.from(wire, "hex"))).toBe(REFUSED);
});

describe("definitions", () => {
  const view = (name: string, joinKeys: object, ...features: string[]) => ({
    name,
    joinKeys: joinKeys as Record<string, ReturnType<typeof int64>>,
    schema: Object.fromEntries(features.map((feature) => [feature, int64()])),
  });

  it("are refused when two features of one hash have one field", () => {
    const seen = new Map<string, string>();
    let pair: readonly [string, string] | undefined;
    for (let i = 0; pair === undefined; i++) {
      const field = featureField("v", `f${i}`);
      const other = seen.get(field);
      if (other !== undefined) pair = [other, `f${i}`];
      seen.set(field, `f${i}`);
    }
    const colliding = view("v", { id: int64() }, ...pair);
    expect(() => checkFeastDefinitions([colliding])).toThrow(
      expect.objectContaining({
        code: "DEFINITION_INVALID",
        message: expect.stringContaining(`"v:${pair[0]}" and "v:${pair[1]}"`),
      }),
    );
    checkFeastDefinitions([view("v", { id: int64() }, pair[0]), view("w", { id: int64() }, pair[1])]);
  });

  it("are refused with more features than one command of a script takes", () => {
    const wide = view("v", { id: int64() }, ...Array.from({ length: 3_901 }, (_, i) => `f${i}`));
    expect(() => checkFeastDefinitions([wide])).toThrow(/"v" has 3901 features; .* at most 3900/);
  });

  it("are warned of where keys go before views do", () => {
    const views = [
      { name: "short", ttlMs: 1_000 },
      { name: "long", ttlMs: 5_001 },
      { name: "endless", ttlMs: undefined },
    ];
    expect(earlyKeyExpiry(views, 10, 5_000)).toMatch(/10 s after .* "long", "endless"/);
    expect(earlyKeyExpiry(views.slice(0, 2), 11, 5_000)).toBeUndefined();
    expect(earlyKeyExpiry(views, 0, 5_000)).toBeUndefined();
    const many = Array.from({ length: 9 }, (_, i) => ({ name: `v${i}`, ttlMs: undefined }));
    expect(earlyKeyExpiry(many, 10, 0)).toContain('"v4" and 4 more');
  });

  it("are refused with a join key that Feast can't key", () => {
    expect(() => checkFeastDefinitions([view("v", { id: bool() }, "a")])).toThrow(/"v" has the join key "id" of bool/);
  });
});
