import { beforeEach, describe, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../features/applied-registry.ts";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { array, bytes, float32, int64, string, timestamp } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { inspectRow } from "../features/row-inspection.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createApp } from "./app.ts";
import { openChurnGateway, problemOf } from "./fixtures/churn-gateway.ts";
import { createRowWrite, type WriteRows } from "./row-write.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const shop = entity("shop", { joinKeys: { shop: string(), customer_id: int64() } });
const view = featureView("basket", {
  entities: [shop],
  ttl: "2d",
  schema: { total: float32(), big: int64(), seen: timestamp(), blob: bytes(), last: array(int64()) },
});
const shift = entity("shift", { joinKeys: { began: timestamp() } });
const shifts = featureView("shifts", { entities: [shift], schema: { total: float32() } });
const registry = createRegistry([shop, view, shift, shifts].map((definition) => ({ definition, file: "basket.ts" })));
const key = { shop: "a/b", customer_id: 17 };
const row = (more: object) => ({
  entity: key,
  values: { total: 1.5 },
  event_timestamp: "2026-11-22T10:00:00Z",
  ...more,
});

let store: OnlineStore;
let write: WriteRows;
beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  write = await openRowWrite("packed");
});

async function openRowWrite(onlineStoreLayout: OnlineStoreLayout) {
  const applied = await readAppliedRegistry(store.control);
  const settings = { maxEntities: 3, maxFutureMs: 300_000, expiryGraceMs: 1_000, onlineStoreLayout };
  return createRowWrite({ store, registry, applied, now: () => NOW_MS, ...settings });
}

const inspected = () => inspectRow(store, new StoredSchemas(store.control), view, key, NOW_MS);
const stored = async () => (await inspected()).tiers[0]!;
const status = async () => (await inspected()).served?.status;

test("a row's values are stored exactly, and what it does not say is null", async () => {
  const big = 9_007_199_254_740_993n;
  const values = { total: "NaN", big, seen: "2026-11-22T10:00:00.123456Z", blob: "AAE=", last: [1, null] };
  expect(await write("basket", { rows: [row({ values })] })).toEqual({
    feature_view: "basket",
    rows_written: 1,
    rows_equal: 0,
    rows_stale: 0,
    outcomes: ["written"],
  });
  expect(await stored()).toMatchObject({
    values: { total: "NaN", big, seen: "2026-11-22T10:00:00.123456Z", blob: "AAE=", last: [1, null] },
    event_timestamp: "2026-11-22T10:00:00.000Z",
    origin: { http: "POST /features/basket/rows" },
  });
  await write("basket", { rows: [row({ event_timestamp: "2026-11-22T11:00:00Z" })] });
  expect(await stored()).toMatchObject({ values: { total: 1.5, big: null, last: null } });
});

test("the newest wins, a repetition changes nothing, and a correction of equal time needs a later created_timestamp", async () => {
  const outcome = async (one: object) =>
    ((await write("basket", { rows: [one] })) as { outcomes: unknown[] }).outcomes[0];
  expect(await outcome(row({}))).toBe("written");
  expect(await outcome(row({}))).toBe("equal");
  expect(await outcome(row({ event_timestamp: "2026-11-22T09:00:00Z" }))).toBe("stale");
  expect(await outcome(row({ values: { total: 2 }, created_timestamp: "2026-11-22T10:05:00Z" }))).toBe("written");
});

test("rows of the same times end the same in either order: what has the greater values stays", async () => {
  const outcomes = async (...rows: object[]) => {
    const answers: unknown[] = [];
    for (const one of rows) answers.push(...((await write("basket", { rows: [one] })) as { outcomes: [] }).outcomes);
    return answers;
  };
  const other = { event_timestamp: "2026-11-22T12:00:00Z" };
  const [lesser, greater] = [{ values: { total: 1.5 } }, { values: { total: 2.5 } }];
  expect(await outcomes(row(lesser), row(greater))).toEqual(["written", "written"]);
  expect(await outcomes(row({ ...greater, ...other }), row({ ...lesser, ...other }))).toEqual(["written", "stale"]);
  expect(await stored()).toMatchObject({ values: { total: 2.5 } });
  expect(await outcomes(row({ values: null, ...other }), row({ ...greater, ...other }))).toEqual(["written", "stale"]);
});

test("a time without a zone is UTC", async () => {
  await write("basket", { rows: [row({ event_timestamp: "2026-11-22T10:00:00" })] });
  expect(await stored()).toMatchObject({ event_timestamp: "2026-11-22T10:00:00.000Z" });
});

test("null values delete, and a late older row does not bring the entity back", async () => {
  await write("basket", { rows: [row({}), row({ values: null, event_timestamp: "2026-11-22T11:00:00Z" })] });
  await write("basket", { rows: [row({ event_timestamp: "2026-11-22T10:30:00Z" })] });
  expect(await status()).toBe("NOT_FOUND");
});

describe("what can't be taken is named, and nothing of its request is written", () => {
  test.each<[string, unknown, string, RegExp]>([
    ["a body that is a list", [], "ROWS_INVALID", /must be \{"rows"/],
    ["no rows", { rows: [] }, "ROWS_INVALID", /must be \{"rows"/],
    ["an unknown member", { rows: [row({})], mode: 1 }, "ROWS_INVALID", /"mode"/],
    ["too many", { rows: [row({}), row({}), row({}), row({})] }, "TOO_MANY_ENTITIES", /4 rows; the most is 3/],
    ["a row that is none", { rows: [row({}), 7] }, "ROWS_INVALID", /^rows\[1\] is 7/],
    ["an unknown member of a row", { rows: [row({ value: 1 })] }, "ROWS_INVALID", /rows\[0\] has "value"/],
    ["a missing join key", { rows: [row({ entity: { shop: "x" } })] }, "ROWS_INVALID", /lacks join key "customer_id"/],
    [
      "a join key of another type",
      { rows: [row({ entity: { shop: "x", customer_id: "1" } })] },
      "ROWS_INVALID",
      /customer_id is "1", not int64/,
    ],
    [
      "an unknown field",
      { rows: [row({ values: { sum: 1 } })] },
      "ROWS_INVALID",
      /has "sum", which is no field; there are total,/,
    ],
    [
      "a field of another type",
      { rows: [row({}), row({ values: { big: 1.5 } })] },
      "ROWS_INVALID",
      /rows\[1\]\.values\.big is 1\.5, not int64/,
    ],
    ["no values", { rows: [row({ values: undefined })] }, "ROWS_INVALID", /no values.*null to delete/],
    [
      "a timestamp that is a number",
      { rows: [row({ event_timestamp: 1 })] },
      "ROWS_INVALID",
      /event_timestamp is 1; write RFC 3339, UTC where it has no zone/,
    ],
    [
      "an absurd timestamp",
      { rows: [row({ event_timestamp: "2300-01-01T00:00:00Z" })] },
      "ROWS_INVALID",
      /between 1900 and 2150/,
    ],
    [
      "an event of the future",
      { rows: [row({ event_timestamp: "2026-11-23T00:06:00Z" })] },
      "ROWS_INVALID",
      /ahead of now by more than maxFuture/,
    ],
    [
      "a record older than its event",
      { rows: [row({ created_timestamp: "2026-11-22T09:00:00Z" })] },
      "ROWS_INVALID",
      /ahead of its record/,
    ],
  ])("%s", async (_, body, code, message) => {
    await expect(write("basket", body)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await status()).toBe("NOT_FOUND");
  });

  test("a join key that the store's layout has no key for", async () => {
    const rows = ["10:00:00Z", "10:00:01.5Z"].map((at) => row({ entity: { began: `2026-11-22T${at}` } }));
    const writeFeasts = await openRowWrite("feast");
    const message =
      `rows[1]: join key "began" is 2026-11-22T10:00:01.500Z, ` +
      "and in Feast's layout timestamps are whole seconds: cut them to seconds at the source.";
    await expect(writeFeasts("shifts", { rows })).rejects.toMatchObject({ code: "ROWS_INVALID", message });
    expect((await store.scan("shifts", 10)).rows).toEqual([]);
    expect(await write("shifts", { rows })).toMatchObject({ rows_written: 2 });
  });

  test("an unknown view", async () => {
    await expect(write("cart", { rows: [row({})] })).rejects.toMatchObject({ code: "VIEW_NOT_FOUND" });
  });

  test("a view that is not applied", async () => {
    store = openMemoryStore();
    write = await openRowWrite("packed");
    await expect(write("basket", { rows: [row({})] })).rejects.toMatchObject({ code: "REGISTRY_NOT_APPLIED" });
  });
});

test("the route is off without an admin token, wants it where there is one, and what it writes is predicted from", async () => {
  const gateway = await openChurnGateway();
  const values = { orders_30d: 3, aov_30d: 40, returns_rate_30d: 0, time_since_last_d: 2 };
  const body = JSON.stringify({
    rows: [{ entity: { customer_id: -5 }, values, event_timestamp: "2026-11-23T05:59:00Z" }],
  });
  const post = (adminToken: string, authorization?: string, sent = body) =>
    createApp({ ...gateway.options, adminToken }).request("/features/customer_30d_features/rows", {
      method: "POST",
      body: sent,
      headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
    });
  expect(await problemOf(await post(""))).toMatchObject({
    status: 403,
    title: "The token is not the admin token, or the gateway has none.",
    detail:
      'POST /features/{view}/rows is off, because this gateway has no admin token: set adminToken (HEADGATE_ADMIN_TOKEN), restart it, and send "Authorization: Bearer <admin token>".',
  });
  expect((await post("secret")).status).toBe(401);
  expect(await problemOf(await post("secret", "Bearer secret", "{"))).toMatchObject({ code: "BODY_NOT_JSON" });
  const written = await post("secret", "Bearer secret");
  expect([written.status, await written.json()]).toEqual([200, expect.objectContaining({ outcomes: ["written"] })]);
  const answer = await (await gateway.predict({ model: "churn", entities: { customer_id: -5 } })).json();
  expect(answer).toMatchObject({ features: [{ status: "PRESENT", age_seconds: 60 }] });
  await gateway.close();
});
