/** A guard that ends a canary when the repository can't be written, or is written by somebody else first. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import { VersionStatistics } from "../models/version-statistics.ts";
import { type CanaryEndedEvent, CanaryWatch, type TrafficWriter } from "./canary-watch.ts";
import { type ChurnGateway, openChurnGateway } from "./fixtures/churn-gateway.ts";
import { churnVersions } from "./fixtures/churn-versions.ts";

const GUARD = { requests: 20, errorRate: 0.04, latencyRatio: undefined, psi: undefined };

let gateway: ChurnGateway;
let told: CanaryEndedEvent[];
const listener = (event: unknown) => told.push(event as CanaryEndedEvent);
beforeEach(async () => {
  told = [];
  subscribe("headgate:canary-ended", listener);
  gateway = await openChurnGateway(await churnVersions({ canary: { version: 2, percent: 100, guard: GUARD } }));
});
afterEach(async () => {
  unsubscribe("headgate:canary-ended", listener);
  await gateway.close();
});

const served = (): ServedModel => gateway.options.models.get("churn")!;

/** A watch whose writes end as `outcomes` say, one after the other, and the waits between them. */
function watchOver(...outcomes: readonly (Error | "written")[]) {
  const written: string[] = [];
  const waits: number[] = [];
  let refreshed = 0;
  let next = 0;
  const repository: TrafficWriter = {
    putTraffic: async (_, content, ifEtag) => {
      expect(ifEtag).toBe(served().trafficEtag);
      const outcome = outcomes[Math.min(next++, outcomes.length - 1)]!;
      if (outcome !== "written") throw outcome;
      written.push(content);
      return "etag";
    },
  };
  const watch = new CanaryWatch({
    repository,
    models: { refresh: async () => void refreshed++ },
    join: gateway.options.join,
    wait: async (ms) => void waits.push(ms),
  });
  // As the first request of the canary does.
  watch.sharing(served());
  return { watch, written, waits, refreshed: () => refreshed };
}

const settled = (count: number) => expect.poll(() => told.length, { interval: 1 }).toBe(count);
const AWAY = new HeadgateError("REPOSITORY_UNREACHABLE", "The bucket is away.");

describe("a canary whose guard says no", () => {
  test("has no share from that request on, before anything is written", async () => {
    const { watch, written, refreshed } = watchOver("written");
    expect(watch.sharing(served())?.percent).toBe(100);
    watch.took(served(), true);
    expect(watch.sharing(served())).toBeUndefined();
    expect(watch.endedBecause(served())).toMatch(/^1 of its latest 1 requests failed/);
    await settled(1);
    expect(JSON.parse(written[0]!)).toEqual({ stable: 1 });
    await expect.poll(refreshed, { interval: 1 }).toBe(1);
    expect(told).toEqual([expect.objectContaining({ model: "churn", version: 2, stored: true, problem: undefined })]);
  });

  test("stays ended here while the repository is away, told once, and the file is written when it is back", async () => {
    const { watch, written, waits } = watchOver(AWAY, AWAY, AWAY, "written");
    watch.took(served(), true);
    for (let more = 0; more < 5; more++) watch.took(served(), true);
    await settled(2);
    expect(told.map(({ stored }) => stored)).toEqual([false, true]);
    expect(told[0]!.problem).toBe("The bucket is away.");
    expect(waits).toEqual([700, 1_400, 2_800]);
    expect(written).toHaveLength(1);
    expect(watch.sharing(served())).toBeUndefined();
  });

  test("is given up on in the file after eight tries, and still has no share here", async () => {
    const { watch, waits } = watchOver(AWAY);
    watch.took(served(), true);
    await settled(2);
    expect(told.every(({ stored }) => !stored)).toBe(true);
    expect(waits).toHaveLength(7);
    expect(watch.sharing(served())).toBeUndefined();
  });

  test("does not overrule whoever has written the file meanwhile", async () => {
    const { watch, written, waits, refreshed } = watchOver(new HeadgateError("DEPLOY_CONFLICT", "Somebody was first."));
    watch.took(served(), true);
    await settled(1);
    expect(told[0]).toMatchObject({ stored: false, problem: "Somebody was first." });
    expect([written, waits]).toEqual([[], []]);
    await expect.poll(refreshed, { interval: 1 }).toBe(1);
  });

  test("is ended once, whatever requests of the traffic before it still come to their end", async () => {
    const { watch, written } = watchOver("written");
    const before = { ...served(), trafficEtag: "before" };
    watch.took(served(), true);
    for (let straggler = 0; straggler < 3; straggler++) watch.took(before, true);
    expect(watch.sharing(served())).toBeUndefined();
    await settled(1);
    expect(written).toHaveLength(1);
  });

  test("stays ended when the stable version or it is loaded anew under the same traffic", () => {
    const { watch } = watchOver(AWAY);
    watch.took(served(), true);
    const { stable, canary } = served();
    expect(watch.sharing({ ...served(), stable: { ...stable! } })).toBeUndefined();
    expect(watch.sharing({ ...served(), canary: { ...canary!, model: { ...canary!.model } } })).toBeUndefined();
  });

  test("gets its share back with a new traffic file", () => {
    const { watch } = watchOver("written");
    watch.took(served(), true);
    expect(watch.sharing({ ...served(), trafficEtag: "another" })?.percent).toBe(100);
  });
});

test("without a guard nothing ends it", () => {
  const { watch } = watchOver("written");
  const unguarded = {
    ...served(),
    trafficEtag: "unguarded",
    traffic: { ...served().traffic!, canary: { version: 2, percent: 5, guard: undefined } },
  };
  watch.sharing(unguarded);
  for (let i = 0; i < 100; i++) watch.took(unguarded, true);
  expect(watch.sharing(unguarded)).toBeDefined();
});

test("a canary of other join keys has no share, and why is told", () => {
  const { join } = gateway.options;
  const stable = join(served().stable!);
  const plan = { ...stable.reader.plan, joinKeys: { merchant_id: stable.reader.plan.joinKeys.customer_id! } };
  const other = {
    ...join(served().canary!.model),
    reader: { ...stable.reader, plan },
    statistics: new VersionStatistics(() => 0),
  };
  const watch = new CanaryWatch({
    repository: { putTraffic: async () => "etag" },
    models: { refresh: async () => {} },
    join: (model) => (model === served().canary!.model ? other : join(model)),
    wait: async () => {},
  });
  expect(watch.sharing(served())).toBeUndefined();
  expect(watch.endedBecause(served())).toBe("it takes the join keys merchant_id, not customer_id");
  expect(told).toEqual([expect.objectContaining({ version: 2, stored: false })]);
});
