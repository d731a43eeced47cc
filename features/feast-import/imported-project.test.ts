import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { parseFeastRegistry } from "./feast-registry.ts";
import { RegistrySchema } from "./feast-registry_pb.ts";
import { importRegistry } from "./imported-project.ts";

/** Made by Feast 0.67; see apply.py beside it. */
const APPLIED = readFileSync(new URL("fixtures/drivers/registry.db", import.meta.url));

const imported = (bytes: Uint8Array, project = "drivers") =>
  importRegistry(parseFeastRegistry(bytes, project, "registry.db"), (uri) => uri);

// biome-ignore lint/suspicious/noExplicitAny: what a test leaves out of a message is its default
const made = (registry: any) => imported(toBinary(RegistrySchema, create(RegistrySchema, registry)), "p");
const field = (name: string, valueType: number) => ({ name, valueType });
const driver = { spec: { name: "driver", project: "p", joinKey: "driver_id", valueType: 4 } };
const view = (spec: object) => ({
  spec: { name: "stats", project: "p", entities: ["driver"], features: [field("x", 4)], online: true, ...spec },
});

test("entities, views, request sources and services of a registry that Feast applied are definitions", () => {
  const { files, counts } = imported(APPLIED);
  expect(counts).toEqual({ entities: 2, views: 7, requestSources: 1, services: 1 });
  expect([...files.keys()]).toEqual([
    "features/entities.ts",
    "features/views.ts",
    "features/requests.ts",
    "features/services.ts",
    "features/on_demand_views.ts",
  ]);
  expect(files.get("features/entities.ts")).toBe(`// Entities, imported from Feast.

import { entity, int64, string } from "headgate";

export const driver = entity("driver", { joinKeys: { driver_id: int64() }, description: "Who drives." });

export const customer = entity("customer", { joinKeys: { customer_id: string() } });
`);
  const views = files.get("features/views.ts")!;
  expect(views).toContain(`export const driver_hourly_stats = featureView("driver_hourly_stats", {
  entities: [driver],
  ttl: "2d",
  schema: {
    conv_rate: float32(),
    acc_rate: float64(),
    avg_daily_trips: int64(),
  },
  source: fileSource({ path: "data/driver_stats.parquet", timestampField: "event_timestamp", createdField: "created" }),
  description: "Trips by the hour.\\nFrom the warehouse.",
});`);
  expect(views).toContain(`    last_seen: timestamp(),
    embedding: array(float32()),
    tags: array(string()),
  },
  source: fileSource({ path: "data/scalars.parquet", timestampField: "ts", columns: { trips: "trip_count" } }),`);
  expect(views).toContain(`stream: kafkaSource({ topic: "driver-trips", timestampField: "event_timestamp" })`);
  expect(views).toContain(`featureView("exchange_rates", {\n  entities: [],\n  schema`);
  expect(files.get("features/services.ts")).toContain(`driver_hourly_stats.select("conv_rate", "avg_daily_trips"),`);
});

test("what could not be carried over is said, a sentence each", () => {
  const { notes, pushSources, brokers } = imported(APPLIED);
  expect(notes).toEqual([
    "warehouse_stats:settings left out: Map has no form here.",
    'view warehouse_stats has no source: its rows are in BigQuery ("orders_table"). Export them to Parquet and add a fileSource.',
    "view driver_stream has no stream: events of topic driver-hours are Avro whose schema is in the definition. Headgate reads JSON, and Avro framed by a schema registry: if they are, add a kafkaSource with its format.",
    "service activity_v2 left out: it takes trip_rates, which is not carried over.",
    "service renamed_v1 left out: it takes driver_hourly_stats under another name, home.",
    "on-demand view trip_rates left out: its transformation is Python. Its skeleton is in features/on_demand_views.ts.",
  ]);
  expect(pushSources).toEqual(new Map([["driver_push", ["driver_scalars"]]]));
  expect(brokers).toEqual(["broker:9092"]);
});

test("an on-demand view's skeleton and Python are comments, whatever ends their lines", () => {
  const skeleton = imported(APPLIED).files.get("features/on_demand_views.ts")!;
  expect(skeleton).toContain("//   inputs: [trip_request, driver_hourly_stats],");
  expect(skeleton).toContain('//     return {"rate_per_km": inputs["conv_rate"] / inputs["distance_km"]}');
  const onDemandFeatureViews = [
    {
      spec: {
        name: "a\nthrow 1",
        project: "p",
        userDefinedFunction: { bodyText: "1\u2028throw 2\rthrow 3" },
      },
    },
  ];
  const { files } = made({ entities: [driver], onDemandFeatureViews });
  for (const line of files.get("features/on_demand_views.ts")!.split(/[\n\r\u2028\u2029]/)) {
    expect(line === "" || line.startsWith("//"), line).toBe(true);
  }
});

test("names that are taken or reserved get another constant, and descriptions are only texts", () => {
  const entities = [{ spec: { ...driver.spec, name: "default", description: '` " bool( \u2028' } }, driver];
  const featureViews = [view({ name: "driver", entities: ["driver", "default"] }), view({ name: "string" })];
  const { files, notes } = made({ entities, featureViews });
  expect(files.get("features/entities.ts")).toContain('export const default_entity = entity("default"');
  expect(files.get("features/views.ts")).toContain("export const driver_view = featureView");
  expect(files.get("features/views.ts")).toContain("export const string_view = featureView");
  expect(files.get("features/views.ts")).toContain('import { default_entity, driver } from "./entities.ts";');
  expect(notes).toEqual([]);
});

test("a join key has the type of the views' rows", () => {
  const entities = [{ spec: { ...driver.spec, valueType: 2 } }];
  const featureViews = [
    view({ entityColumns: [field("driver_id", 3)] }),
    view({ name: "b", entityColumns: [field("driver_id", 4)] }),
  ];
  const { files, notes } = made({ entities, featureViews });
  expect(files.get("features/entities.ts")).toContain("driver_id: int32()");
  expect(notes).toEqual([
    "view b has join key driver_id of another type than a view before it; a join key has one type here.",
  ]);
});

test.each([
  [
    "an entity by a float",
    { entities: [{ spec: { ...driver.spec, valueType: 5 } }], featureViews: [view({})] },
    ["entity driver left out: its join key", "view stats left out: its entity driver is"],
  ],
  ["an entity's name", { entities: [{ spec: { ...driver.spec, name: "a-b" } }] }, ["entity a-b left out"]],
  ["a view's name", { entities: [driver], featureViews: [view({ name: "9" })] }, ["view 9 left out: a name starts"]],
  [
    "a view of other types",
    { entities: [driver], featureViews: [view({ features: [field("m", 34)] })] },
    ["stats:m left out: Struct", "view stats left out: none of its features"],
  ],
  [
    "a feature's name",
    { entities: [driver], featureViews: [view({ features: [field("a b", 4), field("x", 4)] })] },
    ["stats:a b left out: the name"],
  ],
  [
    "a computed view",
    {
      entities: [driver],
      featureViews: [view({ featureTransformation: new Uint8Array([1]), online: false, disabled: true })],
    },
    ["view stats: Feast computes its rows", "is not online", "is disabled"],
  ],
  [
    "a Delta table",
    {
      entities: [driver],
      featureViews: [
        view({
          batchSource: {
            type: 1,
            timestampField: "t",
            fileOptions: { uri: "x", fileFormat: { deltaFormat: new Uint8Array() } },
          },
        }),
      ],
    },
    ["x is a Delta table"],
  ],
  [
    "another file system",
    {
      entities: [driver],
      featureViews: [view({ batchSource: { type: 1, timestampField: "t", fileOptions: { uri: "gs://b/x" } } })],
    },
    ["gs://b/x is neither"],
  ],
  [
    "no event time",
    { entities: [driver], featureViews: [view({ batchSource: { type: 1, fileOptions: { uri: "x" } } })] },
    ["does not say which column of x"],
  ],
  [
    "an S3 endpoint",
    {
      entities: [driver],
      featureViews: [
        view({
          batchSource: {
            type: 1,
            timestampField: "t",
            datePartitionColumn: "d",
            fileOptions: { uri: "s3://x", s3EndpointOverride: "http://s" },
          },
        }),
      ],
    },
    ["set AWS_ENDPOINT_URL_S3=http://s", 'date_partition_column "d" is not used'],
  ],
  [
    "Kinesis",
    { entities: [driver], featureViews: [view({ streamSource: { type: 4, name: "k" } })] },
    ['"k" is Kinesis'],
  ],
  [
    "Protobuf events",
    {
      entities: [driver],
      featureViews: [
        view({
          streamSource: {
            type: 3,
            timestampField: "t",
            kafkaOptions: { topic: "k", messageFormat: { protoFormat: new Uint8Array() } },
          },
        }),
      ],
    },
    ["are Protobuf"],
  ],
  [
    "a mapping to no field",
    {
      entities: [driver],
      featureViews: [
        view({
          batchSource: {
            type: 1,
            name: "f",
            timestampField: "t",
            fieldMapping: { a: "gone" },
            fileOptions: { uri: "x" },
          },
        }),
      ],
    },
    ['"a" is mapped to "gone"'],
  ],
  [
    "other things",
    { entities: [driver], permissions: [new Uint8Array(), new Uint8Array()], labelViews: [new Uint8Array()] },
    ["2 permissions left out", "1 label view left out"],
  ],
  [
    "a service's mapped key",
    {
      entities: [driver],
      featureViews: [view({})],
      featureServices: [
        {
          spec: {
            name: "s",
            project: "p",
            features: [{ featureViewName: "stats", joinKeyMap: { driver_id: "home" } }],
          },
        },
      ],
    },
    ["it looks stats up by home in place of driver_id"],
  ],
  [
    "a service's missing feature",
    {
      entities: [driver],
      featureViews: [view({})],
      featureServices: [
        {
          spec: { name: "s", project: "p", features: [{ featureViewName: "stats", featureColumns: [field("y", 4)] }] },
        },
      ],
    },
    ["it takes stats:y, which is left out"],
  ],
  [
    "a vector index",
    { entities: [driver], featureViews: [view({ features: [{ ...field("v", 16), vectorIndex: true }] })] },
    ["stats:v: there is no vector search"],
  ],
])("%s is said", (_, registry, sentences) => {
  const { notes } = made(registry);
  expect(notes).toHaveLength(sentences.length);
  for (const [i, sentence] of sentences.entries()) expect(notes[i]).toContain(sentence);
});

test("a file that is no registry, and one without the project, are refused", () => {
  expect(() => imported(Buffer.from("no registry"))).toThrow("registry.db is no registry of Feast's");
  expect(() => imported(APPLIED, "other")).toThrow('no definition of project "other"; it has projects: drivers');
});
