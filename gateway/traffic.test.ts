/** A model's requests split between versions, in process: who is answered by which, what is counted, how a canary ends. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { bucketOf, type Traffic } from "../models/traffic.ts";
import { CanaryWatch } from "./canary-watch.ts";
import { type ChurnGateway, EXPECTED, openChurnGateway, problemOf } from "./fixtures/churn-gateway.ts";
import { churnVersions, putTraffic } from "./fixtures/churn-versions.ts";

const open: ChurnGateway[] = [];
afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close();
});

async function gatewayOf(traffic: Partial<Traffic>): Promise<ChurnGateway & { readonly repository: string }> {
  const repository = await churnVersions(traffic);
  const gateway = await openChurnGateway(repository);
  open.push(gateway);
  return { ...gateway, repository };
}

const canary = (version: number, percent: number, guard?: NonNullable<Traffic["canary"]>["guard"]) => ({
  version,
  percent,
  guard,
});
const CUSTOMERS = EXPECTED.rows.map((_, customer_id) => ({ customer_id }));
const isInShare = (customer: number, percent: number) => bucketOf("churn", `customer_id=${customer}`) < percent * 100;

async function predictions(gateway: ChurnGateway, headers: Record<string, string> = {}, entities: unknown = CUSTOMERS) {
  const response = await gateway.predict({ model: "churn", entities }, headers);
  expect(response.status).toBe(200);
  return ((await response.json()) as { predictions: Prediction[] }).predictions;
}
interface Prediction {
  readonly version: number;
  readonly label: number;
  readonly probabilities: readonly number[];
}

const eventually = (isSo: () => Promise<boolean>) => expect.poll(isSo, { timeout: 30_000, interval: 5 }).toBe(true);

async function comparison(gateway: ChurnGateway): Promise<Comparison> {
  return (await (await gateway.get("/models/churn/comparison")).json()) as Comparison;
}
interface Comparison {
  readonly traffic: unknown;
  readonly canary_ended_because: string | null;
  readonly last_ended_canary: { readonly version: number; readonly reason: string } | null;
  readonly versions: readonly {
    readonly version: number;
    readonly role: string;
    readonly requests: number;
    readonly failures: number;
    readonly entities: number;
    readonly scores: { readonly count: number; readonly histogram: { readonly counts: readonly number[] } };
    readonly drift: { readonly psi: number; readonly ks_p_value: number } | null;
    readonly paired?: { readonly count: number; readonly mean_difference: number };
  }[];
}

describe("a canary", () => {
  test("answers the entities of its share, each prediction says its version, and the order stays", async () => {
    const gateway = await gatewayOf({ canary: canary(2, 30) });
    const answered = await predictions(gateway);
    for (const [customer, prediction] of answered.entries()) {
      expect(prediction.version).toBe(isInShare(customer, 30) ? 2 : 1);
      const churns = prediction.version === 2 ? 0.9 : EXPECTED.probabilities[customer]![1]!;
      expect(Math.abs(prediction.probabilities[1]! - churns)).toBeLessThan(1e-6);
    }
    const share = answered.filter(({ version }) => version === 2).length / answered.length;
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.35);
  });

  test("answers an entity alone as it answers it among others", async () => {
    const gateway = await gatewayOf({ canary: canary(2, 50) });
    const together = await predictions(gateway);
    for (const customer of [0, 1, 2, 3, 4, 5, 6, 7]) {
      expect(await predictions(gateway, {}, { customer_id: customer })).toEqual([together[customer]]);
    }
  });

  test("that fails is counted, and the stable version answers in its place", async () => {
    const gateway = await gatewayOf({ canary: canary(3, 100) });
    const customer = EXPECTED.rows.findIndex(([orders]) => orders! > 0);
    const [prediction] = await predictions(gateway, {}, { customer_id: customer });
    expect(prediction).toMatchObject({ version: 1, label: EXPECTED.label[customer] });
    const [stable, failing] = (await comparison(gateway)).versions;
    expect(stable).toMatchObject({ version: 1, role: "stable", requests: 1, failures: 0 });
    expect(failing).toMatchObject({ version: 3, role: "canary", requests: 1, failures: 1 });
  });

  test("loses its share at once when its guard's bound is passed, and the traffic file says so", async () => {
    const guard = { requests: 20, errorRate: 0.1, latencyRatio: undefined, psi: undefined };
    const gateway = await gatewayOf({ canary: canary(3, 100, guard) });
    const customer = EXPECTED.rows.findIndex(([orders]) => orders! > 0);
    for (let i = 0; i < 10; i++) await predictions(gateway, {}, { customer_id: customer });
    const after = await comparison(gateway);
    const failing = after.versions.find(({ version }) => version === 3);
    // The third failure is over a tenth of twenty; none came after it.
    if (failing !== undefined) expect(failing.failures).toBe(3);
    const file = join(gateway.repository, "churn", "traffic.json");
    await eventually(async () => JSON.parse(await readFile(file, "utf8")).canary === undefined);
    await eventually(async () => (await comparison(gateway)).canary_ended_because === null);
    const then = await comparison(gateway);
    expect(then.traffic).toEqual({ stable: 1 });
    expect(then.last_ended_canary).toEqual({
      version: 3,
      reason: expect.stringMatching(/^3 of its latest 3 requests failed/),
    });
  });

  test("that hangs until the deadline is a failure to its guard, too", async () => {
    const guard = { requests: 20, errorRate: 0.01, latencyRatio: undefined, psi: undefined };
    const gateway = await gatewayOf({ canary: canary(2, 100, guard) });
    const { join: joinModel, models } = gateway.options;
    const hung = joinModel(models.get("churn")!.canary!.model);
    const hanging = {
      ...hung,
      model: { ...hung.model, placement: "workers" as const, predict: () => new Promise<never>(() => {}) },
    };
    const joinHung: typeof joinModel = (model) => (model.version === 2 ? hanging : joinModel(model));
    const repository = { putTraffic: async () => "etag" };
    const canaries = new CanaryWatch({ repository, models, join: joinHung, wait: async () => {} });
    const asked = { model: "churn", entities: { customer_id: 1 } };
    const response = await gateway.predict(asked, { "x-deadline-ms": "20" }, { join: joinHung, canaries });
    expect(await problemOf(response)).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
    expect(canaries.endedBecause(models.get("churn")!)).toMatch(/requests failed.*the last: The 20 ms budget passed/);
    expect((await gateway.predict(asked, {}, { join: joinHung, canaries })).status).toBe(200);
  });

  test("is not ended in a traffic file that somebody else has changed meanwhile", async () => {
    const guard = { requests: 20, errorRate: 0.01, latencyRatio: undefined, psi: undefined };
    const gateway = await gatewayOf({ canary: canary(3, 100, guard) });
    await putTraffic(gateway.repository, { canary: canary(2, 10) });
    const customer = EXPECTED.rows.findIndex(([orders]) => orders! > 0);
    await predictions(gateway, {}, { customer_id: customer });
    await eventually(async () =>
      (await comparison(gateway)).versions.some(({ role, version }) => role === "canary" && version === 2),
    );
    const file = JSON.parse(await readFile(join(gateway.repository, "churn", "traffic.json"), "utf8")) as object;
    expect(file).toEqual({ stable: 1, canary: { version: 2, percent: 10 } });
  });
});

describe("the version header", () => {
  test("has any version that is ready answer, and names those when it is not", async () => {
    const gateway = await gatewayOf({ canary: canary(2, 1) });
    expect((await predictions(gateway, { "x-headgate-version": "2" })).every(({ version }) => version === 2)).toBe(
      true,
    );
    expect((await predictions(gateway, { "x-headgate-version": "1" })).every(({ version }) => version === 1)).toBe(
      true,
    );
    for (const asked of ["9", "latest", "-1", "1.5", "../1"]) {
      const problem = await problemOf(
        await gateway.predict({ model: "churn", entities: CUSTOMERS }, { "x-headgate-version": asked }),
      );
      expect(problem).toMatchObject({ status: 404, code: "VERSION_NOT_FOUND", detail: expect.stringContaining(asked) });
    }
  });
});

describe("a shadow", () => {
  test("sees the same features after the answer, and its scores are laid beside the answered ones", async () => {
    const gateway = await gatewayOf({ shadow: [2] });
    const answered = await predictions(gateway);
    expect(answered.every(({ version }) => version === 1)).toBe(true);
    await eventually(async () => (await comparison(gateway)).versions[1]?.paired?.count === CUSTOMERS.length);
    const [stable, shadow] = (await comparison(gateway)).versions;
    expect(stable).toMatchObject({ role: "stable", requests: 1, entities: CUSTOMERS.length, drift: null });
    expect(shadow).toMatchObject({ version: 2, role: "shadow", requests: 1, failures: 0, entities: CUSTOMERS.length });
    const mean =
      EXPECTED.probabilities.reduce((sum, [, churns]) => sum + Math.abs(0.9 - churns!), 0) / CUSTOMERS.length;
    expect(shadow!.paired!.mean_difference).toBeCloseTo(mean, 5);
    expect(shadow!.drift!.psi).toBeGreaterThan(0.25);
    expect(shadow!.drift!.ks_p_value).toBeLessThan(0.001);
    expect(shadow!.scores.histogram.counts).toHaveLength(stable!.scores.histogram.counts.length);
  });

  test("that fails shows in its counts and nowhere else", async () => {
    const gateway = await gatewayOf({ shadow: [3] });
    const answered = await predictions(gateway);
    expect(answered).toHaveLength(CUSTOMERS.length);
    await eventually(async () => (await comparison(gateway)).versions[1]?.failures === 1);
  });
});
