/** Every declaration, with what it refuses: a wrong definition is told where it is written, by name. */

import { describe, expect, test } from "vitest";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { featureView } from "./feature-view.ts";
import { array, float32, float64, int64, type Schema, string } from "./field.ts";
import { onDemandFeatureView } from "./on-demand-view.ts";
import { fileSource, kafkaSource, requestSource } from "./source.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const viewOf = (schema: Schema, ttl = "2d", name = "spend") => featureView(name, { entities: [customer], ttl, schema });

describe("a declaration", () => {
  test.each([
    ["a name that is no identifier", () => entity("no-dash", { joinKeys: { id: int64() } }), /"no-dash"/],
    ["a prototype's name", () => entity("__proto__", { joinKeys: { id: int64() } }), /__proto__/],
    ["an entity without join keys", () => entity("x", { joinKeys: {} }), /entity "x" has no join key/],
    ["a float join key", () => entity("x", { joinKeys: { id: float32() } }), /join key "id" is float32/],
    ["a view without fields", () => viewOf({}), /feature view "spend" has no field/],
    ["a join key as a field", () => viewOf({ customer_id: int64() }), /"customer_id" is a join key/],
    ["a wrong ttl", () => viewOf({ a: int64() }, "2 days"), /ttl is "2 days"/],
    [
      "an unknown field in select",
      () => viewOf({ a: int64(), b: int64() }).select("c" as never),
      /no field "c"; it has a, b/,
    ],
    ["an empty service", () => featureService("s", []), /"s" selects nothing/],
    [
      "a feature selected twice",
      () => featureService("s", [viewOf({ a: int64() }), viewOf({ a: int64() })]),
      /spend:a twice/,
    ],
    [
      "an unknown time zone",
      () => fileSource({ path: "p", timestampField: "t", timezone: "Mars" }),
      /"Mars" is unknown/,
    ],
    ["a topic without a timestamp", () => kafkaSource({ topic: "t", timestampField: "" }), /needs timestampField/],
    [
      "inputs that share a field name",
      () =>
        onDemandFeatureView("ratio", {
          inputs: [viewOf({ a: int64() }), requestSource("cart", { a: int64() })],
          schema: { r: float64() },
          transform: () => ({ r: 1 }),
        }),
      /both "spend" and "cart" have a field "a"/,
    ],
  ])("%s is refused by name", (_, declare, sentence) => {
    expect(declare).toThrow(sentence);
  });

  // What the compiler would have refused, had it looked: projects are written in JavaScript too.
  const entities = [customer];
  const schema = { a: int64() };
  const transform = () => ({ a: 1 });
  test.each([
    [
      "an entity's option",
      () => entity("x", { joinkeys: {} } as never),
      /entity "x" has no option "joinkeys"; there are joinKeys, description/,
    ],
    [
      "a view's option",
      () => featureView("v", { entities, schema, tll: "2d" } as never),
      /feature view "v" has no option "tll"; there are entities, schema, ttl/,
    ],
    [
      "an on-demand view's option",
      () => onDemandFeatureView("o", { inputs: [viewOf({ b: int64() })], schema, transform, ttl: "1d" } as never),
      /"o" has no option "ttl"/,
    ],
    [
      "a file source's option",
      () => fileSource({ path: "p", timestampField: "t", createdFeild: "c" } as never),
      /fileSource has no option "createdFeild".*createdField/,
    ],
    [
      "a topic's option",
      () => kafkaSource({ topic: "t", timestampField: "t", group: "g" } as never),
      /kafkaSource has no option "group"/,
    ],
    [
      "a service's option",
      () => featureService("s", [viewOf(schema)], { desc: "" } as never),
      /"s" has no option "desc"/,
    ],
    ["no options at all", () => featureView("v", undefined as never), /feature view "v" needs its options/],
    [
      "a column of no field",
      () =>
        featureView("v", {
          entities,
          schema,
          source: fileSource({ path: "p", timestampField: "t", columns: { aa: "x" } }),
        }),
      /columns names "aa".*customer_id, a/,
    ],
    [
      "a type without its parentheses",
      () => viewOf({ a: int64 } as never),
      /field "a" is a function, which is no type; write int64\(\)/,
    ],
    [
      "a join key's type without its parentheses",
      () => entity("x", { joinKeys: { id: string } } as never),
      /join key "id" .*write string\(\)/,
    ],
    [
      "a type as text",
      () => requestSource("cart", { a: "int64" } as never),
      /"cart": field "a" is "int64", which is no type; write int64\(\)/,
    ],
    ["an element type without its parentheses", () => array(float32 as never), /array\(float32\(\)\)/],
    [
      "a source as text",
      () => featureView("v", { entities, schema, source: "s3://b/k" } as never),
      /source is "s3:\/\/b\/k"; write fileSource/,
    ],
    [
      "a stream as text",
      () => featureView("v", { entities, schema, stream: "orders" } as never),
      /stream is "orders"; write kafkaSource/,
    ],
    [
      "an entity that is not there yet",
      () => featureView("v", { entities: [undefined], schema } as never),
      /entities\[0\] is undefined; it must be entity.*import each other/,
    ],
    [
      "a view for an entity",
      () => featureView("v", { entities: [viewOf(schema)], schema } as never),
      /entities\[0\] is featureView "spend"/,
    ],
    [
      "an input that is no view",
      () => onDemandFeatureView("o", { inputs: [customer], schema, transform } as never),
      /inputs\[0\] is entity "customer"; it must be featureView or requestSource/,
    ],
    ["a selection that is no view", () => featureService("s", [undefined] as never), /selection 1 is undefined/],
    [
      "an asynchronous transform",
      () =>
        onDemandFeatureView("o", {
          inputs: [viewOf({ b: int64() })],
          schema,
          transform: async () => ({ a: 1 }),
        } as never),
      /"o": transform is asynchronous/,
    ],
    ["a field that every object has", () => viewOf({ constructor: int64() }), /"constructor" can't be used/],
    ["a name that every object has", () => requestSource("toString", schema), /"toString" can't be used/],
    [
      "two request sources with a field of one name",
      () => featureService("s", [requestSource("cart", schema), requestSource("visit", schema)]),
      /"s" takes "a" from the request twice: for "cart" and for "visit"/,
    ],
    [
      "a request source and another behind an on-demand view",
      () =>
        featureService("s", [
          requestSource("cart", { b: int64() }),
          onDemandFeatureView("o", { inputs: [requestSource("visit", { b: int64() })], schema, transform }),
        ]),
      /takes "b" from the request twice/,
    ],
  ])("%s is refused by name", (_, declare, sentence) => {
    expect(declare).toThrow(sentence);
  });

  test("one request source may be asked for twice: by a service and by an on-demand view of it", () => {
    const cart = requestSource("cart", { b: int64() });
    const view = onDemandFeatureView("o", { inputs: [cart], schema, transform });
    expect(featureService("s", [cart, view]).features).toHaveLength(2);
  });
});
