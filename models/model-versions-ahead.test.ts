/** Refreshes that are asked for while one is loading: what they show ahead of it, and what they leave to it. */

import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ZOO, zooColumns } from "./fixtures/zoo.ts";
import { type Models, openModels } from "./lifecycle.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";

let directory: string;
let repository: ModelRepository;
let models: Models;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "headgate-ahead-"));
  await cp(join(ZOO, "double"), join(directory, "double"), { recursive: true });
});

afterEach(async () => {
  await models.close();
  await repository.close();
  await rm(directory, { recursive: true });
});

async function open(over: Partial<ModelRepository>): Promise<void> {
  repository = await openModelRepository(directory);
  models = await openModels({
    ...{ repository: { ...repository, ...over }, columnsOf: zooColumns, versionsReady: 1 },
    now: () => performance.now(),
  });
}

const served = () => models.get("double")!;
const states = () => served().versions.map(({ state, version }) => [version, state]);
const putTraffic = (traffic: object) => writeFile(join(directory, "double/traffic.json"), JSON.stringify(traffic));
const put = async (version: number) => {
  await mkdir(join(directory, `double/${version}`));
  await cp(join(directory, "double/1/model.onnx"), join(directory, `double/${version}/model.onnx`));
};

test("what needs no load is served while another version is being loaded", async () => {
  await put(2);
  await putTraffic({ stable: 1, previous: 2 });
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await open({
    readModel: async (model, version) => {
      if (version === 3) await held;
      return repository.readModel(model, version);
    },
  });
  await put(3);
  await putTraffic({ stable: 3, previous: 1 });
  const promoted = models.refresh("double");
  await expect.poll(() => served().traffic!.stable).toBe(1);
  await putTraffic({ stable: 2, previous: 1 });
  // It resolves: what is to answer now has not to be loaded.
  await models.refresh("double", "answering");
  let isLoaded = false;
  const loaded = models.refresh("double").then(() => {
    isLoaded = true;
  });
  expect([served().stable!.version, served().traffic!.stable, served().reason]).toEqual([2, 2, undefined]);
  const two = served().stable;
  expect(isLoaded).toBe(false);
  goOn();
  await promoted;
  await loaded;
  expect(served().ready.get(3)!.state).toBe("READY");
  expect(served().stable).toBe(two);
  expect(two!.state).toBe("READY");
});

test("what a refresh has loaded is shown at its end, whoever has looked ahead meanwhile", async () => {
  await putTraffic({ stable: 1 });
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let listed = 0;
  await open({
    fingerprints: (model) => {
      listed++;
      return repository.fingerprints(model);
    },
    readModel: async (model, version) => {
      if (version === 2) await held;
      return repository.readModel(model, version);
    },
  });
  await put(2);
  const loading = models.refresh("double");
  await expect.poll(() => listed).toBe(2);
  const other = models.refresh("double");
  await expect.poll(() => listed).toBe(3);
  goOn();
  await loading;
  expect(states()).toEqual([
    [2, "READY"],
    [1, "READY"],
  ]);
  await other;
});
