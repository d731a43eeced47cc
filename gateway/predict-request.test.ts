import { describe, expect, test } from "vitest";
import { int64, string } from "../features/field.ts";
import { checkPredictRequest, compileEntityCheck, parseBody, predictRequestJsonSchema } from "./predict-request.ts";

const check = (body: unknown) => checkPredictRequest(body, 3);

describe("parsing a body", () => {
  test("keeps integers past 2^53 exact and leaves long fractions to JSON.parse", () => {
    const text =
      '{"a":9007199254740993,"b":[-9223372036854775808],"c":0.12345678901234567,"d":1234567890123456.5,"e":12345678901234567e2}';
    expect(parseBody(text)).toEqual({
      a: 9007199254740993n,
      b: [-9223372036854775808n],
      c: Number("0.12345678901234567"),
      d: 1234567890123456.5,
      e: Number("12345678901234567e2"),
    });
  });

  test("a number in a text stays a text", () => {
    expect(parseBody('{"a":"12345678901234567890"}')).toEqual({ a: "12345678901234567890" });
  });

  test.each(["", "{", "{'a':1}", '{"a":01}', "NaN", '{"a":12345678901234567890,}'])(
    "%j is refused as not JSON",
    (text) => {
      expect(() => parseBody(text)).toThrow(expect.objectContaining({ code: "BODY_NOT_JSON" }));
    },
  );

  test("nesting deeper than the exact parser can follow is refused, not a crash", () => {
    expect(() => parseBody(`{"a":12345678901234567890,"b":${"[".repeat(100_000)}`)).toThrow(/nested too deeply/);
  });

  test("__proto__ is a member like any other", () => {
    for (const id of ["1", "12345678901234567890"]) {
      const body = parseBody(`{"__proto__":{"model":"x","n":${id}}}`) as object;
      expect(Object.keys(body)).toEqual(["__proto__"]);
      expect("model" in body).toBe(false);
    }
  });
});

test("a token of any length costs no more than its length, and is a number as for JSON.parse", () => {
  for (const digits of [21, 200_000]) {
    const token = "9".repeat(digits);
    expect(parseBody(`{"a":${token},"b":-0}`)).toEqual({ a: Number(token), b: -0 });
  }
  expect(parseBody('{"a":12345678901234567,"b":-0}')).toEqual({ a: 12345678901234567n, b: -0 });
});

test("of a member that is there twice the last counts, whichever parser reads it", () => {
  for (const id of ["1", "12345678901234567"]) {
    expect(parseBody(`{"a":2,"a":${id},"b":${id},"b":null}`)).toEqual({
      a: Number(id) === 1 ? 1 : BigInt(id),
      b: null,
    });
  }
});

describe("the shape of a request", () => {
  test("one entity or a list", () => {
    expect(check({ model: "m", entities: { id: 1 } })).toMatchObject({
      single: true,
      entities: [{ id: 1 }],
      explain: false,
    });
    expect(check({ model: "m", entities: [{ id: 1 }], explain: true })).toMatchObject({ single: false, explain: true });
  });

  test.each([
    [null, /The request body must be an object, not null/],
    [[], /The request body/],
    [{ entities: {} }, /"model" must be a text, not missing/],
    [{ model: 1, entities: {} }, /"model"/],
    [{ model: "m" }, /"entities" must be an entity.*not missing/],
    [{ model: "m", entities: [] }, /"entities" must be an entity.*not an empty list/],
    [{ model: "m", entities: [{}, 1] }, /entities\[1\] must be an entity.*not a number/],
    [{ model: "m", entities: "17" }, /"entities"/],
    [{ model: "m", entities: {}, context: [] }, /"context"/],
    [{ model: "m", entities: {}, explain: "yes" }, /"explain"/],
    [{ model: "m", entities: {}, modle: 1 }, /Unknown member "modle"/],
    [{ model: "m", entitys: {} }, /Unknown member "entitys"/],
    [JSON.parse('{"model":"m","entities":{},"__proto__":{}}'), /Unknown member "__proto__"/],
  ])("%j is refused, naming the member", (body, sentence) => {
    expect(() => check(body)).toThrow(
      expect.objectContaining({ code: "REQUEST_INVALID", message: expect.stringMatching(sentence) }),
    );
  });

  test("a long name is not repeated whole", () => {
    const long = "x".repeat(100_000);
    const refusals = [
      () => check({ model: "m", entities: {}, [long]: 1 }),
      () => compileEntityCheck({ id: int64() }, "s")([{ id: 1, [long]: 1 }]),
      () => parseBody(`{"a":12345678901234567890,"b":-${long}}`),
    ];
    for (const refused of refusals) {
      expect(refused).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{1,400}$/) }));
    }
  });

  test("more entities than the bound are refused with the bound", () => {
    const entities = Array.from({ length: 4 }, () => ({ id: 1 }));
    expect(() => check({ model: "m", entities })).toThrow(expect.objectContaining({ code: "TOO_MANY_ENTITIES" }));
  });

  test("is what the OpenAPI document says", () => {
    expect(predictRequestJsonSchema()).toMatchObject({
      type: "object",
      required: ["model", "entities"],
      additionalProperties: false,
    });
  });
});

describe("an entity", () => {
  const checkEntities = compileEntityCheck({ customer_id: int64(), shop: string() }, "churn_v1");

  test("carries the join keys and no other", () => {
    expect(() => checkEntities([{ customer_id: 1, shop: "a" }])).not.toThrow();
    expect(() => checkEntities([{ customer_id: 1, shop: "a" }, { customer_id: 1 }])).toThrow(
      /entities\[1\] lacks join key "shop".*"customer_id", "shop"/,
    );
    expect(() => checkEntities([{ customer_id: 1, shop: "a", x: 1 }])).toThrow(/entities\[0\] has "x"/);
    expect(() => checkEntities([JSON.parse('{"__proto__":{"customer_id":1,"shop":"a"},"y":1}')])).toThrow(
      /lacks join key/,
    );
  });
});
