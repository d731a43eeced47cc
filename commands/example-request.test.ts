import { beforeEach, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../features/applied-registry.ts";
import type { Definition } from "../features/definition.ts";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { featureView } from "../features/feature-view.ts";
import { bool, bytes, float64, int64, string, timestamp } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { createRowWrite, type WriteRows } from "../gateway/row-write.ts";
import { curlOf, exampleRequest, requestToFillIn } from "./example-request.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const customer = entity("customer", { joinKeys: { customer_id: string() } });
const empty = featureView("empty", { entities: [driver], schema: { nothing: float64() } });
const pair = featureView("pair", {
  entities: [driver, customer],
  schema: { a: float64(), b: float64(), c: float64(), d: float64() },
});
const services = [featureService("of_pair", [pair]), featureService("of_empty", [empty])];
const registryOf = (definitions: readonly Definition[]) =>
  createRegistry(definitions.map((definition) => ({ definition, file: "a.ts" })));
const registry = registryOf([driver, customer, empty, pair, ...services]);

let store: OnlineStore;
let write: WriteRows;

beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = await readAppliedRegistry(store.control);
  write = createRowWrite({
    ...{ store, registry, applied, maxEntities: 1_000, now: () => NOW_MS },
    ...{ maxFutureMs: 0, expiryGraceMs: 0, onlineStoreLayout: "packed" },
  });
});

/** Models by the service that each takes its features of; undefined for one that has no version. */
const modelsOf = (...taken: readonly (string | undefined)[]) => ({
  list: () =>
    taken.map((service, i) => ({
      name: `m${i}`,
      stable: service === undefined ? undefined : { manifest: { service } },
    })),
});
const example = (from = store, models = modelsOf()) => exampleRequest({ registry, store: from, models });
const row = (id: bigint, values: object | null) => ({
  ...{ entity: { driver_id: id, customer_id: "it's" }, values },
  event_timestamp: "2026-11-22T10:00:00Z",
});

test("without a model it asks for features of an entity that some view has", async () => {
  await write("pair", { rows: [row(1n, null), row(9_007_199_254_740_993n, { a: 1 })] });
  expect(await example()).toEqual({
    route: "/get-online-features",
    body: `{"features":["pair:a","pair:b","pair:c"],"entities":{"customer_id":["it's"],"driver_id":[9007199254740993]}}`,
  });
});

test("it asks the first model that can be asked with one entity's key", async () => {
  await write("pair", { rows: [row(1n, { a: 1 })] });
  expect(await example(store, modelsOf(undefined, "gone", "of_empty", "of_pair", "of_pair"))).toEqual({
    route: "/predict",
    body: `{"model":"m3","entities":{"customer_id":"it's","driver_id":1}}`,
  });
});

test("without a row there is none, but one to fill in", async () => {
  await write("pair", { rows: [row(1n, null)] });
  expect(await example()).toBeUndefined();
  expect(requestToFillIn({ registry })?.body).toBe(`{"features":["empty:nothing"],"entities":{"driver_id":[17]}}`);
  expect(requestToFillIn({ registry: createRegistry([]) })).toBeUndefined();
});

test.each([
  [int64(), "17"],
  [bool(), "true"],
  [string(), '"abc"'],
  [timestamp(), '"2026-01-01T00:00:00Z"'],
  [bytes(), '"AQID"'],
])("a key of kind $kind is filled in with one that the gateway takes", (type, filled) => {
  const keyed = entity("keyed", { joinKeys: { key: type } });
  const view = featureView("view", { entities: [keyed], schema: { x: float64() } });
  const body = requestToFillIn({ registry: registryOf([keyed, view]) })?.body;
  expect(body).toBe(`{"features":["view:x"],"entities":{"key":[${filled}]}}`);
});

/** A store whose pages never end, and of which view each was. */
function endlessStore() {
  const pages: string[] = [];
  const scan: OnlineStore["scan"] = async (view) => {
    pages.push(view);
    return { rows: [], cursor: "more" };
  };
  return { pages, endless: { ...store, scan } };
}

test("a view is looked through once, for however many models, and not for ever", async () => {
  const { pages, endless } = endlessStore();
  const models = modelsOf(...Array.from({ length: 50 }, () => ["of_pair", "of_empty"]).flat());
  expect(await example(endless, models)).toBeUndefined();
  expect(pages).toHaveLength(200);
});

test("models and features together look through so many views and no more", async () => {
  const { pages, endless } = endlessStore();
  const views = Array.from({ length: 30 }, (_, i) =>
    featureView(`view${i}`, { entities: [driver], schema: { x: float64() } }),
  );
  const taken = views.slice(20, 26).map((view) => featureService(`of_${view.name}`, [view]));
  const many = registryOf([driver, ...views, ...taken]);
  const models = modelsOf(...taken.map(({ name }) => name));
  expect(await exampleRequest({ registry: many, store: endless, models })).toBeUndefined();
  expect(pages).toHaveLength(1_000);
  expect(new Set(pages).size).toBe(10);
});

const URL = "http://localhost:8080";
const features = { route: "/get-online-features", body: `{"it's":1}` } as const;
const curl = (token: string) =>
  `curl -s ${URL}/get-online-features -H 'content-type: application/json'${token} -d '{"it'\\''s":1}'`;
const guarded = { adminToken: "s3cret", feastReads: "token" } as const;
const WITH_TOKEN = ' -H "authorization: Bearer $HEADGATE_ADMIN_TOKEN"';

test("the token is taken of the environment, and never shown", () => {
  const environment = { HEADGATE_ADMIN_TOKEN: "s3cret" };
  expect(curlOf(URL, guarded, environment, features)).toBe(curl(WITH_TOKEN));
  expect(curlOf(URL, { ...guarded, feastReads: "open" }, environment, features)).toBe(curl(""));
  expect(curlOf(URL, { ...guarded, adminToken: "" }, {}, features)).toBe(curl(""));
  expect(curlOf(URL, guarded, {}, { route: "/predict", body: "{}" })).toBe(
    `curl -s ${URL}/predict -H 'content-type: application/json' -d '{}'`,
  );
});

test.each([{}, { HEADGATE_ADMIN_TOKEN: "" }])(
  "a token of the config file alone is first put there, with %o",
  (environment) => {
    const put = "export HEADGATE_ADMIN_TOKEN='<adminToken of headgate.config.ts>'";
    expect(curlOf(URL, guarded, environment, features)).toBe(`${put}\n  ${curl(WITH_TOKEN)}`);
  },
);
