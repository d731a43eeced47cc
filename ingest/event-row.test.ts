import { describe, expect, test } from "vitest";
import { bytes, float32, float64, int64, timestamp } from "../headgate.ts";
import { compileOne as compile, NO_FEATURE, refusalOf, rowOf } from "./test-fixtures/decode-one.ts";

const EVENT_US = 1_700_000_000_000_000;

describe("columns", () => {
  const columns = { customer_id: "payload.user.id", orders: "n.orders", total: "total" };
  const decode = compile({ orders: int64(), total: int64() }, { columns, timestampField: "meta.at" });

  test("a name with dots is a path", () => {
    const event = { payload: { user: { id: 9 } }, n: { orders: 1 }, total: 2, meta: { at: 0 } };
    expect(rowOf(decode(event))).toMatchObject({ entity: [9], values: [1, 2], eventTimestampUs: 0 });
  });

  test("a member of that very name comes first", () => {
    const event = { "payload.user.id": 8, payload: { user: { id: 9 } }, "n.orders": 3, "meta.at": 0 };
    expect(rowOf(decode(event))).toMatchObject({ entity: [8], values: [3, null] });
  });

  test("a member of that very name comes first even when it is null", () => {
    const event = { customer_id: 1, "payload.user.id": 8, "n.orders": null, n: { orders: 5 }, "meta.at": 0 };
    expect(rowOf(decode(event))).toMatchObject({ values: [null, null] });
    const entity = { "payload.user.id": null, payload: { user: { id: 9 } }, "meta.at": 0 };
    expect(refusalOf(decode(entity))).toBe(`"customer_id" (the event's "payload.user.id") is null, not int64`);
  });

  test("a path that ends early is a missing member", () => {
    for (const payload of [null, 5, "user", {}, { user: null }]) {
      expect(refusalOf(decode({ payload, meta: { at: 0 } }))).toBe(
        `"customer_id" (the event's "payload.user.id") is missing`,
      );
    }
  });
});

describe("map", () => {
  test("gets the parsed event and gives names and values of the view", () => {
    const map = (({ id, at, raw }: { id: string; at: number; raw: string }) => ({
      customer_id: BigInt(id),
      event_ts: new Date(at),
      raw: new Uint8Array(Buffer.from(raw, "hex")),
      seen: "2023-11-14T22:13:20Z",
    })) as never;
    const decode = compile({ raw: bytes(), seen: timestamp(), gone: int64() }, { map });
    expect(rowOf(decode({ id: "17", at: 5, raw: "ff" }))).toMatchObject({
      entity: [17n],
      values: [new Uint8Array([255]), EVENT_US, null],
      eventTimestampUs: 5_000,
    });
  });

  test("may compute what is no number, and what is infinite", () => {
    const map = () => ({ customer_id: 1, event_ts: 0, a: 0 / 0, b: 1 / 0 });
    expect(rowOf(compile({ a: float64(), b: float32() }, { map })({}))).toMatchObject({
      values: [Number.NaN, Number.POSITIVE_INFINITY],
    });
  });

  test.each([
    ["null", () => null, { skipped: true }],
    ["nothing", () => undefined, { skipped: true }],
    [
      "a throw",
      () => {
        throw new Error("no id");
      },
      { refused: `map of view "orders" and topic "orders" failed: no id` },
    ],
    [
      "a promise",
      async () => Promise.reject(new Error("unseen")),
      { refused: `map of view "orders" and topic "orders" gave a promise; it must be a plain function` },
    ],
    [
      "a throw of something without a text",
      () => {
        throw Object.create(null);
      },
      { refused: `map of view "orders" and topic "orders" failed: something without a text was thrown` },
    ],
    [
      "a getter that throws",
      () => ({
        get customer_id() {
          throw new Error("no id");
        },
      }),
      { refused: `map of view "orders" and topic "orders" failed: no id` },
    ],
    [
      "a time whose getter throws",
      () => ({
        customer_id: 1,
        get event_ts() {
          throw new Error("no time");
        },
      }),
      { refused: `map of view "orders" and topic "orders" failed: no time` },
    ],
    ["no object", () => 5, { refused: `map of view "orders" and topic "orders" gave 5, not an object` }],
    [
      "an invalid date",
      () => ({ customer_id: 1, event_ts: new Date("?") }),
      { refused: expect.stringMatching(/^"event_ts" is an object;/) },
    ],
  ])("%s", (_, map, outcome) => {
    expect(compile(NO_FEATURE, { map: map as never })({})).toEqual(outcome);
  });
});
