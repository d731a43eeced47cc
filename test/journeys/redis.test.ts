/**
 * The example on a real Redis, by its address alone: everything a user does, two gateways that see each other's world
 * change, a Redis that stops answering, and its return.
 */

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { findRedis, GIVEN_REDIS, givenOrStartedRedis, type RedisAddressed, until } from "../harness/redis.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";

const found = findRedis();
const hasServer = "program" in found || GIVEN_REDIS !== undefined;
const absent = "missing" in found && !hasServer ? ` (${found.missing})` : "";
/** Of its own, since others may use the server too. */
const PROJECT = `t${randomUUID()}`;

describe.skipIf(!hasServer)(`the example on Redis${absent}`, () => {
  const project = copyExample();
  let server: RedisAddressed;
  let proxy: TcpProxy;
  let environment: Readonly<Record<string, string>>;
  let gateways: readonly ServedProject[];

  beforeAll(async () => {
    server = await givenOrStartedRedis("program" in found ? found.program : "");
    proxy = new TcpProxy(server.port, server.host);
    const address = new URL(server.url);
    address.host = `127.0.0.1:${await proxy.listen()}`;
    environment = {
      HEADGATE_ONLINE_STORE: address.href,
      HEADGATE_HEARTBEAT_INTERVAL: "100ms",
      HEADGATE_HEARTBEAT_TIMEOUT: "1900ms",
    };
    const config = `${project}/headgate.config.ts`;
    writeFileSync(config, readFileSync(config, "utf8").replace('"churn"', JSON.stringify(PROJECT)));
    const manifest = `${project}/models/churn/model.json`;
    const written = JSON.parse(readFileSync(manifest, "utf8")) as object;
    writeFileSync(manifest, JSON.stringify({ ...written, stale_if_error: "10m" }));
    await run([process.execPath, "prepare.mjs"], project);
    for (const words of [["apply"], ["materialize-incremental", "now"]]) {
      const { exitCode, stderr } = await run(headgate(...words), project, environment);
      expect(exitCode, stderr).toBe(0);
    }
    gateways = await Promise.all([serve(project, environment), serve(project, environment)]);
  }, 60_000);

  afterAll(async () => {
    for (const gateway of gateways ?? []) gateway.signal("SIGKILL");
    proxy?.close();
  });

  test("features get shows the row in Redis", async () => {
    const { stdout } = await run(
      headgate("features", "get", "customer_30d_features", "customer_id=17"),
      project,
      environment,
    );
    expect(stdout).toContain("served: PRESENT");
    expect(stdout).toContain("tier redis:");
  });

  test("the second answer comes from memory, and the debug view shows both tiers in agreement without filling any", async () => {
    const [first] = gateways as [ServedProject];
    const debug = async (id: number) =>
      (await (await fetch(`${first.url}/features/customer_30d_features?customer_id=${id}`)).json()) as Inspection;
    expect((await debug(17)).tiers.map(({ tier, found }) => [tier, found])).toEqual([
      ["memory", false],
      ["redis", true],
    ]);
    expect([await tierOf(first, 17), await tierOf(first, 17)]).toEqual(["redis", "memory"]);
    expect(await debug(17)).toMatchObject({
      tiers_agree: true,
      tiers: [
        { tier: "memory", found: true },
        { tier: "redis", found: true },
      ],
    });
    expect((await debug(18)).tiers[0]).toEqual({ tier: "memory", found: false });
    expect(await tierOf(first, 18)).toBe("redis");
  });

  test("a row that changes is seen by every gateway, within the bound that readyz tells", async () => {
    for (const gateway of gateways) await tierOf(gateway, 21);
    await server.command("DEL", `${PROJECT}:customer_id=21`);
    for (const gateway of gateways) {
      const readiness = (await (await fetch(`${gateway.url}/readyz`)).json()) as Readiness;
      expect(readiness.online_store.memory).toMatchObject({ state: "armed", staleness_bound_seconds: 2 });
      await until("the row is gone for this gateway", async () => (await ask(gateway, 21)).status === 422);
    }
  });

  test("while Redis does not answer, memory answers and says so, and what it lacks is 503 with Retry-After at once", async () => {
    const [first] = gateways as [ServedProject];
    await tierOf(first, 17);
    proxy.stall();
    await until("the gateway answers from memory", async () => isStale(await ask(first, 17)));
    await until("the breaker is open", async () => (await ask(first, 1_000)).status === 503);
    const startMs = performance.now();
    const refused = await ask(first, 1_001);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await isStale(await ask(first, 17))).toBe(true);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(503);
    proxy.resume();
    await until("the gateway is back by itself", async () => (await ask(first, 1_001)).status === 200);
    await until("memory is current again", async () => (await tierOf(first, 17)) === "memory");
    expect(await isStale(await ask(first, 17))).toBe(false);
  });

  test("metrics tell what memory did", async () => {
    const text = await (await fetch(`${gateways[0]!.url}/metrics`)).text();
    expect(text).toMatch(/^headgate_memory_hits_total [1-9]/m);
    expect(text).toMatch(/^headgate_memory_armed 1$/m);
    expect(text).toMatch(/^headgate_store_round_trip_seconds_count\{operation="read"\} [1-9]/m);
    expect(text).toMatch(/^headgate_feature_age_seconds_count\{feature_view="customer_30d_features"\} [1-9]/m);
    expect(text).toMatch(/^headgate_store_breaker_state 0$/m);
  });
});

interface Inspection {
  readonly tiers_agree: boolean;
  readonly tiers: readonly { readonly tier: string; readonly found: boolean }[];
}

interface Readiness {
  readonly online_store: { readonly memory: object };
}

function ask(gateway: ServedProject, customerId: number, explain = false): Promise<Response> {
  return fetch(`${gateway.url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "churn", entities: { customer_id: customerId }, explain }),
  });
}

async function tierOf(gateway: ServedProject, customerId: number): Promise<string | undefined> {
  const answer = (await (await ask(gateway, customerId, true)).json()) as {
    features?: [{ values: Record<string, { tier: string }> }];
  };
  return answer.features?.[0].values["customer_30d_features:orders_30d"]?.tier;
}

async function isStale(response: Response): Promise<boolean> {
  const answer = (await response.json()) as { features?: [{ stale?: boolean }] };
  return answer.features?.[0].stale === true;
}
