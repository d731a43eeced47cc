/**
 * Feast itself and Headgate on one Redis: what Feast's `materialize` and its online store write, the gateway serves; what
 * Headgate writes, Feast's SDK reads; of every type, with nulls, for keys of two parts and for none. And each sees at
 * once what the other changed.
 */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parseExact, small, writeExact } from "../harness/exact-json.ts";
import { type FeastJson, type FeastRepository, feastProject, feastRepository } from "../harness/feast-project.ts";
import { headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { PYTHON_MISSING, pythonEnv } from "../harness/python-env.ts";
import { findRedis, type RedisServer, startRedis, until } from "../harness/redis.ts";

const redis = findRedis();
const python = await pythonEnv("feast", ["feast[redis]==0.67.0"]);
const absent = python === undefined ? ` (${PYTHON_MISSING})` : "missing" in redis ? ` (${redis.missing})` : "";

/** Feast takes ten seconds to be imported where it has the machine to itself, and is several times, ms. */
const START_TIMEOUT_MS = 240_000;
const TOKEN = "feast-layout-token";
const HOUR_MS = 3_600_000;
const NOW_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
const ago = (hours: number) => new Date(NOW_MS - hours * HOUR_MS).toISOString();
/** Whole hours, some in one hour; 2^53 + 1 must come through. */
const LINES = Array.from({ length: 500 }, (_, i) => ({
  customerId: 1_000 + i,
  count: i === 0 ? 2n ** 53n + 1n : BigInt(i * 3 - 7),
  ratio: i / 7,
  eventMs: NOW_MS - (1 + (i % 5)) * HOUR_MS,
}));

/** Feature → its value as Feast has it, as Headgate's JSON has it, and as Feast reads it where that differs. */
const VALUES: Readonly<Record<string, readonly [FeastJson, unknown]>> = {
  f_int32: [{ int32Val: -5 }, -5],
  f_int64: [{ int64Val: "9223372036854775807" }, 9223372036854775807n],
  f_float32: [{ floatVal: 1.5 }, 1.5],
  f_float64: [{ doubleVal: 0.1 }, 0.1],
  f_string: [{ stringVal: "Jürgen 🎈" }, "Jürgen 🎈"],
  f_bool: [{ boolVal: false }, false],
  f_bytes: [{ bytesVal: "AP97" }, "AP97"],
  f_timestamp: [{ unixTimestampVal: "1700000000" }, "2023-11-14T22:13:20.000Z"],
  l_int32: [{ int32ListVal: { val: [1, -1, 0] } }, [1, -1, 0]],
  l_int64: [{ int64ListVal: { val: ["9007199254740993", "-1"] } }, [9007199254740993n, -1]],
  l_float32: [{ floatListVal: { val: [0.5, -2] } }, [0.5, -2]],
  l_float64: [{ doubleListVal: { val: [0.1, "NaN"] } }, [0.1, "NaN"]],
  l_string: [{ stringListVal: { val: ["", "é"] } }, ["", "é"]],
  l_bool: [{ boolListVal: { val: [true, false] } }, [true, false]],
  l_bytes: [{ bytesListVal: { val: ["YQ==", ""] } }, ["YQ==", ""]],
  l_timestamp: [
    { unixTimestampListVal: { val: ["5", "-1"] } },
    ["1970-01-01T00:00:05.000Z", "1969-12-31T23:59:59.000Z"],
  ],
};
const asFeast = Object.fromEntries(Object.entries(VALUES).map(([name, [feast]]) => [name, feast]));
const asHeadgate = Object.fromEntries(Object.entries(VALUES).map(([name, [, ours]]) => [name, ours]));
const NULLS = Object.fromEntries(Object.keys(VALUES).map((name) => [name, null]));
const FEAST_NULLS = Object.fromEntries(Object.keys(VALUES).map((name) => [name, {}]));
const ALL = Object.keys(VALUES).map((name) => `everything:${name}`);

interface Example {
  readonly inputs: Readonly<Record<string, number>>;
  readonly outputs: { readonly probabilities: readonly number[] };
}
interface Manifest {
  readonly examples: readonly Example[];
}
interface Explained {
  readonly predictions: readonly { readonly probabilities: readonly number[] }[];
  readonly features: readonly { readonly values: Readonly<Record<string, { readonly tier: string }>> }[];
}

interface Served {
  readonly served: {
    readonly status: string;
    readonly event_timestamp: string | null;
    readonly values: Readonly<Record<string, { readonly value: unknown; readonly status: string }>>;
  };
  readonly tiers: readonly { readonly tier: string; readonly found: boolean }[];
}

describe.skipIf(absent !== "")(`Feast and Headgate on one Redis${absent}`, { timeout: 120_000 }, () => {
  let server: RedisServer;
  let feast: FeastRepository;
  let project: string;
  let gateway: ServedProject;
  let environment: Readonly<Record<string, string>>;

  beforeAll(async () => {
    server = await startRedis("program" in redis ? redis.program : "");
    feast = await feastRepository(python!, server, LINES);
    project = feastProject(LINES);
    environment = {
      HEADGATE_ONLINE_STORE: server.url,
      HEADGATE_ADMIN_TOKEN: TOKEN,
      HEADGATE_HEARTBEAT_INTERVAL: "100ms",
    };
    const { exitCode, stderr } = await run(headgate("apply"), project, environment);
    expect(exitCode, stderr).toBe(0);
    gateway = await serve(project, environment);
  }, START_TIMEOUT_MS);

  const get = async (view: string, query: string): Promise<Served> => {
    const response = await fetch(`${gateway.url}/features/${view}?${query}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(response.status).toBe(200);
    return parseExact(await response.text()) as Served;
  };
  const valuesOf = ({ served }: Served) =>
    Object.fromEntries(Object.entries(served.values).map(([name, { value }]) => [name, value]));
  const post = async (view: string, rows: readonly object[]) => {
    const response = await fetch(`${gateway.url}/features/${view}/rows`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: writeExact({ rows }),
    });
    expect(response.status, await response.clone().text()).toBe(200);
    return ((await response.json()) as { outcomes: string[] }).outcomes;
  };
  const id = (one: number) => ({ customer_id: { int64Val: String(one) } });

  test("what Feast's online store writes is served, of every type, and its nulls are nulls", async () => {
    await feast.write([
      { view: "everything", entity: id(1), values: asFeast, at: ago(2) },
      { view: "everything", entity: id(2), values: FEAST_NULLS, at: ago(2) },
      {
        view: "everything",
        entity: id(3),
        values: { ...FEAST_NULLS, f_timestamp: { unixTimestampVal: String(-(2n ** 63n)) } },
        at: ago(2),
      },
      {
        view: "pairs",
        entity: { ...id(1), product_id: { stringVal: "a/b {ü}" } },
        values: { p_bought: { int64Val: "7" } },
        at: ago(2),
      },
      {
        view: "world",
        entity: { __dummy_id: { stringVal: "" } },
        values: { w_name: { stringVal: "Earth" } },
        at: ago(2),
      },
    ]);
    const first = await get("everything", "customer_id=1");
    expect(valuesOf(first)).toEqual(asHeadgate);
    expect(first.served).toMatchObject({ status: "PRESENT", event_timestamp: ago(2) });
    for (const customer of [2, 3]) expect(valuesOf(await get("everything", `customer_id=${customer}`))).toEqual(NULLS);
    expect(valuesOf(await get("pairs", `customer_id=1&product_id=${encodeURIComponent("a/b {ü}")}`))).toEqual({
      p_bought: 7,
    });
    expect(valuesOf(await get("world", ""))).toEqual({ w_name: "Earth" });
    expect((await get("everything", "customer_id=4")).served.status).toBe("NOT_FOUND");
  });

  test("of Feast's rows it is not made up when they were written", async () => {
    await feast.write([{ view: "everything", entity: id(5), values: asFeast, at: "2026-01-02T03:04:05.678901Z" }]);
    const unknown = { created_timestamp: null, written_at: null, origin: { writer: "feast" } };
    // To the microsecond, as Feast keeps it.
    const event_timestamp = "2026-01-02T03:04:05.678901Z";
    expect((await get("everything", "customer_id=5")).tiers).toContainEqual(
      expect.objectContaining({ tier: "redis", event_timestamp, ...unknown }),
    );
    const shown = await run(headgate("features", "get", "everything", "customer_id=5"), project, environment);
    expect(shown.stdout).toMatch(/^ {2}created_timestamp +unknown$/m);
    expect(shown.stdout).toMatch(/^ {2}written_at +unknown$/m);
    expect(shown.stdout).not.toContain("1900");
  });

  test("predictions are made of Feast's rows, from memory that follows Feast's writes", async () => {
    const { examples } = JSON.parse(readFileSync(`${project}/models/churn/model.json`, "utf8")) as Manifest;
    const write = ({ orders_30d, ...floats }: Readonly<Record<string, number>>, at: string) => {
      const values = Object.entries(floats).map(([name, floatVal]) => [name, { floatVal }]);
      const row = { orders_30d: { int64Val: String(orders_30d) }, ...Object.fromEntries(values) };
      return feast.write([{ view: "churned", entity: id(41), values: row, at }]);
    };
    const predict = async () => {
      const response = await fetch(`${gateway.url}/predict`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "churn", entities: { customer_id: 41 }, explain: true }),
      });
      const { predictions, features } = (await response.json()) as Explained;
      return { ...predictions[0]!, tier: Object.values(features[0]!.values)[0]!.tier };
    };
    const isOf = (given: readonly number[], { outputs }: Example) =>
      outputs.probabilities.every((one, i) => Math.abs(one - given[i]!) < 1e-6);
    const [first, , third] = examples;
    await write(first!.inputs, ago(2));
    expect(isOf((await predict()).probabilities, first!)).toBe(true);
    await until("the row to be in memory", async () => (await predict()).tier === "memory");
    await write(third!.inputs, ago(1));
    await until("the newer row to be served", async () => isOf((await predict()).probabilities, third!));
    await until("the newer row to be in memory", async () => (await predict()).tier === "memory");
  });

  test("what feast materialize loads is served, and materialized here again it stays what it was", async () => {
    await feast.feast("materialize", ago(48), new Date(NOW_MS).toISOString(), "--views", "scores");
    const shown = async (one: number) => valuesOf(await get("scores", `customer_id=${LINES[one]!.customerId}`));
    const expected = (one: number) => ({ s_count: small(LINES[one]!.count), s_ratio: LINES[one]!.ratio });
    for (const one of [0, 1, 499]) expect(await shown(one)).toEqual(expected(one));
    const loaded = await run(headgate("materialize-incremental", "now"), project, environment);
    expect(loaded.exitCode, loaded.stderr).toBe(0);
    for (const one of [0, 1, 499]) expect(await shown(one)).toEqual(expected(one));
    const asked = LINES.slice(0, 3).map(({ customerId }) => ({ customer_id: customerId }));
    const { values } = await feast.read(["scores:s_count", "scores:s_ratio"], asked);
    expect(values.s_count).toEqual(LINES.slice(0, 3).map(({ count }) => ({ int64Val: String(count) })));
    const parity = await run(headgate("parity"), project, environment);
    expect(parity.exitCode, parity.stdout + parity.stderr).toBe(0);
  });

  test("what Feast writes over a loaded row parity names, and a repair puts right", async () => {
    const { customerId, eventMs } = LINES[7]!;
    const values = { s_count: { int64Val: "1" }, s_ratio: { doubleVal: 1 } };
    const at = new Date(eventMs).toISOString();
    await feast.write([{ view: "scores", entity: id(customerId), values, at, blindly: true }]);
    const parity = (...words: string[]) => run(headgate("parity", ...words), project, environment);
    const found = await parity("--json");
    expect(found.exitCode, found.stderr).toBe(1);
    const causes = [{ cause: "written_by_feast", entities: 1 }];
    expect(JSON.parse(found.stdout)).toMatchObject({ views: [{ view: "scores", causes }] });
    await parity("--repair", "--yes");
    const mended = await parity();
    expect(mended.exitCode, mended.stdout + mended.stderr).toBe(0);
  });

  test("what Headgate writes Feast's SDK reads, of every type; nulls and deletes are None", async () => {
    const event_timestamp = ago(1);
    const rows = [
      { entity: { customer_id: 11 }, values: asHeadgate, event_timestamp },
      { entity: { customer_id: 12 }, values: NULLS, event_timestamp },
      { entity: { customer_id: 13 }, values: asHeadgate, event_timestamp: ago(3) },
      { entity: { customer_id: 13 }, values: null, event_timestamp },
    ];
    expect(await post("everything", rows)).toEqual(["written", "written", "written", "written"]);
    await post("pairs", [
      { entity: { customer_id: 11, product_id: "ü&=" }, values: { p_bought: -1 }, event_timestamp },
    ]);
    await post("world", [{ entity: {}, values: { w_name: "Mars" }, event_timestamp }]);
    const { values, none } = await feast.read(ALL, [{ customer_id: 11 }, { customer_id: 12 }, { customer_id: 13 }]);
    for (const name of Object.keys(VALUES)) {
      expect(values[name]![0], name).toEqual(asFeast[name]);
      expect(none[name], name).toEqual([false, true, true]);
    }
    expect((await feast.read(["pairs:p_bought"], [{ customer_id: 11, product_id: "ü&=" }])).values.p_bought).toEqual([
      { int64Val: "-1" },
    ]);
    expect((await feast.read(["world:w_name", "everything:f_int32"], [{ customer_id: 11 }])).values.w_name).toEqual([
      { stringVal: "Mars" },
    ]);
    expect((await get("everything", "customer_id=13")).served.status).toBe("NOT_FOUND");
  });

  test("what is more than Feast's form holds is whole here, and the nearest there", async () => {
    const values = { ...NULLS, f_timestamp: "2023-11-14T22:13:20.123456Z", l_int64: [1, null, 3] };
    await post("everything", [{ entity: { customer_id: 21 }, values, event_timestamp: ago(1) }]);
    expect(valuesOf(await get("everything", "customer_id=21"))).toEqual(values);
    const answer = await feast.read(["everything:f_timestamp", "everything:l_int64"], [{ customer_id: 21 }]);
    expect(answer.values.f_timestamp).toEqual([{ unixTimestampVal: "1700000000" }]);
    expect(answer.none.l_int64).toEqual([true]);
  });

  test("a row that Feast rewrites without looking, at its very time, is Feast's and no mixture", async () => {
    const values = { ...NULLS, f_timestamp: "2023-11-14T22:13:20.123456Z", l_int64: [1, null, 3] };
    const entity = { customer_id: 22 };
    const event_timestamp = ago(1);
    await post("everything", [{ entity, values, event_timestamp }]);
    const rewritten = { ...FEAST_NULLS, f_timestamp: { unixTimestampVal: "1700000000" } };
    await feast.write([{ view: "everything", entity: id(22), values: rewritten, at: event_timestamp, blindly: true }]);
    const expected = { ...NULLS, f_timestamp: "2023-11-14T22:13:20.000Z" };
    expect(valuesOf(await get("everything", "customer_id=22"))).toEqual(expected);
    expect(await post("everything", [{ entity, values: null, event_timestamp }])).toEqual(["written"]);
    await feast.write([{ view: "everything", entity: id(22), values: rewritten, at: event_timestamp, blindly: true }]);
    expect(valuesOf(await get("everything", "customer_id=22"))).toEqual(expected);
    expect(await post("everything", [{ entity, values, event_timestamp }])).toEqual(["written"]);
    expect(valuesOf(await get("everything", "customer_id=22"))).toEqual(values);
  });

  test("the newest wins whoever wrote it", async () => {
    const [entity] = [id(31)];
    const feastRow = (int32Val: number, at: string) =>
      feast.write([{ view: "everything", entity: entity!, values: { ...FEAST_NULLS, f_int32: { int32Val } }, at }]);
    const ours = (f_int32: number, event_timestamp: string) =>
      post("everything", [{ entity: { customer_id: 31 }, values: { f_int32 }, event_timestamp }]);
    const held = async () => (await get("everything", "customer_id=31")).served.values.f_int32!.value;
    await feastRow(1, ago(5));
    expect(await held()).toBe(1);
    expect(await ours(2, ago(6))).toEqual(["stale"]);
    expect(await ours(3, ago(5))).toEqual(["written"]);
    expect(await held()).toBe(3);
    await feastRow(4, ago(5));
    expect(await held()).toBe(3);
    await feastRow(5, ago(4));
    expect(await held()).toBe(5);
    expect(await ours(6, ago(4.5))).toEqual(["stale"]);
  });
});
