/** Adding and deleting versions of a model: by several at once, killed at any step, failing at any step. */

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ObjectStore } from "../object-store.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { REPOSITORY_PLACES, textOf, uploadOf } from "./fixtures/repository-places.ts";
import { openModelRepository } from "./repository.ts";

const GRAPH = Buffer.from("a graph");
const WEIGHTS = Buffer.from("weights");

/** From the nth put on nothing is done any more: neither that put nor, when it is dead, what would clean up. */
function stopped(
  objects: ObjectStore,
  puts: number,
  { isDead, isLostAnswer }: { readonly isDead: boolean; readonly isLostAnswer: boolean },
): ObjectStore {
  let left = puts;
  const gone = () => Promise.reject(new Error("stopped"));
  return {
    ...objects,
    put: async (...words) => {
      if (left-- > 0) return objects.put(...words);
      if (isLostAnswer && left === -1) await objects.put(...words).catch(() => {});
      return gone();
    },
    delete: (path) => (isDead ? gone() : objects.delete(path)),
  };
}

/** The claim, the proof that it holds, two files, the manifest. */
const STEPS = 5;

describe.each(REPOSITORY_PLACES)("in $name", ({ eachTest }) => {
  const place = eachTest();

  test("a server that does not heed the condition of a claim is refused", async () => {
    const heedless: ObjectStore = {
      ...place().objects,
      put: (path, bytes) => place().objects.put(path, bytes),
    };
    const refused = { code: "SOURCE_UNSUPPORTED", message: expect.stringContaining("does not heed If-None-Match") };
    await expect(place().over(heedless).addVersion("churn", 1, uploadOf("x"))).rejects.toMatchObject(refused);
    expect(await place().markOf(1)).toBeUndefined();
  });

  test("an added version is there with all of its files", async () => {
    expect(await place().repository.nextVersion("churn")).toBe(1);
    await place().repository.addVersion("churn", 1, uploadOf("first"));
    expect(await place().repository.models()).toEqual(["churn"]);
    expect(await place().markOf(1)).toBe("first");
    expect(await place().repository.nextVersion("churn")).toBe(2);
    await place().repository.addVersion("churn", 7, uploadOf("second"));
    expect(await place().repository.versions("churn")).toEqual([7, 1]);
    expect(await place().repository.nextVersion("churn")).toBe(8);
  });

  test("a large file comes back as it was", async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024 + 7, "0123456789abcde");
    const files = [{ name: "model.onnx", bytes }];
    await place().repository.addVersion("churn", 1, { files, manifest: "{}" });
    const { content } = await place().repository.readModel("churn", 1);
    expect(bytes.equals(content)).toBe(true);
  }, 60_000);

  test("of those who add the same version at once exactly one does, and all of its files are the winner's", async () => {
    for (let round = 1; round <= 12; round++) {
      const adds = Array.from({ length: 4 }, (_, i) =>
        place()
          .over(place().objects)
          .addVersion("churn", round, uploadOf(`${i}`)),
      );
      const settled = await Promise.allSettled(adds);
      const winners = settled.flatMap(({ status }, i) => (status === "fulfilled" ? [String(i)] : []));
      expect(winners).toHaveLength(1);
      expect(await place().markOf(round)).toBe(winners[0]);
      for (const one of settled) if (one.status === "rejected") expect(one.reason.code).toBe("DEPLOY_CONFLICT");
    }
  }, 60_000);

  test("a number that is taken by hand is nobody's to claim, and stays served", async () => {
    await place().put("churn/model.json", "manifest");
    await place().put("churn/3/model.onnx", GRAPH);
    const conflict = { code: "DEPLOY_CONFLICT", message: expect.stringMatching(/Version 3 of "churn" is taken/) };
    await expect(place().repository.addVersion("churn", 3, uploadOf("x"))).rejects.toMatchObject(conflict);
    expect(await place().repository.versions("churn")).toEqual([3]);
    expect(textOf(await place().repository.readModel("churn", 3))).toBe(GRAPH.toString());
  });

  const stops = [false, true].flatMap((isLostAnswer) =>
    Array.from({ length: STEPS }, (_, puts) => ({ puts, isLostAnswer })),
  );
  test.each(stops)(
    "a deploy killed after $puts puts, or one more that is not answered ($isLostAnswer), leaves no half version",
    async (stop) => {
      await place().repository.addVersion("churn", 1, uploadOf("kept"));
      const dying = place().over(stopped(place().objects, stop.puts, { ...stop, isDead: true }));
      const unreachable = { code: "REPOSITORY_UNREACHABLE", message: expect.stringContaining("stopped") };
      await expect(dying.addVersion("churn", 2, uploadOf("half"))).rejects.toMatchObject(unreachable);
      const done = stop.puts + (stop.isLostAnswer ? 1 : 0);
      // Whole where only the answer to the last put was lost.
      expect(await place().markOf(2)).toBe(done === STEPS ? "half" : undefined);
      if (done > 0 && done < STEPS) {
        await expect(place().repository.readManifest("churn", 2)).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
      }
      const next = await place().repository.nextVersion("churn");
      expect(next).toBe(done === 0 ? 2 : 3);
      await place().repository.addVersion("churn", next, uploadOf("next"));
      expect(await place().markOf(next)).toBe("next");
      expect(await place().markOf(1)).toBe("kept");
    },
  );

  test("a deploy that fails at any step takes its files away again, and its number stays taken", async () => {
    await place().put("churn/model.json", "manifest");
    for (const isLostAnswer of [false, true]) {
      for (let puts = 1; puts < STEPS; puts++) {
        const version = await place().repository.nextVersion("churn");
        const failing = place().over(stopped(place().objects, puts, { isDead: false, isLostAnswer }));
        await expect(failing.addVersion("churn", version, uploadOf("x"))).rejects.toThrow("stopped");
        expect(await place().repository.versions("churn")).toEqual([]);
        const left = (await place().objects.listBelow(`${place().address}/churn`, 2)).filter(
          (entry) => entry.version !== undefined,
        );
        expect(left.map(({ name }) => name)).not.toContainEqual(expect.stringContaining(`${version}/`));
        expect(await place().repository.nextVersion("churn")).toBe(version + 1);
      }
    }
  }, 60_000);

  test("a deleted version is gone, deployed or placed by hand, and its number is never used again", async () => {
    await place().put("churn/model.json", "manifest");
    await place().put("churn/1/model.onnx", GRAPH);
    await place().put("churn/1/model.onnx.data", WEIGHTS);
    await place().repository.addVersion("churn", 2, uploadOf("deployed"));
    for (const version of [2, 1]) {
      await place().repository.deleteVersion("churn", version);
      expect(await place().repository.versions("churn")).not.toContain(version);
      const gone = { code: "VERSION_NOT_FOUND" };
      await expect(place().repository.readManifest("churn", version)).rejects.toMatchObject(gone);
      await expect(place().repository.readModel("churn", version)).rejects.toMatchObject({
        code: "MODEL_FILE_INVALID",
      });
      await expect(place().repository.addVersion("churn", version, uploadOf("x"))).rejects.toMatchObject({
        code: "DEPLOY_CONFLICT",
      });
    }
    expect(await place().repository.nextVersion("churn")).toBe(3);
    await expect(place().repository.deleteVersion("churn", 9)).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
    await expect(place().repository.deleteVersion("nobody", 1)).rejects.toMatchObject({
      code: expect.stringMatching(/^(VERSION|MODEL)_NOT_FOUND$/),
    });
  });

  test("what a deploy that died left is deleted once, and then is not there", async () => {
    await place().put("churn/model.json", "manifest");
    for (const puts of [2, 3, 4]) {
      const version = await place().repository.nextVersion("churn");
      const dying = place().over(stopped(place().objects, puts, { isDead: true, isLostAnswer: false }));
      await expect(dying.addVersion("churn", version, uploadOf("half"))).rejects.toThrow("stopped");
      const gone = {
        code: "VERSION_NOT_FOUND",
        message: expect.stringContaining("deleted, or its deploy put no file"),
      };
      const hasFiles = puts > 2;
      if (hasFiles) await place().repository.deleteVersion("churn", version);
      const left = await place()
        .objects.listBelow(`${place().address}/churn/${version}`, 1)
        .catch(() => []);
      expect(left).toEqual([]);
      await expect(place().repository.deleteVersion("churn", version)).rejects.toMatchObject(gone);
    }
  });

  test("a deleted model is none, and its name can be used again with the next number", async () => {
    await place().put("churn/model.json", "manifest");
    await place().put("churn/3/model.onnx", GRAPH);
    await place().put("other/1/model.onnx", GRAPH);
    await place().repository.addVersion("churn", 4, uploadOf("four"));
    await place().repository.putTraffic("churn", '{"stable":4}', undefined);
    await place().repository.deleteModel("churn", 4);
    expect(await place().repository.models()).toEqual(["other"]);
    expect([...(await place().repository.snapshot()).keys()]).toEqual(["other"]);
    await expect(place().repository.deleteModel("churn", undefined)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(await place().repository.nextVersion("churn")).toBe(5);
    await place().repository.addVersion("churn", 5, uploadOf("five"));
    expect(await place().repository.versions("churn")).toEqual([5]);
    expect(await place().repository.readTraffic("churn")).toBeUndefined();
  });

  test("deleting that was broken off leaves nothing to be seen, and can be done again", async () => {
    await place().put("churn/model.json", "manifest");
    await place().put("churn/1/model.onnx", GRAPH);
    await place().repository.addVersion("churn", 2, uploadOf("deployed"));
    for (const version of [1, 2]) {
      let deletes = version === 1 ? 0 : 1;
      const breaking: ObjectStore = {
        ...place().objects,
        delete: (path) => (deletes-- > 0 ? place().objects.delete(path) : Promise.reject(new Error("stopped"))),
      };
      await expect(place().over(breaking).deleteVersion("churn", version)).rejects.toThrow("stopped");
      expect(await place().repository.versions("churn")).not.toContain(version);
      await place().repository.deleteVersion("churn", version);
      await expect(place().repository.readModel("churn", version)).rejects.toMatchObject({
        code: "MODEL_FILE_INVALID",
      });
    }
  });

  test.each([
    ["no graph", ["weights"], /needs a file model\.onnx/],
    ["a path", ["model.onnx", "../x"], /"\.\.\/x" can't be a file of a version/],
    ["a path of another system", ["model.onnx", "a\\b"], /can't be a file/],
    ["a hidden file", ["model.onnx", ".x"], /can't be a file/],
    ["the manifest as a file", ["model.onnx", "model.json"], /"model\.json" can't be a file/],
    ["a name twice", ["model.onnx", "w", "w"], /"w" is there twice/],
  ])("%s is refused before anything is claimed", async (_, names, message) => {
    const files = names.map((name) => ({ name, bytes: GRAPH }));
    const refused = { code: "MODEL_FILE_INVALID", message: expect.stringMatching(message) };
    await expect(place().repository.addVersion("churn", 1, { files, manifest: "{}" })).rejects.toMatchObject(refused);
    expect(await place().repository.nextVersion("churn")).toBe(1);
  });
});

test("what killed puts left in a folder goes with the next version that is added, and with its own when it is deleted", async () => {
  const folder = temporaryFolder();
  const repository = await openModelRepository(folder, { mayBeEmpty: true });
  const leave = (version: number, minutes: number) => {
    const path = join(folder, `churn/${version}/.model.onnx.${randomUUID()}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, GRAPH);
    const at = new Date(Date.now() - minutes * 60_000);
    utimesSync(path, at, at);
  };
  const left = (version: number) => readdirSync(join(folder, `churn/${version}`)).filter((name) => name[0] === ".");
  await repository.addVersion("churn", 1, uploadOf("whole"));
  for (const version of [2, 3]) writeFileSync(join(folder, `churn/${version}.deploy.json`), "{}");
  leave(2, 60);
  // May be a deploy that is under way.
  leave(3, 1);
  await repository.addVersion("churn", 4, uploadOf("next"));
  expect([2, 3].map((version) => left(version).length)).toEqual([0, 1]);
  leave(2, 60);
  await expect(repository.deleteVersion("churn", 2)).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
  leave(4, 60);
  await repository.deleteVersion("churn", 4);
  expect([2, 4].map((version) => existsSync(join(folder, `churn/${version}`)))).toEqual([false, false]);
});
