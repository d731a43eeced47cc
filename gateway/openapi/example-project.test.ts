import { expect, test } from "vitest";
import { entity } from "../../features/entity.ts";
import { featureService } from "../../features/feature-service.ts";
import { featureView } from "../../features/feature-view.ts";
import { array, bool, float64, int64, string, timestamp } from "../../features/field.ts";
import { onDemandFeatureView } from "../../features/on-demand-view.ts";
import { createRegistry } from "../../features/registry.ts";
import { requestSource } from "../../features/source.ts";
import type { ServedModel } from "../../models/lifecycle.ts";
import { operationsOf } from "../fixtures/documented-api.ts";
import { openApiDocument } from "./document.ts";
import { exampleProject, PLACEHOLDER } from "./example-project.ts";

const shop = entity("shop", { joinKeys: { shop_code: string(), region: int64() } });
const other = featureView("a_view_of_no_model", { entities: [shop], schema: { x: float64() } });
const sales = featureView("sales_7d", {
  entities: [shop],
  schema: { orders: int64(), seen: timestamp(), open: bool(), weights: array(float64()) },
});
const cart = requestSource("cart", { basket_value: float64(), items: array(string()) });
const ratio = onDemandFeatureView("ratio", {
  inputs: [sales, cart],
  schema: { ratio: float64() },
  transform: () => ({ ratio: 1 }),
});
const ranked = featureService("ranked", [sales.select("orders"), ratio]);
const registry = createRegistry(
  [shop, other, sales, cart, ratio, ranked].map((definition) => ({ definition, file: "shop.ts" })),
);
const EMPTY = createRegistry([]);
const NOW_MS = Date.UTC(2026, 10, 23);

/** As far as examples look at a model. */
const served = (name: string, version?: number) =>
  ({ name, stable: version === undefined ? undefined : { version, manifest: { service: "ranked" } } }) as ServedModel;

test("the examples are of the first model that serves, and of what feeds it", () => {
  const project = exampleProject(registry, [served("broken"), served("ranker", 3), served("second", 9)]);
  const document = JSON.parse(JSON.stringify(openApiDocument("0.0.0", NOW_MS, project)));
  const operations = operationsOf(document);
  const example = (route: string) => operations.get(route).requestBody.content["application/json"].example;
  const entityKeys = { shop_code: "abc", region: 17 };
  expect(example("POST /predict")).toEqual({
    model: "ranker",
    entities: entityKeys,
    context: { basket_value: 0.5, items: ["abc"] },
  });
  expect(example("POST /v2/models/{model}/infer").inputs).toEqual([
    { name: "shop_code", datatype: "BYTES", shape: [1], data: ["abc"] },
    { name: "region", datatype: "INT64", shape: [1], data: [17] },
    { name: "basket_value", datatype: "FP64", shape: [1], data: [0.5] },
    { name: "items", datatype: "BYTES", shape: [1, 1], data: ["abc"] },
  ]);
  expect(example("POST /features/{view}/rows").rows).toEqual([
    {
      entity: entityKeys,
      values: { orders: 17, seen: "2026-01-01T00:00:00Z", open: true, weights: [0.5] },
      event_timestamp: "2026-11-23T00:00:00.000Z",
    },
  ]);
  expect(example("POST /push")).toMatchObject({
    push_source_name: "sales_7d",
    df: { shop_code: ["abc"], weights: [[0.5]], event_timestamp: ["2026-11-23T00:00:00.000Z"] },
  });
  expect(example("PUT /models/{name}/traffic")).toMatchObject({ stable: 3 });
  expect(JSON.stringify(document.paths).match(/churn|customer/g)).toBeNull();
});

test("a project without a model has its first view in the examples, and one without views neutral names", () => {
  const { joinKeys, model, view } = exampleProject(registry, []);
  expect([model, Object.keys(joinKeys), view.name]).toEqual([
    PLACEHOLDER.model,
    ["shop_code", "region"],
    "a_view_of_no_model",
  ]);
  expect(exampleProject(EMPTY, [])).toEqual(PLACEHOLDER);
  expect(exampleProject(EMPTY, [served("broken")])).toEqual({ ...PLACEHOLDER, model: "broken" });
});
