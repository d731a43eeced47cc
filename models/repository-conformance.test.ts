/** What a model repository has to say: models, versions, files, traffic and snapshots; and what it refuses. */

import { describe, expect, test } from "vitest";
import type { ObjectStore } from "../object-store.ts";
import { REPOSITORY_PLACES, textOf, uploadOf } from "./fixtures/repository-places.ts";
import { openModelRepository } from "./repository.ts";

const GRAPH = Buffer.from("a graph");
const WEIGHTS = Buffer.from("weights");

describe.each(REPOSITORY_PLACES)("in $name", ({ eachTest }) => {
  const place = eachTest();

  test("what was placed by hand is there, newest first, under the model's manifest", async () => {
    await place().put("churn/model.json", "manifest");
    for (const version of [1, 2, 10]) await place().put(`churn/${version}/model.onnx`, `graph ${version}`);
    await place().put("churn/2/model.json", "its own");
    await place().put("churn/latest/model.onnx", GRAPH);
    await place().put("churn-2/1/model.onnx", GRAPH);
    await place().put("alpha/model.json", "{}");
    await place().put("notes/README.md", "");
    await place().put("README.md", "");
    await place().put(".hidden/model.json", "{}");
    expect(await place().repository.models()).toEqual(["alpha", "churn", "churn-2"]);
    expect(await place().repository.versions("churn")).toEqual([10, 2, 1]);
    expect(await place().repository.versions("alpha")).toEqual([]);
    expect((await place().repository.readManifest("churn", 10)).content).toBe("manifest");
    expect((await place().repository.readManifest("churn", 2)).content).toBe("its own");
    expect((await place().repository.readManifest("churn")).file).toBe(`${place().address}/churn/model.json`);
    expect(textOf(await place().repository.readModel("churn", 10))).toBe("graph 10");
    expect(await place().repository.readTraffic("churn")).toBeUndefined();
    expect(await place().repository.nextVersion("churn")).toBe(11);
    expect((await openModelRepository(place().address)).address).toBe(place().address);
  });

  test("traffic is written over what was read, or not at all", async () => {
    const first = await place().repository.putTraffic("churn", '{"stable":1}', undefined);
    expect(await place().repository.readTraffic("churn")).toMatchObject({ content: '{"stable":1}', etag: first });
    const conflict = { code: "DEPLOY_CONFLICT", message: expect.stringMatching(/traffic of "churn" was changed/) };
    await expect(place().repository.putTraffic("churn", "x", undefined)).rejects.toMatchObject(conflict);
    const second = await place().repository.putTraffic("churn", '{"stable":22}', first);
    expect(second).not.toBe(first);
    await expect(place().repository.putTraffic("churn", "x", first)).rejects.toMatchObject(conflict);
    expect(await place().repository.readTraffic("churn")).toMatchObject({ content: '{"stable":22}', etag: second });
    for (let [round, etag] = [0, second]; round < 5; round++) {
      const puts = Array.from({ length: 4 }, (_, i) => place().repository.putTraffic("churn", `${round}-${i}`, etag));
      const won = (await Promise.allSettled(puts)).filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      etag = (won[0] as PromiseFulfilledResult<string>).value;
    }
    await expect(place().repository.putTraffic("churn", "x".repeat(70_000), undefined)).rejects.toMatchObject({
      code: "TRAFFIC_INVALID",
    });
  });

  test("a snapshot tells what changed, model by model, and nothing of what nobody sees", async () => {
    await place().put("other/model.json", "{}");
    await place().put("other/1/model.onnx", GRAPH);
    await place().put("churn/model.json", "1");
    const changes: (readonly [change: string, make: () => Promise<unknown>, isSeen: boolean])[] = [
      ["nothing", async () => {}, false],
      ["a file placed by hand", () => place().put("churn/1/model.onnx", GRAPH), true],
      ["another manifest", () => place().put("churn/model.json", "22"), true],
      ["traffic", () => place().repository.putTraffic("churn", '{"stable":1}', undefined), true],
      ["weights", () => place().put("churn/1/weights", WEIGHTS), true],
      ["a note", () => place().put("churn/README.md", "x"), false],
      [
        "half a deploy",
        async () => {
          await place().put("churn/2.deploy.json", "{}");
          await place().put("churn/2/model.onnx", GRAPH);
        },
        false,
      ],
      ["a deploy", () => place().repository.addVersion("churn", 3, uploadOf("x")), true],
      ["a deleted version", () => place().repository.deleteVersion("churn", 3), true],
      ["half a deploy, deleted", () => place().repository.deleteVersion("churn", 2), false],
    ];
    let before = await place().repository.snapshot();
    expect([...before.keys()]).toEqual(["churn", "other"]);
    for (const [change, make, isSeen] of changes) {
      await make();
      const after = await place().repository.snapshot();
      expect(after.get("churn") !== before.get("churn"), change).toBe(isSeen);
      expect(after.get("other"), change).toBe(before.get("other"));
      before = after;
    }
  });

  test("a version's fingerprint changes with its files and with the manifest that it goes by", async () => {
    const print = async (version: number) => (await place().repository.fingerprints("churn")).get(version);
    await place().put("churn/model.json", "1");
    await place().put("churn/1/model.onnx", GRAPH);
    await place().repository.addVersion("churn", 2, uploadOf("x"));
    const [first, second] = [await print(1), await print(2)];
    await place().repository.putTraffic("churn", '{"stable":1}', undefined);
    await place().repository.addVersion("churn", 3, uploadOf("x"));
    expect([await print(1), await print(2)]).toEqual([first, second]);
    await place().put("churn/model.json", "22");
    expect(await print(1)).not.toBe(first);
    expect(await print(2)).toBe(second);
    await place().put("churn/2/weights", WEIGHTS);
    expect(await print(2)).not.toBe(second);
    await place().repository.deleteVersion("churn", 2);
    expect([...(await place().repository.fingerprints("churn")).keys()]).toEqual([3, 1]);
  });

  test("a file that is replaced while it is read is read again, whole", async () => {
    await place().put("churn/1/model.onnx", "old");
    let replaced = 0;
    const changing: ObjectStore = {
      ...place().objects,
      read: async (...words) => {
        if (replaced++ < 2) await place().put("churn/1/model.onnx", `newer ${replaced}`);
        return place().objects.read(...words);
      },
    };
    expect(textOf(await place().over(changing).readModel("churn", 1))).toBe("newer 2");
    const never: ObjectStore = {
      ...place().objects,
      read: async (...words) => {
        await place().put("churn/1/model.onnx", `newer ${replaced++}`);
        return place().objects.read(...words);
      },
    };
    await expect(place().over(never).readModel("churn", 1)).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
  });

  test("no model, or no such place, is refused unless it may be empty", async () => {
    const refused = { code: "CONFIG_INVALID" };
    await expect(openModelRepository(place().address)).rejects.toMatchObject(refused);
    const empty = await openModelRepository(place().address, { mayBeEmpty: true });
    expect(await empty.models()).toEqual([]);
    await expect(empty.versions("churn")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    const nowhere = place().address.startsWith("s3:")
      ? `s3://none-${place().address.slice(5, 40)}`
      : `${place().address}/none`;
    await expect(openModelRepository(nowhere)).rejects.toMatchObject(refused);
    await empty.close();
  });

  test.each(["..", "", "a/b", "../etc", "a\\b", "-x", "x".repeat(64)])("the model name %j is refused", async (name) => {
    const refused = { code: "MODEL_NOT_FOUND" };
    await expect(place().repository.nextVersion(name)).rejects.toMatchObject(refused);
    await expect(place().repository.addVersion(name, 1, uploadOf("x"))).rejects.toMatchObject(refused);
    await expect(place().repository.deleteVersion(name, 1)).rejects.toMatchObject(refused);
    await expect(place().repository.readTraffic(name)).rejects.toMatchObject(refused);
    await expect(place().repository.putTraffic(name, "{}", undefined)).rejects.toMatchObject(refused);
  });

  test.each([0, -1, 1.5, Number.NaN, 1e9, 1e21])("the version %j is refused", async (version) => {
    const refused = { code: "VERSION_NOT_FOUND" };
    await expect(place().repository.addVersion("churn", version, uploadOf("x"))).rejects.toMatchObject(refused);
    await expect(place().repository.deleteVersion("churn", version)).rejects.toMatchObject(refused);
    await expect(place().repository.readModel("churn", version)).rejects.toMatchObject(refused);
    await expect(place().repository.readManifest("churn", version)).rejects.toMatchObject(refused);
  });
});
