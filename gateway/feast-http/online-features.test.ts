import { beforeEach, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../../features/applied-registry.ts";
import { entity } from "../../features/entity.ts";
import { featureService } from "../../features/feature-service.ts";
import { featureView } from "../../features/feature-view.ts";
import { array, bool, bytes, float32, float64, int32, int64, string, timestamp } from "../../features/field.ts";
import { onDemandFeatureView } from "../../features/on-demand-view.ts";
import { createRegistry } from "../../features/registry.ts";
import { requestSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import type { AnswerCall } from "../direct-route.ts";
import { createRowWrite } from "../row-write.ts";
import { createOnlineFeatures, type OnlineFeaturesOptions } from "./online-features.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const customer = entity("customer", { joinKeys: { customer_id: string() } });
const stats = featureView("stats", {
  entities: [driver],
  ttl: "1d",
  schema: { trips: int64(), rate: float32(), score: float64(), name: string(), ok: bool() },
});
const odd = featureView("odd", {
  entities: [driver],
  schema: { blob: bytes(), seen: timestamp(), small: int32(), last: array(float64()), rate: float64() },
});
const pair = featureView("pair", { entities: [driver, customer], schema: { spent: float64() } });
const globals = featureView("globals", { entities: [], schema: { fx: float64() } });
const cart = requestSource("cart", { value: float64(), placed: timestamp() });
const ratios = onDemandFeatureView("ratios", {
  inputs: [stats, cart],
  schema: { per_trip: float64() },
  transform: ({ trips, value }) => ({ per_trip: trips === null || value === null ? null : value / Number(trips) }),
});
const service = featureService("activity", [stats.select("rate", "trips"), globals]);
const definitions = [driver, customer, stats, odd, pair, globals, cart, ratios, service];
const registry = createRegistry(definitions.map((definition) => ({ definition, file: "drivers.ts" })));

let store: OnlineStore;
let ask: (body: unknown, over?: Partial<OnlineFeaturesOptions>) => Promise<Answer>;

interface Column {
  readonly values: unknown[];
  readonly statuses: string[];
  readonly event_timestamps: string[];
}
interface Answer {
  readonly status: number;
  readonly text: string;
  readonly names: readonly string[];
  readonly columns: Readonly<Record<string, Column>>;
  readonly error: { module: string; class: string; message: string; code: string };
}

function callOf(route: AnswerCall, body: unknown, headers: Readonly<Record<string, string>>) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return route({
    method: "POST",
    path: "/get-online-features",
    header: (name) => headers[name],
    text: () => text,
    bytes: () => Buffer.from(text),
  });
}

beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = await readAppliedRegistry(store.control);
  const write = createRowWrite({
    ...{ store, registry, applied, maxEntities: 10, now: () => NOW_MS },
    ...{ maxFutureMs: 300_000, expiryGraceMs: 864_000_000, onlineStoreLayout: "packed" },
  });
  const row = (entity: object, values: object | null, at = "2026-11-22T10:00:00Z") => ({
    rows: [{ entity, values, event_timestamp: at }],
  });
  const all = { trips: 9_007_199_254_740_993n, rate: 0.1, score: 4, name: 'a"b', ok: true };
  await write("stats", row({ driver_id: 1001 }, all, "2026-11-22T10:00:00.123Z"));
  await write(
    "stats",
    row({ driver_id: 1002 }, { score: "NaN", rate: "-Infinity", trips: 7 }, "2026-11-22T10:00:00.123456Z"),
  );
  await write("stats", row({ driver_id: 1003 }, all, "2026-11-01T10:00:00Z"));
  await write(
    "odd",
    row({ driver_id: 1001 }, { blob: "AAE=", seen: "2026-11-22T10:00:00.9Z", last: [1, 2.5, null], rate: 1e21 }),
  );
  await write("pair", row({ driver_id: 1001, customer_id: "17" }, { spent: 2.5 }));
  await write("globals", row({}, { fx: 1.25 }));
  ask = async (body, over = {}) => {
    const route = createOnlineFeatures({
      ...{ store, registry, schemas: new StoredSchemas(store.control), presentOnly: false },
      ...{ adminToken: "", readsOpen: false, maxEntities: 5, deadlineMs: 1_000 },
      ...{ now: () => NOW_MS, clock: () => 0, ...over },
    });
    const { status, body: text } = await callOf(route, body, { "content-type": "application/json" });
    const parsed = JSON.parse(text as string);
    if (status !== 200) return { status, text: text as string, names: [], columns: {}, error: JSON.parse(parsed) };
    const names: string[] = parsed.metadata.feature_names;
    const columns = Object.fromEntries(names.map((name, i) => [name, parsed.results[i]]));
    return { status, text: text as string, names, columns, error: undefined as never };
  };
});

const drivers = (...ids: unknown[]) => ({ driver_id: ids });
const refused = async (body: unknown, over?: Partial<OnlineFeaturesOptions>) => {
  const { status, error } = await ask(body, over);
  return [status, error.class, error.message];
};

test("columns come as asked, join keys first, each row with its value, status and event time", async () => {
  const { names, columns } = await ask({
    entities: drivers(1001, 9, 1001),
    features: ["stats:rate", "odd:small", "stats:name"],
  });
  expect(names).toEqual(["driver_id", "rate", "small", "name"]);
  expect(columns).toEqual({
    driver_id: {
      values: [1001, 9, 1001],
      statuses: ["PRESENT", "PRESENT", "PRESENT"],
      event_timestamps: ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"],
    },
    rate: {
      values: [0.10000000149011612, null, 0.10000000149011612],
      statuses: ["PRESENT", "NOT_FOUND", "PRESENT"],
      event_timestamps: ["2026-11-22T10:00:00.123Z", "1970-01-01T00:00:00Z", "2026-11-22T10:00:00.123Z"],
    },
    small: {
      values: [null, null, null],
      statuses: ["NULL_VALUE", "NOT_FOUND", "NULL_VALUE"],
      event_timestamps: ["2026-11-22T10:00:00Z", "1970-01-01T00:00:00Z", "2026-11-22T10:00:00Z"],
    },
    name: expect.objectContaining({ values: ['a"b', null, 'a"b'] }),
  });
});

test("values are written so that Feast's client takes them for what they are", async () => {
  const features = ["stats:trips", "stats:score", "stats:ok", "odd:blob", "odd:seen", "odd:last", "odd:rate"];
  const { text } = await ask({ entities: drivers(1001), features });
  for (const value of [
    "[9007199254740993]",
    "[4.0]",
    "[true]",
    '["AAE="]',
    "[1795341600]",
    "[[1.0,2.5,null]]",
    "[1e+21]",
  ]) {
    expect(text).toContain(`"values":${value},`);
  }
  const odd = await ask({ entities: drivers(1002), features: ["stats:score", "stats:rate"] });
  expect(odd.columns.score).toEqual({
    values: ["NaN"],
    statuses: ["PRESENT"],
    event_timestamps: ["2026-11-22T10:00:00.123456Z"],
  });
  expect(odd.columns.rate!.values).toEqual(["-Infinity"]);
});

test("what is too old is told; the setting gives it as Feast does, PRESENT", async () => {
  const body = { entities: drivers(1003, 9), features: ["stats:score"] };
  expect((await ask(body)).columns.score).toMatchObject({
    values: [null, null],
    statuses: ["OUTSIDE_MAX_AGE", "NOT_FOUND"],
  });
  const present = await ask(body, { presentOnly: true });
  expect(present.columns.score).toMatchObject({ values: [4, null], statuses: ["PRESENT", "PRESENT"] });
});

test("join keys are echoed as their declared type, whatever they were sent as, exactly", async () => {
  const asked = { entities: { driver_id: ["1001"], customer_id: [17], else: [1] }, features: ["pair:spent"] };
  const { names, columns } = await ask(asked);
  expect(names).toEqual(["driver_id", "customer_id", "spent"]);
  expect([columns.driver_id!.values, columns.customer_id!.values, columns.spent!.values]).toEqual([
    [1001],
    ["17"],
    [2.5],
  ]);
  const big = await ask('{"entities":{"driver_id":[9007199254740993]},"features":["stats:ok"]}');
  expect(big.text).toContain('"values":[9007199254740993]');
});

test("an entity's name stands for its join key", async () => {
  const { names, columns } = await ask({ entities: { driver: [1001] }, features: ["stats:ok"] });
  expect([names, columns.ok!.values]).toEqual([["driver_id", "ok"], [true]]);
});

test("some of several join keys find nothing, none of them is refused", async () => {
  const { columns } = await ask({ entities: drivers(1001, 1002), features: ["pair:spent", "stats:trips"] });
  expect(columns.spent).toEqual({
    values: [null, null],
    statuses: ["NOT_FOUND", "NOT_FOUND"],
    event_timestamps: ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"],
  });
  expect(columns.trips!.statuses).toEqual(["PRESENT", "PRESENT"]);
  expect((await ask({ entities: drivers(1001), features: ["pair:spent"] })).columns.spent!.statuses).toEqual([
    "NOT_FOUND",
  ]);
  expect(await refused({ entities: {}, features: ["pair:spent"] })).toEqual([
    422,
    "FeastError",
    '"entities" lacks driver_id, customer_id, by which feature view pair is looked up.',
  ]);
});

test("a view without entities needs none, and has a row for each that is sent", async () => {
  expect((await ask({ entities: {}, features: ["globals:fx"] })).columns.fx!.values).toEqual([1.25]);
  expect((await ask({ entities: { any: [1, 2] }, features: ["globals:fx"] })).columns.fx!.values).toEqual([1.25, 1.25]);
});

test("a service's features come in its order, under full names where asked", async () => {
  const body = { entities: drivers(1001), feature_service: "activity", features: ["none"], full_feature_names: true };
  expect((await ask(body)).names).toEqual(["driver_id", "stats__rate", "stats__trips", "globals__fx"]);
});

test("views are listed where asked, in order of first mention", async () => {
  const features = ["odd:small", "stats:ok", "odd:last"];
  const { text } = await ask({ entities: drivers(1), features, include_feature_view_version_metadata: true });
  expect(JSON.parse(text).metadata.feature_view_metadata).toEqual([{ name: "odd" }, { name: "stats" }]);
});

test("on-demand features take what the request brings for each row", async () => {
  const entities = { driver_id: [1002, 1002], value: [14, 21], placed: [1795341600, null] };
  const { names, columns } = await ask({ entities, features: ["ratios:per_trip"] });
  expect(names).toEqual(["driver_id", "per_trip"]);
  expect(columns.per_trip).toMatchObject({ values: [2, 3], statuses: ["PRESENT", "PRESENT"] });
  const lacking = await refused({ entities: { driver_id: [1], value: [1] }, features: ["ratios:per_trip"] });
  expect(lacking).toEqual([
    422,
    "RequestDataNotFoundInEntityRowsException",
    '"entities" lacks placed, a request feature of "cart".',
  ]);
  const wrong = await refused({ entities: { ...entities, value: ["a", 1] }, features: ["ratios:per_trip"] });
  expect(wrong).toEqual([
    422,
    "RequestDataNotFoundInEntityRowsException",
    'entities.value[0] is "a"; "cart" takes float64.',
  ]);
});

const asks = (over: object) => ({ entities: drivers(1001), features: ["stats:ok"], ...over });

test.each([
  ["no JSON", "{", 400, "FeastError", "is not JSON"],
  ["a list", "[]", 422, "FeastError", "must be an object, not a list of 0"],
  ["no entities", { features: ["stats:ok"] }, 422, "FeastError", '"entities" is missing'],
  ["entities in rows", asks({ entities: [{ driver_id: 1 }] }), 422, "FeastError", '"entities" is a list of 1'],
  [
    "a column that is none",
    asks({ entities: { driver_id: 1 } }),
    422,
    "FeastError",
    "entities.driver_id is 1; send a list",
  ],
  ["unequal lengths", asks({ entities: { driver_id: [1], x: [1, 2] } }), 422, "FeastError", "entities.x has 2 values"],
  ["no row", asks({ entities: drivers() }), 422, "FeastError", "columns without a row"],
  ["too many rows", asks({ entities: drivers(1, 2, 3, 4, 5, 6) }), 413, "FeastError", "the most is 5"],
  ["a null key", asks({ entities: drivers(null) }), 422, "FeastError", "entities.driver_id[0] is null"],
  ["a text for an integer", asks({ entities: drivers(1, "abc") }), 422, "FeastError", 'entities.driver_id[1] is "abc"'],
  ["a fraction", asks({ entities: drivers(1.7) }), 422, "FeastError", "entities.driver_id[0] is 1.7"],
  ["an integer past int64", asks({ entities: drivers("9223372036854775808") }), 422, "FeastError", "takes int64"],
  ["a key twice", asks({ entities: { driver_id: [1], driver: [1] } }), 422, "FeastError", "driver_id twice"],
  ["no feature", asks({ features: [] }), 422, "FeastError", "names no feature"],
  ["features of another type", asks({ features: "stats:ok" }), 422, "FeastError", '"features" must be a list'],
  ["a number among features", asks({ features: [1] }), 422, "FeastError", '"features" must be a list'],
  ["a service of another type", asks({ feature_service: 1 }), 422, "FeastError", '"feature_service" must be the name'],
  ["a flag of another type", asks({ full_feature_names: 1 }), 422, "FeastError", '"full_feature_names" must be true'],
  ["no colon", asks({ features: ["stats"] }), 422, "FeastError", "has no colon"],
  [
    "an unknown view",
    asks({ features: ["x:y"] }),
    404,
    "FeatureViewNotFoundException",
    "Feature view x does not exist",
  ],
  ["a view's version", asks({ features: ["stats@v2:ok"] }), 404, "FeatureViewNotFoundException", "stats@v2 does not"],
  ["an unknown feature", asks({ features: ["stats:y"] }), 422, "FeastError", 'has no feature "y"; it has trips, rate'],
  ["an inherited name", asks({ features: ["stats:toString"] }), 422, "FeastError", "has no feature"],
  ["an unknown service", asks({ feature_service: "x" }), 404, "FeatureServiceNotFoundException", "there are activity"],
  ["colliding names", asks({ features: ["stats:rate", "odd:rate"] }), 422, "FeatureNameCollisionError", "named rate"],
  ["one feature twice", asks({ features: ["stats:ok", "stats:ok"] }), 422, "FeatureNameCollisionError", "named ok"],
])("%s is refused with a sentence", async (_, body, status, rebuilt, sentence) => {
  const { status: answered, error } = await ask(body);
  expect([answered, error.module, error.class]).toEqual([status, "feast.errors", rebuilt]);
  expect(error.message).toContain(sentence);
});
