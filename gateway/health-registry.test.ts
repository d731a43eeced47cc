/** A gateway whose Redis is emptied while it runs. */

import { cpSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Config, loadConfig } from "../config.ts";
import { applyRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { type FeatureView, featureView } from "../features/feature-view.ts";
import { createRegistry, type Registry } from "../features/registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import { openOnlineStore } from "../features/store/open.ts";
import { createViewWriter, recordOrigin } from "../features/writer.ts";
import { findRedis, type RedisServer, startRedis, until } from "../test/harness/redis.ts";
import { type Gateway, startGateway } from "./main.ts";

const EXAMPLE = new URL("../examples/churn", import.meta.url).pathname;
const VIEW = "customer_30d_features";
/** Of three fields of one type, so that one row can be read as another. */
const VALUES = { orders_30d: 4, aov_30d: 49.5, returns_rate_30d: 0.25, time_since_last_d: 3 };
const TOKEN = "s3cret";

const found = findRedis();
const project = realpathSync(mkdtempSync(join(tmpdir(), "headgate-emptied-")));
cpSync(EXAMPLE, project, { recursive: true, filter: (file) => basename(file) !== ".headgate" });
afterAll(() => rmSync(project, { recursive: true }));

/** The registry as it would be with the view's fields in the other order. */
function turned(registry: Registry): Registry {
  const { entities, schema } = registry.views.get(VIEW)!;
  const reversed = Object.fromEntries(Object.entries(schema).reverse());
  const view = featureView(VIEW, { entities, ttl: "2d", schema: reversed });
  return createRegistry([...entities, view].map((definition) => ({ definition, file: "features/turned.ts" })));
}

describe.skipIf("missing" in found)("a Redis that is emptied under a gateway", { timeout: 90_000 }, () => {
  let redis: RedisServer;
  let config: Config;
  let registry: Registry;
  let nowMs = Date.now();
  const logged: string[] = [];
  beforeAll(async () => {
    redis = await startRedis("program" in found ? found.program : "");
    const environment = { HEADGATE_PORT: "0", HEADGATE_ADMIN_TOKEN: TOKEN, HEADGATE_DRAIN_GRACE: "0s" };
    config = await loadConfig(project, { ...environment, HEADGATE_ONLINE_STORE: redis.url });
    registry = await loadFeatureRepository(project);
  });

  /** Applies a registry, and loads customer 1's row by it. */
  const applyAndLoad = async (of: Registry) => {
    const store = await openOnlineStore(config.onlineStore, { ...config, redis: { minReplicas: 0 } });
    await applyRegistry(store.control, of, { gitCommit: undefined, nowMs: ++nowMs });
    const view = of.views.get(VIEW) as FeatureView;
    const applied = requireApplied(await readAppliedRegistry(store.control), of, [view]).get(VIEW)!;
    const origin = { originId: await recordOrigin(store.control, { run: "load" }), sourceRank: SOURCE_RANK.file };
    const bounds = { maxFutureMs: 300_000, expiryGraceMs: 3_600_000, onlineStoreLayout: "packed" as const };
    const writer = createViewWriter({ store, view, applied, ...origin, ...bounds });
    const at = (nowMs - 60_000) * 1_000;
    const values = Object.keys(view.schema).map((field) => VALUES[field as keyof typeof VALUES]);
    const times = { eventTimestampUs: at, createdTimestampUs: at, position: 0 };
    const row = writer.encode({ entity: [1], values, ...times }, nowMs);
    await writer.write(["refused" in row ? expect.fail(row.refused) : row]);
    await store.close();
  };
  const readiness = async ({ url }: Gateway): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}/readyz`);
    return { code: response.status, ...((await response.json()) as Record<string, unknown>) };
  };
  const post = (gateway: Gateway, path: string, body: object) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
    return fetch(`${gateway.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  };
  const predict = async (gateway: Gateway) =>
    (await post(gateway, "/predict", { model: "churn", entities: { customer_id: 1 } })).status;
  const write = async (gateway: Gateway) => {
    const row = { entity: { customer_id: 2 }, values: VALUES, event_timestamp: new Date(nowMs).toISOString() };
    return (await post(gateway, `/features/${VIEW}/rows`, { rows: [row] })).status;
  };
  /** The statuses and values of customer 1's fields; by their places in the row. */
  const served = async (gateway: Gateway) => {
    const features = Object.keys(VALUES).map((field) => `${VIEW}:${field}`);
    const body = { features, entities: { customer_id: [1] }, full_feature_names: false };
    const answer = (await (await post(gateway, "/get-online-features", body)).json()) as {
      metadata: { feature_names: string[] };
      results: { values: unknown[]; statuses: string[] }[];
    };
    const { feature_names: names } = answer.metadata;
    const read = names.map((name, i) => [name, `${answer.results[i]!.statuses[0]} ${answer.results[i]!.values[0]}`]);
    return Object.fromEntries(read.filter(([name]) => name !== "customer_id"));
  };
  const registryLines = () => logged.filter((line) => line.includes("applied registry"));

  test("it is not ready, takes no rows and says what to do, until it is loaded again", async () => {
    await redis.command("FLUSHALL");
    await applyAndLoad(registry);
    const gateway = await startGateway(config, (line) => void logged.push(line));
    expect(await readiness(gateway)).toMatchObject({ code: 200, registry_problem: null });
    expect([await predict(gateway), await write(gateway)]).toEqual([200, 200]);

    await redis.command("FLUSHALL");
    await until("the gateway to notice", async () => (await readiness(gateway)).code === 503);
    expect(await readiness(gateway)).toMatchObject({
      ...{ code: 503, status: "not ready" },
      applied_fingerprint: null,
      registry_problem: expect.stringContaining('Run "headgate apply"'),
    });
    expect([await predict(gateway), await write(gateway)]).toEqual([422, 409]);

    await applyAndLoad(registry);
    await until("the gateway to notice", async () => (await readiness(gateway)).code === 200);
    expect(await readiness(gateway)).toMatchObject({ applied_fingerprint: registry.fingerprint });
    expect([await predict(gateway), await write(gateway)]).toEqual([200, 200]);
    await gateway.close();
    expect(registryLines().map((line) => JSON.parse(line).level)).toEqual(["warn", "info"]);
  });

  test("it reads no row by another's schema when ids are given anew, and asks for a restart", async () => {
    await redis.command("FLUSHALL");
    await applyAndLoad(turned(registry));
    const store = await openOnlineStore(config.onlineStore, { ...config, redis: { minReplicas: 0 } });
    await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: ++nowMs });
    await store.close();
    const gateway = await startGateway(config, () => {});
    // The row that was written before the fields were turned: its schema, of id 1, is kept from here on.
    expect(await predict(gateway)).toBe(200);

    await redis.command("FLUSHALL");
    await until("the gateway to notice", async () => (await readiness(gateway)).code === 503);
    await applyAndLoad(registry);
    await until("the gateway to notice", async () => (await readiness(gateway)).applied_fingerprint !== null);
    expect(await readiness(gateway)).toMatchObject({
      ...{ code: 503, status: "not ready" },
      registry_problem: expect.stringContaining("Restart"),
    });
    expect([await predict(gateway), await write(gateway)]).toEqual([422, 409]);
    await gateway.close();

    const restarted = await startGateway(config, () => {});
    expect(await readiness(restarted)).toMatchObject({ code: 200, registry_problem: null });
    expect([await predict(restarted), await write(restarted)]).toEqual([200, 200]);
    await restarted.close();
  });

  test("it does not go on serving what it read by another's schema before it had noticed", async () => {
    await redis.command("FLUSHALL");
    await applyAndLoad(turned(registry));
    const store = await openOnlineStore(config.onlineStore, { ...config, redis: { minReplicas: 0 } });
    await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: ++nowMs });
    await store.close();
    const gateway = await startGateway(config, () => {});
    const right = Object.fromEntries(Object.entries(VALUES).map(([field, value]) => [field, `PRESENT ${value}`]));
    expect(await served(gateway)).toEqual(right);

    await redis.command("FLUSHALL");
    await applyAndLoad(registry);
    await until("the gateway to notice", async () => {
      await served(gateway);
      return String((await readiness(gateway)).registry_problem).includes("Restart");
    });
    const none = Object.fromEntries(Object.keys(VALUES).map((field) => [field, "NOT_FOUND null"]));
    expect(await served(gateway)).toEqual(none);
    await gateway.close();
  });
});
