import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findModel, stableVersion } from "./alias.ts";
import { readBroken, readExpected, ZOO, zooColumns } from "./fixtures/zoo.ts";
import { type Models, openModels } from "./lifecycle.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";

let directory: string;
let models: Models;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "headgate-models-"));
});

afterEach(async () => {
  await models.close();
});

async function open(): Promise<Models> {
  const repository = await openModelRepository(directory);
  models = await openModels({ repository, columnsOf: zooColumns, now: () => performance.now() });
  return models;
}

const copy = (name: string) => cp(join(ZOO, name), join(directory, name), { recursive: true });

async function putVersion(name: string, version: number, bytes: Uint8Array): Promise<void> {
  await mkdir(join(directory, name, String(version)), { recursive: true });
  await writeFile(join(directory, name, String(version), "model.onnx"), bytes);
}

test("the highest version serves", async () => {
  await copy("double");
  await cp(join(directory, "double", "1"), join(directory, "double", "12"), { recursive: true });
  const model = (await open()).get("double")!;
  expect(model.stable!.version).toBe(12);
  expect(model.versions).toEqual([
    { version: 12, state: "READY", reason: undefined },
    { version: 1, state: "UNKNOWN", reason: "Not loaded: version 12 serves." },
  ]);
});

test("where the highest does not load the next one serves, and the reason is kept", async () => {
  await copy("double");
  await putVersion("double", 2, readBroken("unknown-operator"));
  await putVersion("double", 3, readBroken("truncated"));
  await mkdir(join(directory, "double", "4"));
  const model = (await open()).get("double")!;
  expect(model.stable!.version).toBe(1);
  expect(model.reason).toBeUndefined();
  expect(model.versions.map(({ version, state }) => [version, state])).toEqual([
    [4, "UNAVAILABLE"],
    [3, "UNAVAILABLE"],
    [2, "UNAVAILABLE"],
    [1, "READY"],
  ]);
  expect(model.versions[0]!.reason).toMatch(/4.model\.onnx does not exist/);
  expect(model.versions[1]!.reason).toMatch(/3.model\.onnx is not an ONNX model or is cut short/);
  expect(model.versions[2]!.reason).toMatch(/2.model\.onnx can't be loaded: .*Embiggen/);
});

test("one bad model takes no other down, and says why it can't serve", async () => {
  await copy("double");
  await putVersion("text", 1, readBroken("text"));
  await writeFile(
    join(directory, "text", "model.json"),
    '{"service":"double","inputs":{"X":"f0"},"outputs":{"y":"y"}}',
  );
  await putVersion("no-manifest", 1, readBroken("text"));
  await mkdir(join(directory, "no-version"));
  await cp(join(ZOO, "double", "model.json"), join(directory, "no-version", "model.json"));
  await mkdir(join(directory, "bad name"));
  await writeFile(join(directory, "bad name", "model.json"), "{}");
  await open();
  expect(models.list().map(({ name, stable }) => [name, stable?.state])).toEqual([
    ["bad name", undefined],
    ["double", "READY"],
    ["no-manifest", undefined],
    ["no-version", undefined],
    ["text", undefined],
  ]);
  const reasons = models.list().map(({ reason }) => reason);
  expect(reasons[0]).toMatch(/"bad name" can't be used/);
  expect(reasons[2]).toMatch(/model\.json does not exist; every model needs its manifest/);
  expect(reasons[3]).toMatch(/no version beside it; put the model into no-version\/1\/model\.onnx/);
  expect(reasons[4]).toMatch(/text.1.model\.onnx is not an ONNX model/);
});

test("a golden example that is answered otherwise keeps the version out", async () => {
  await copy("regressor");
  const file = join(directory, "regressor", "model.json");
  const manifest = await readFile(file, "utf8");
  await writeFile(file, manifest.replace(/"price": -?\d/, '"price": 7'));
  const model = (await open()).get("regressor")!;
  expect(model.stable).toBeUndefined();
  expect(model.reason).toMatch(/regressor.model\.json: examples\[0\]\.outputs\.price expected 7.*, got /);
});

test("a request finds its model and version, or is told what there is", async () => {
  await copy("double");
  await putVersion("gone", 1, readBroken("empty"));
  await cp(join(ZOO, "double", "model.json"), join(directory, "gone", "model.json"));
  await open();
  const stable = stableVersion(findModel(models, "double"));
  const { rows } = readExpected("double");
  expect((await stable.predict(rows)).count).toBe(rows.length);
  expect(() => findModel(models, "doubel")).toThrow(
    expect.objectContaining({
      code: "MODEL_NOT_FOUND",
      message: 'There is no model "doubel"; there is "double", "gone".',
    }),
  );
  expect(() => stableVersion(findModel(models, "gone"))).toThrow(
    expect.objectContaining({
      code: "MODEL_UNAVAILABLE",
      message: expect.stringMatching(/"gone" has no version that is ready; GET \/models\/gone says why/),
    }),
  );
});

test("a refresh of one model asks about no other, and drops one that is gone", async () => {
  await copy("double");
  await copy("string");
  const repository = await openModelRepository(directory);
  const asked: string[] = [];
  const counted: ModelRepository = {
    ...repository,
    models: () => {
      asked.push("models");
      return repository.models();
    },
    fingerprints: (name) => {
      asked.push(name);
      return repository.fingerprints(name);
    },
  };
  models = await openModels({ repository: counted, columnsOf: zooColumns, now: () => performance.now() });
  asked.length = 0;
  await models.refresh("double");
  expect(asked).toEqual(["double"]);
  const [gone, left] = [models.get("double")!.stable!, models.get("string")!.stable!];
  // What a deleted model leaves: the number that is never used again, and who was to serve.
  await rm(join(directory, "double"), { recursive: true });
  await mkdir(join(directory, "double"));
  for (const file of ["1.deploy.json", "traffic.json"]) await writeFile(join(directory, "double", file), "{}");
  await models.refresh("double");
  expect(asked).toEqual(["double", "double"]);
  expect(models.list().map(({ name }) => name)).toEqual(["string"]);
  expect([gone.state, left.state]).toEqual(["UNAVAILABLE", "READY"]);
  await rm(join(directory, "double"), { recursive: true });
  await copy("double");
  await models.refresh("double");
  expect(models.list().map(({ name, stable }) => [name, stable?.state])).toEqual([
    ["double", "READY"],
    ["string", "READY"],
  ]);
});

test("a folder that no model can be called is shown while it is there", async () => {
  await copy("double");
  await mkdir(join(directory, "bad name"));
  await writeFile(join(directory, "bad name", "model.json"), "{}");
  await open();
  await models.refresh("bad name");
  expect(models.get("bad name")!.reason).toMatch(/can't be used/);
  await rm(join(directory, "bad name"), { recursive: true });
  await models.refresh("bad name");
  expect(models.list().map(({ name }) => name)).toEqual(["double"]);
});

test("where there is no model at all the refusal says how to get one", async () => {
  const repository = await openModelRepository(directory, { mayBeEmpty: true });
  models = await openModels({ repository, columnsOf: zooColumns, now: () => performance.now() });
  expect(() => findModel(models, "churn")).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/there is none; deploy one with headgate models deploy/),
    }),
  );
});

test("a folder that is not there yet holds no model until it is", async () => {
  await rm(directory, { recursive: true });
  const repository = await openModelRepository(directory, { mayBeEmpty: true });
  models = await openModels({ repository, columnsOf: zooColumns, now: () => performance.now() });
  expect(models.list()).toEqual([]);
  await models.refresh();
  expect(models.list()).toEqual([]);
  await copy("double");
  await models.refresh();
  expect(models.list().map(({ name }) => name)).toEqual(["double"]);
});

test("a folder that has vanished takes no model along", async () => {
  await copy("double");
  await open();
  const before = models.list();
  await rm(directory, { recursive: true });
  await expect(models.refresh()).rejects.toMatchObject({ code: "REPOSITORY_UNREACHABLE" });
  expect(models.list()).toBe(before);
  expect(models.get("double")!.stable!.state).toBe("READY");
});

test("a refresh of one model takes none along with a folder that has vanished, and says so", async () => {
  await copy("double");
  await open();
  const before = models.list();
  await rm(directory, { recursive: true });
  await expect(models.refresh("double")).rejects.toMatchObject({
    code: "REPOSITORY_UNREACHABLE",
    message: `The model repository ${directory} does not answer: ${directory} is not there or is no folder.`,
  });
  expect(models.list()).toBe(before);
  expect(models.get("double")!.stable!.state).toBe("READY");
  await mkdir(directory);
  await models.refresh("double");
  expect(models.list()).toEqual([]);
});

test("closing ends every version", async () => {
  await copy("double");
  await copy("string");
  await open();
  await models.close();
  expect(models.list().map(({ versions }) => versions[0]!.state)).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
  await rm(directory, { recursive: true });
});
