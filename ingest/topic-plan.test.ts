import { expect, test } from "vitest";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { int64, timestamp } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { kafkaSource } from "../features/source.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { compileTopicDecoder } from "./decode.ts";
import { planOrders } from "./test-fixtures/stream.ts";
import { chooseStreams, planTopics } from "./topic-plan.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const source = (topic: string) => kafkaSource({ topic, timestampField: "ts" });
const view = (name: string, ...topics: readonly string[]) =>
  featureView(name, { entities: [customer], schema: { total: int64() }, stream: topics.map(source) });
const registryOf = (...views: readonly ReturnType<typeof view>[]) =>
  createRegistry([customer, ...views].map((definition) => ({ definition, file: "features/a.ts" })));
const registry = registryOf(view("a", "orders", "clicks"), view("b", "orders"), view("c"));

const topicsOf = (names?: readonly string[]) =>
  [...chooseStreams(registry, names)].map(([topic, subscriptions]) => [
    topic,
    subscriptions.map((subscription) => subscription.view.name),
  ]);

test("a topic feeds every view that reads it, and a view reads all its topics", () => {
  expect(topicsOf()).toEqual([
    ["clicks", ["a"]],
    ["orders", ["a", "b"]],
  ]);
  expect(topicsOf(["b", "b"])).toEqual([["orders", ["b"]]]);
});

test("a view without a stream is refused by name, and a project that has none", () => {
  expect(() => topicsOf(["c"])).toThrow('Feature view "c" has no stream. Add stream: kafkaSource(');
  expect(() => topicsOf(["d"])).toThrow(expect.objectContaining({ code: "VIEW_NOT_FOUND" }));
  expect(() => chooseStreams(registryOf(view("c")), undefined)).toThrow(
    expect.objectContaining({
      code: "SOURCE_NOT_FOUND",
      message: expect.stringContaining("No feature view has a stream"),
    }),
  );
});

test("a topic whose dead letters could have no topic is refused", () => {
  const longest = "t".repeat(245);
  expect([...chooseStreams(registryOf(view("a", longest)), undefined).keys()]).toEqual([longest]);
  expect(() => chooseStreams(registryOf(view("a", `${longest}t`)), undefined)).toThrow(
    expect.objectContaining({ code: "DEFINITION_INVALID", message: expect.stringContaining(`Feature view "a" reads`) }),
  );
});

test("what has no key in the store's layout is refused record by record", async () => {
  const { control } = openMemoryStore();
  const shift = entity("shift", { joinKeys: { began: timestamp() } });
  const shifts = featureView("shifts", { entities: [shift], schema: { total: int64() }, stream: source("shifts") });
  const registry = createRegistry([shift, shifts].map((definition) => ({ definition, file: "features/a.ts" })));
  const plan = planTopics({
    streams: chooseStreams(registry, undefined),
    applied: new Map([["shifts", { schemaId: 1, generation: 1 }]]),
    compileDecoder: (subscriptions) => compileTopicDecoder(subscriptions, undefined),
    ...{ control, maxFutureMs: 0, expiryGraceMs: 0, onlineStoreLayout: "feast" },
  });
  const [encoder] = await plan.topics.get("shifts")!.encoders(0);
  const outcome = (began: number) =>
    encoder!.encode({ entity: [began], values: [1], eventTimestampUs: 0, createdTimestampUs: 0, position: 0 }, 0);
  expect(outcome(1_500_000)).toEqual({ refused: expect.stringContaining("in Feast's layout") });
  expect(outcome(2_000_000)).toMatchObject({ key: "began=2000000" });
});

test("a partition's origin is recorded at its first batch, and anew when it may have been lost", async () => {
  const memory = openMemoryStore();
  const { plan } = await planOrders(memory);
  const topic = plan.topics.get("orders")!;
  expect(await memory.control.list("origin/")).toEqual([]);
  const encoders = await topic.encoders(3);
  expect(encoders.map(({ fields }) => fields)).toEqual(
    topic.views.map((name) => [name === "totals" ? "total" : "mean"]),
  );
  expect(topic.encoders(3)).toBe(encoders);
  await topic.encoders(4);
  const origins = await memory.control.list("origin/");
  expect(origins.length).toBe(2);
  expect(Buffer.from((await memory.control.get(origins[0]!))!).toString()).toBe('{"topic":"orders","partition":3}');
  plan.forgetOrigins();
  expect(topic.encoders(3)).toBeInstanceOf(Promise);
});
