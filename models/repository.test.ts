import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { checkModelName, openModelRepository, sha256Of } from "./repository.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "headgate-models-"));
});

async function put(path: string, content = "x"): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true });
  await writeFile(join(directory, path), content);
}

test("models and versions are listed, newest version first", async () => {
  await put("churn/model.json", "{}");
  for (const version of ["1", "2", "10"]) await put(`churn/${version}/model.onnx`, version);
  for (const other of ["0", "01", "v3", "1.5", "latest", ".git"]) await put(`churn/${other}/model.onnx`);
  await put("churn/7");
  await put("alpha/model.json");
  await put("notes/README.md");
  await put(".hidden/model.json");
  await put("README.md");
  const repository = await openModelRepository(directory);
  expect(await repository.models()).toEqual(["alpha", "churn"]);
  expect(await repository.versions("churn")).toEqual([10, 2, 1]);
  expect(await repository.versions("alpha")).toEqual([]);
  expect((await repository.readManifest("churn")).content).toBe("{}");
  const { file, content } = await repository.readModel("churn", 10);
  expect(file).toBe(join(directory, "churn", "10", "model.onnx"));
  expect(Buffer.from(content).toString()).toBe("10");
});

test("files of weights are read from beside the model, by name alone", async () => {
  await put("churn/model.json", "{}");
  await put("churn/1/model.onnx.data", "weights");
  await put("secret", "secret");
  const repository = await openModelRepository(directory);
  const { file, content } = await repository.readWeights("churn", 1, "model.onnx.data");
  expect(file).toBe(join(directory, "churn", "1", "model.onnx.data"));
  expect(Buffer.from(content).toString()).toBe("weights");
  for (const name of ["weights.bin", "../../secret"]) {
    await expect(repository.readWeights("churn", 1, name)).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      message: expect.stringMatching(/churn.1.*(does not exist|can't be read).*model\.onnx keeps weights in it/),
    });
  }
  await expect(repository.readWeights("../x", 1, "weights.bin")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
});

test("a folder that vanishes is away, whatever else is asked of it; one that was never there is not", async () => {
  const told: unknown[] = [];
  const hear = (event: unknown) => void told.push(event);
  subscribe("headgate:model-repository", hear);
  onTestFinished(() => void unsubscribe("headgate:model-repository", hear));
  await rm(directory, { recursive: true });
  const repository = await openModelRepository(directory, { mayBeEmpty: true });
  await expect(repository.snapshot()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  expect(told).toEqual([]);
  await put("churn/model.json");
  await repository.snapshot();
  await rm(directory, { recursive: true });
  for (let look = 0; look < 2; look++) {
    const away = { code: "REPOSITORY_UNREACHABLE" };
    await expect(repository.snapshot()).rejects.toMatchObject(away);
    await expect(repository.versions("churn")).rejects.toMatchObject(away);
    await expect(repository.fingerprints("churn")).rejects.toMatchObject(away);
    await expect(repository.readTraffic("churn")).rejects.toMatchObject(away);
    await expect(repository.nextVersion("churn")).rejects.toMatchObject(away);
    // Whoever is told that these files are bad would not try them again.
    await expect(repository.readManifest("churn", 1)).rejects.toMatchObject(away);
    await expect(repository.readModel("churn", 1)).rejects.toMatchObject(away);
  }
  const reason = `${directory} is not there or is no folder.`;
  expect(told).toEqual([{ address: directory, isAway: true, reason }]);
  await mkdir(directory);
  await repository.snapshot();
  expect(told.slice(1)).toEqual([{ address: directory, isAway: false, reason: undefined }]);
});

test("a folder that was never there is an empty one, whatever is asked of it", async () => {
  const repository = await openModelRepository(join(directory, "new"), { mayBeEmpty: true });
  await expect(repository.versions("churn")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
  await expect(repository.fingerprints("churn")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
  await expect(repository.readManifest("churn")).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  await expect(repository.readModel("churn", 1)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  expect(await repository.readTraffic("churn")).toBeUndefined();
  expect(await repository.nextVersion("churn")).toBe(1);
});

test("a version behind a link counts, a link to nowhere does not", async () => {
  await put("elsewhere/model.onnx");
  await put("churn/model.json");
  await symlink(join(directory, "elsewhere"), join(directory, "churn", "1"));
  await symlink(join(directory, "gone"), join(directory, "churn", "2"));
  const repository = await openModelRepository(directory);
  expect(await repository.versions("churn")).toEqual([1]);
});

test("a folder that can't be looked into is a model with a reason, or no model by its name", async () => {
  await put("churn/model.json");
  await mkdir(join(directory, "lost+found"), { mode: 0o000 });
  await mkdir(join(directory, "locked"), { mode: 0o000 });
  await chmod(directory, 0o755);
  await asNobody(async () => {
    const repository = await openModelRepository(directory);
    expect(await repository.models()).toEqual(["churn", "locked"]);
    await expect(repository.readManifest("locked")).rejects.toMatchObject({
      code: "MANIFEST_INVALID",
      message: expect.stringMatching(/locked.model\.json can't be read \(.*EACCES/),
    });
  });
});

/** Root may look into everything, so it becomes somebody else for a while. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

describe("refused", () => {
  test("folders that are no versions, by their names", async () => {
    await put("churn/model.json");
    for (const name of ["v1", "01"]) await put(`churn/${name}/model.onnx`);
    const repository = await openModelRepository(directory);
    await expect(repository.versions("churn")).rejects.toThrow(
      /churn has no version: versions are folders named 1, 2, …; found (01, v1|v1, 01)\. Rename/,
    );
  });

  test("a folder that is not there", async () => {
    const missing = join(directory, "none");
    await expect(openModelRepository(missing)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(missing),
    });
  });

  test("a folder without models", async () => {
    await put("churn/README.md");
    await expect(openModelRepository(directory)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(
        /holds no model; .*<name>\/1\/model\.onnx.*headgate models deploy.*modelsRequired.*HEADGATE_MODELS_REQUIRED=off/,
      ),
    });
  });

  test("a version without its file, and a model without its manifest", async () => {
    await mkdir(join(directory, "churn", "3"), { recursive: true });
    const repository = await openModelRepository(directory);
    expect(await repository.models()).toEqual(["churn"]);
    expect(await repository.versions("churn")).toEqual([3]);
    await expect(repository.readModel("churn", 3)).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      message: expect.stringMatching(/churn.3.model\.onnx does not exist; put the model there/),
    });
    await expect(repository.readManifest("churn")).rejects.toMatchObject({
      code: "MANIFEST_INVALID",
      message: expect.stringMatching(/model\.json does not exist/),
    });
    await mkdir(join(directory, "churn", "3", "model.onnx"));
    await expect(repository.readModel("churn", 3)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  });

  test.each(["..", ".", "", "a/b", "../etc", "a\\b", "a..b", "-x", "a b", "ä", "x".repeat(64), "a\0"])(
    "the name %j",
    async (name) => {
      expect(() => checkModelName(name)).toThrow(/can't be used/);
      await put("churn/model.json");
      const repository = await openModelRepository(directory);
      await expect(repository.readManifest(name)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
      await expect(repository.readModel(name, 1)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
      await expect(repository.versions(name)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    },
  );
});

test("names with dots, dashes and digits are taken", () => {
  for (const name of ["churn", "churn-v1.2", "7up", "a_b"]) checkModelName(name);
});

test("the checksum is the one that sha256sum prints", () => {
  expect(sha256Of(new TextEncoder().encode("abc"))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
