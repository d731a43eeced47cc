import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import avro from "avsc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entity, featureView, float64, int64, kafkaSource, string } from "../headgate.ts";
import {
  findSchemaRegistry,
  type RunningSchemaRegistry,
  startSchemaRegistry,
} from "../test/harness/schema-registry.ts";
import { compileTopicDecoder } from "./decode.ts";
import { MISSING_SCHEMA_MS, openSchemaRegistry } from "./schema-registry.ts";

const NOW = 1_700_000_000_000;

function framed(id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, payload]);
}

const record = (value: Buffer, key: Buffer | null = null) => ({
  offset: 7n,
  timestampMs: NOW,
  key,
  value,
  headers: [],
});

describe("a registry that is scripted", () => {
  const asked: string[] = [];
  const logins: (string | undefined)[] = [];
  let answer: (path: string, response: ServerResponse) => void;
  let server: Server;
  let url: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url!);
      logins.push(request.headers.authorization);
      answer(request.url!, response);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const json = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const open = (rest = {}) => {
    asked.length = 0;
    logins.length = 0;
    return openSchemaRegistry(url, { now: () => NOW, ...rest });
  };

  test("a schema is fetched once, however many ask, and is there at once afterwards", async () => {
    answer = (_, response) => json(response, 200, { schema: `"long"` });
    const registry = open();
    const [one, two] = await Promise.all([registry.schema(7), registry.schema(7)]);
    expect(one).toEqual({ id: 7, kind: "AVRO", text: `"long"`, references: [] });
    expect(two).toBe(one);
    expect(registry.schema(7)).toBe(one);
    expect(asked).toEqual(["/schemas/ids/7"]);
  });

  test("the longest unused schema makes room", async () => {
    answer = (_, response) => json(response, 200, { schema: `"long"`, schemaType: "AVRO" });
    const registry = open({ keptSchemas: 2 });
    for (const id of [1, 2, 1, 3]) await registry.schema(id);
    expect(registry.schema(1)).not.toBeInstanceOf(Promise);
    expect(registry.schema(2)).toBeInstanceOf(Promise);
    await registry.schema(2);
    expect(asked).toEqual([1, 2, 3, 2].map((id) => `/schemas/ids/${id}`));
  });

  test("an id that is not there is asked for again after a while", async () => {
    let nowMs = NOW;
    answer = (_, response) => json(response, 404, { error_code: 40403, message: "Schema 9 not found" });
    const registry = open({ now: () => nowMs });
    expect(await registry.schema(9)).toBeUndefined();
    expect(registry.schema(9)).toBeUndefined();
    nowMs += MISSING_SCHEMA_MS;
    answer = (_, response) => json(response, 200, { schema: `"long"` });
    expect(await registry.schema(9)).toMatchObject({ id: 9 });
  });

  test("the address's login is sent and not shown", async () => {
    answer = (_, response) => json(response, 401, {});
    open();
    const withLogin = url.replace("http://", "http://us%40er:p%3Ass@");
    const refused = openSchemaRegistry(`${withLogin}/`, { now: () => NOW }).schema(1) as Promise<unknown>;
    const error = (await refused.catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: "STREAM_DENIED" });
    expect(error.message).not.toContain("p:ss");
    expect(logins).toEqual([`Basic ${Buffer.from("us@er:p:ss").toString("base64")}`]);
  });

  test.each([
    ["a 404 that is not the registry's", (r: ServerResponse) => json(r, 404, { error: "no such page" }), /HTTP 404/],
    ["an error of its own", (r: ServerResponse) => json(r, 500, {}), /HTTP 500/],
    ["something else than JSON", (r: ServerResponse) => r.end("<html>"), /no schema/],
    ["a cut connection", (r: ServerResponse) => r.destroy(), /does not answer/],
    ["silence", () => {}, /does not answer/],
  ])("%s is the registry's fault, and the next one who asks tries again", async (_, reply, sentence) => {
    answer = (_, response) => reply(response);
    const registry = open({ timeoutMs: 300 });
    const error = (await (registry.schema(1) as Promise<unknown>).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: "STREAM_UNREACHABLE", retriable: true });
    expect(error.message).toMatch(sentence);
    answer = (_, response) => json(response, 200, { schema: `"long"` });
    expect(await registry.schema(1)).toMatchObject({ id: 1 });
  });
});

const found = findSchemaRegistry();

describe.skipIf("missing" in found)(
  `a real registry${"missing" in found ? ` (${found.missing})` : ""}`,
  { timeout: 180_000 },
  () => {
    let server: RunningSchemaRegistry;
    beforeAll(async () => {
      server = await startSchemaRegistry(found as Exclude<typeof found, { missing: string }>);
    }, 180_000);

    const customer = entity("customer", { joinKeys: { customer_id: int64() } });
    const source = (format: "avro" | "json-schema") =>
      kafkaSource({ topic: "orders", timestampField: "event_ts", format });
    const viewOf = (format: "avro" | "json-schema") =>
      featureView("orders", {
        entities: [customer],
        schema: { total: float64(), currency: string() },
        stream: source(format),
      });
    const decoderOf = (format: "avro" | "json-schema", url = server.url) =>
      compileTopicDecoder(
        [{ view: viewOf(format), source: source(format) }],
        openSchemaRegistry(url, { now: () => NOW }),
      );
    const field = (name: string, type: unknown, rest = {}) => ({ name, type, ...rest });
    const time = { type: "long", logicalType: "timestamp-micros" };

    test("two writers' schemas of one topic, interleaved", async () => {
      const fields = [field("customer_id", "long"), field("event_ts", time), field("total", "double")];
      const [first, second] = [fields, [field("currency", ["null", "string"], { default: null }), ...fields]].map(
        (each) => ({ type: "record", name: "Order", namespace: "shop", fields: each }) as avro.Schema,
      );
      const ids: number[] = [];
      for (const schema of [first, second]) {
        ids.push(await server.register("orders-value", JSON.stringify(schema)));
      }
      expect(ids[0]).not.toBe(ids[1]);
      const types = [first, second].map((schema) => avro.Type.forSchema(schema!));
      const decoder = decoderOf("avro");
      for (let i = 0; i < 6; i++) {
        const event = { customer_id: i, event_ts: 1_700_000_000_000_000 + i, total: i / 7, currency: "EUR" };
        const value = framed(ids[i % 2]!, types[i % 2]!.toBuffer(event));
        const decoded = decoder.decode(record(value));
        expect(decoded instanceof Promise).toBe(i < 2);
        expect(await decoded).toEqual([
          {
            row: {
              entity: [i],
              values: [i / 7, i % 2 === 0 ? null : "EUR"],
              eventTimestampUs: 1_700_000_000_000_000 + i,
              createdTimestampUs: NOW * 1_000,
              position: 7,
            },
          },
        ]);
      }
    });

    test("a schema that refers to another", async () => {
      const money = { type: "record", name: "Money", namespace: "shop", fields: [field("amount", "double")] };
      await server.register("money", JSON.stringify(money));
      const order = {
        type: "record",
        name: "Paid",
        namespace: "shop",
        fields: [field("customer_id", "long"), field("event_ts", time), field("total", "shop.Money")],
      };
      const references = [{ name: "shop.Money", subject: "money", version: 1 }];
      const id = await server.register("paid-value", JSON.stringify(order), { references });
      const registry = openSchemaRegistry(server.url, { now: () => NOW });
      expect(await registry.schema(id)).toMatchObject({ references: [expect.stringContaining("Money")] });
      const named = kafkaSource({
        topic: "paid",
        timestampField: "event_ts",
        format: "avro",
        columns: { total: "total.amount" },
      });
      const view = featureView("paid", { entities: [customer], schema: { total: float64() }, stream: named });
      const whole = { ...order, fields: [...order.fields.slice(0, 2), field("total", money)] } as avro.Schema;
      const payload = avro.Type.forSchema(whole).toBuffer({
        customer_id: 1,
        event_ts: NOW * 1_000,
        total: { amount: 2.5 },
      });
      const decoder = compileTopicDecoder([{ view, source: named }], registry);
      expect(await decoder.decode(record(framed(id, payload)))).toMatchObject([{ row: { values: [2.5] } }]);
    });

    test("JSON Schema", async () => {
      const schema = { type: "object", properties: { customer_id: { type: "integer" }, total: { type: "number" } } };
      const id = await server.register("js-value", JSON.stringify(schema), { schemaType: "JSON" });
      const payload = Buffer.from(`{"customer_id":9007199254740993,"total":"NaN","event_ts":${NOW}}`);
      expect(await decoderOf("json-schema").decode(record(framed(id, payload)))).toMatchObject([
        { row: { entity: [9007199254740993n], values: [Number.NaN, null], eventTimestampUs: NOW * 1_000 } },
      ]);
      const asAvro = await decoderOf("avro").decode(record(framed(id, payload)));
      expect(asAvro).toEqual([{ refused: `the value has schema id ${id}, which is JSON, not AVRO` }]);
    });

    test("an id that the registry does not have", async () => {
      expect(await decoderOf("avro").decode(record(framed(1_000_000, Buffer.of(2))))).toEqual([
        { refused: "the value has schema id 1000000, which is not in the registry" },
      ]);
    });

    test("an address that is no registry's", async () => {
      const decoded = decoderOf("avro", new URL("/", server.url).href).decode(record(framed(1, Buffer.of(2))));
      await expect(decoded).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
    });
  },
);
