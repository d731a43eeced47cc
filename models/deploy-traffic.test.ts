import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { featureView } from "../features/feature-view.ts";
import { float32, int64 } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { requestSource } from "../features/source.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import {
  canary,
  changeTraffic,
  promote,
  replaceTraffic,
  retire,
  retireModel,
  rollback,
  shadow,
  type TrafficChange,
  type TrafficTools,
} from "./deploy-traffic.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";
import { parseTraffic } from "./traffic.ts";

const fields = { a: float32(), b: float32() };
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const shop = entity("shop", { joinKeys: { shop_id: int64() } });
const ofCustomer = featureView("of_customer", { entities: [customer], schema: fields });
const ofShop = featureView("of_shop", { entities: [shop], schema: fields });
const basket = requestSource("basket", { value: float32() });
const registry = createRegistry(
  [
    ...[customer, shop, ofCustomer, ofShop, basket],
    featureService("by_customer", [ofCustomer]),
    featureService("by_shop", [ofShop]),
    featureService("with_basket", [ofCustomer, basket]),
  ].map((definition) => ({ definition, file: "features.ts" })),
);

let folder: string;
let repository: ModelRepository;
/** Versions that don't load, and those that were loaded to see whether they do. */
let broken: Set<number>;
let loaded: number[];

beforeEach(async () => {
  folder = temporaryFolder();
  for (const version of [1, 2, 3, 4]) addVersion(version, "by_customer");
  repository = await openModelRepository(folder);
  broken = new Set();
  loaded = [];
});

function addVersion(version: number, service: string): void {
  mkdirSync(join(folder, "m", String(version)), { recursive: true });
  writeFileSync(join(folder, "m", String(version), "model.onnx"), "graph");
  const manifest = { service, inputs: { x: ["a", "b"] }, outputs: { y: "y" } };
  writeFileSync(join(folder, "m", String(version), "model.json"), JSON.stringify(manifest));
}

const tools = (over: Partial<TrafficTools> = {}): TrafficTools => ({
  repository,
  registry,
  load: async ({ version }) => {
    loaded.push(version);
    if (broken.has(version)) throw new HeadgateError("GOLDEN_MISMATCH", "It answers something else.");
    return { close: async () => {} } as Awaited<ReturnType<TrafficTools["load"]>>;
  },
  servingVersion: async () => 4,
  isReady: () => false,
  ...over,
});
const change = async (wanted: TrafficChange, over?: Partial<TrafficTools>) =>
  (await changeTraffic(tools(over), "m", wanted)).traffic;
const put = (traffic: object) => writeFileSync(join(folder, "m", "traffic.json"), JSON.stringify(traffic));
const stored = () => JSON.parse(readFileSync(join(folder, "m", "traffic.json"), "utf8"));
const refusal = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.fail("it was taken"),
    (thrown: unknown) => thrown as { code: string; message: string },
  );

test("from canary to stable and back, each a file that says so", async () => {
  put({ stable: 2 });
  await change(canary(3, 10, undefined));
  expect(stored()).toEqual({ stable: 2, canary: { version: 3, percent: 10 } });
  await change(canary(3, 50, { requests: 500, errorRate: 0.02, latencyRatio: undefined, psi: undefined }));
  expect(stored().canary).toEqual({ version: 3, percent: 50, guard: { requests: 500, error_rate: 0.02 } });
  await change(shadow(4, true));
  expect(stored()).toMatchObject({ stable: 2, shadow: [4] });
  await change(promote(undefined));
  expect(stored()).toEqual({ stable: 3, shadow: [4], previous: 2 });
  await change(rollback());
  expect(stored()).toEqual({ stable: 2, shadow: [4], previous: 3 });
  await change(shadow(4, false));
  expect(stored()).toEqual({ stable: 2, previous: 3 });
});

test("rolling back ends the canary first, and asks nobody to prove anything", async () => {
  put({ stable: 3, canary: { version: 4, percent: 10 }, previous: 1 });
  expect(await change(rollback())).toMatchObject({ stable: 3, canary: undefined, previous: 1 });
  expect(await change(rollback())).toMatchObject({ stable: 1, previous: 3 });
  expect(loaded).toEqual([]);
});

test("without a previous version it goes to the one below, which must load; where none is left there is none", async () => {
  put({ stable: 2 });
  broken.add(1);
  expect(await refusal(change(rollback()))).toMatchObject({ code: "GOLDEN_MISMATCH" });
  broken.clear();
  expect(await change(rollback())).toMatchObject({ stable: 1, previous: 2 });
  expect(loaded).toEqual([1, 1]);
  // Not the first that ever was.
  put({ stable: 3 });
  await retire(tools(), "m", 1);
  await retire(tools(), "m", 2);
  expect(await refusal(change(rollback()))).toMatchObject({
    code: "TRAFFIC_INVALID",
    message: 'Model "m" has no version to go back to: there is none before version 3.',
  });
});

test("where no file says it, the version that serves is stable", async () => {
  expect(await change(canary(3, 5, undefined))).toMatchObject({ stable: 4, canary: { version: 3 } });
  expect(await change(promote(3))).toMatchObject({ stable: 3, previous: 4 });
});

test("a file that can't be understood is refused with what to do, which is taken in its place", async () => {
  writeFileSync(join(folder, "m", "traffic.json"), "{");
  for (const wanted of [rollback(), promote(2)]) {
    expect(await refusal(change(wanted))).toMatchObject({
      code: "TRAFFIC_INVALID",
      message: expect.stringMatching(/m\/traffic\.json is not JSON: .*"headgate models traffic m <file>"\.$/),
    });
  }
  expect(await change(replaceTraffic(parseTraffic('{"stable": 1}', "it")))).toMatchObject({ stable: 1 });
});

test("promoting what is stable changes nothing and writes nothing", async () => {
  await change(promote(3));
  await change(promote(4));
  const { etag } = (await repository.readTraffic("m"))!;
  expect(await changeTraffic(tools(), "m", promote(4))).toMatchObject({ changed: false, etag });
  expect((await repository.readTraffic("m"))!.etag).toBe(etag);
});

test("a version is loaded to see whether it can be, unless it is ready here", async () => {
  put({ stable: 2 });
  await change(canary(3, 5, undefined), { isReady: (_, version) => version === 2 });
  expect(loaded).toEqual([3]);
});

test("of two changes at once one wins, and the other is told", async () => {
  put({ stable: 1 });
  const both = await Promise.allSettled([change(promote(2)), change(promote(3))]);
  const lost = both.filter((one) => one.status === "rejected").map((one) => (one as PromiseRejectedResult).reason);
  expect(lost).toEqual([expect.objectContaining({ code: "DEPLOY_CONFLICT" })]);
});

describe("refused, with the file as it was", () => {
  beforeEach(() => put({ stable: 2 }));

  test("a version that is not there", async () => {
    expect(await refusal(change(promote(9)))).toMatchObject({
      code: "VERSION_NOT_FOUND",
      message: 'Model "m" has no version 9; there is 4, 3, 2, 1.',
    });
  });

  test("a version that does not load", async () => {
    broken.add(3);
    expect(await refusal(change(promote(3)))).toMatchObject({
      code: "GOLDEN_MISMATCH",
      message: 'Version 3 of model "m" does not load, so it is given no requests: It answers something else.',
    });
    expect(stored()).toEqual({ stable: 2 });
  });

  test.each([
    ["other join keys", "by_shop", /takes the join keys shop_id, not customer_id/],
    ["request features", "with_basket", /takes the request features value, not none/],
  ])("a canary with %s", async (_, service, sentence) => {
    addVersion(5, service);
    const thrown = await refusal(change(canary(5, 10, undefined)));
    expect(thrown).toMatchObject({ code: "TRAFFIC_INVALID", message: expect.stringMatching(sentence) });
    // Promoted it may be: then it is what requests are for.
    expect(await change(promote(5))).toMatchObject({ stable: 5 });
  });

  test("a canary that is stable, or more shadows than there may be", async () => {
    expect(await refusal(change(canary(2, 10, undefined)))).toMatchObject({ code: "TRAFFIC_INVALID" });
    for (const version of [5, 6]) addVersion(version, "by_customer");
    for (const version of [1, 3, 4, 5]) await change(shadow(version, true));
    expect(await refusal(change(shadow(6, true)))).toMatchObject({
      code: "TRAFFIC_INVALID",
      message: expect.stringMatching(/at most 4/),
    });
  });
});

test("a file that somebody wrote is put as it is", async () => {
  const written = parseTraffic('{"stable":1,"shadow":[2],"previous":3}', "traffic.json");
  expect(await change(replaceTraffic(written))).toEqual(written);
});

test("a file that nobody understands is in the way of a change, and can be replaced", async () => {
  writeFileSync(join(folder, "m", "traffic.json"), "{");
  expect(await refusal(change(promote(3)))).toMatchObject({ code: "TRAFFIC_INVALID" });
  await change(replaceTraffic(parseTraffic('{"stable":2}', "traffic.json")));
  expect(stored()).toEqual({ stable: 2 });
});

describe("retiring", () => {
  test("is refused for what answers or shadows", async () => {
    put({ stable: 1, canary: { version: 2, percent: 1 }, shadow: [3] });
    for (const [version, part] of [
      [1, "the stable one"],
      [2, "the canary"],
      [3, "a shadow"],
    ] as const) {
      expect(await refusal(retire(tools(), "m", version))).toMatchObject({
        code: "VERSION_IN_USE",
        message: expect.stringContaining(part),
      });
    }
    expect(await repository.versions("m")).toEqual([4, 3, 2, 1]);
  });

  test("lets go of the version that was kept to go back to, and its number is never used again", async () => {
    put({ stable: 1, previous: 4 });
    await retire(tools(), "m", 4);
    expect(stored()).toEqual({ stable: 1 });
    expect(await repository.versions("m")).toEqual([3, 2, 1]);
    expect(await repository.nextVersion("m")).toBe(5);
    expect(await refusal(retire(tools(), "m", 4))).toMatchObject({ code: "VERSION_NOT_FOUND" });
  });

  test("takes away what a deploy that died left, once", async () => {
    mkdirSync(join(folder, "m", "5"));
    writeFileSync(join(folder, "m", "5.deploy.json"), "{}");
    writeFileSync(join(folder, "m", "5", "model.onnx"), "half");
    expect(await repository.versions("m")).toEqual([4, 3, 2, 1]);
    await retire(tools(), "m", 5);
    expect(existsSync(join(folder, "m", "5"))).toBe(false);
    for (const version of [5, 9]) {
      expect(await refusal(retire(tools(), "m", version))).toMatchObject({ code: "VERSION_NOT_FOUND" });
    }
  });

  test("what serves without a traffic file is in use", async () => {
    expect(await refusal(retire(tools(), "m", 4))).toMatchObject({
      code: "VERSION_IN_USE",
      message: expect.stringContaining("promote another first, or retire the whole model (--all)"),
    });
  });

  test("of a whole model leaves its numbers alone, and deletes what answers last", async () => {
    writeFileSync(join(folder, "m", "model.json"), "{}");
    put({ stable: 2, canary: { version: 3, percent: 5 } });
    let seen: readonly (readonly number[])[] = [];
    const watched = {
      ...repository,
      deleteModel: async (model: string, last: number | undefined) => {
        const deleting = repository.deleteModel(model, last);
        let isOver = false;
        void deleting.finally(() => {
          isOver = true;
        });
        while (!isOver) seen = [...seen, await repository.versions(model)];
        await deleting;
      },
    };
    await retireModel(tools({ repository: watched }), "m");
    const steps = seen.map(String).filter((one, i, all) => i === 0 || one !== all[i - 1]);
    expect(steps.filter((one) => one !== "").every((one) => one.split(",").includes("2"))).toBe(true);
    expect(readdirSync(join(folder, "m")).sort()).toEqual([1, 2, 3, 4].map((version) => `${version}.deploy.json`));
    expect(await repository.models()).toEqual([]);
    expect(await repository.nextVersion("m")).toBe(5);
    expect(await refusal(retireModel(tools(), "m"))).toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(await refusal(retireModel(tools(), "n"))).toMatchObject({ code: "MODEL_NOT_FOUND" });
  });

  test("of a whole model takes what is left of one that was broken off, and a traffic file that nobody understands", async () => {
    writeFileSync(join(folder, "m", "traffic.json"), "{");
    for (const version of [1, 2, 3, 4]) await repository.deleteVersion("m", version);
    await retireModel(tools(), "m");
    expect(readdirSync(join(folder, "m"))).not.toContain("traffic.json");
  });
});

test("a model that is not there, and a name that is a path", async () => {
  for (const name of ["n", "../m"]) {
    expect(await refusal(changeTraffic(tools(), name, rollback()))).toMatchObject({ code: "MODEL_NOT_FOUND" });
  }
});
