/** The local copy of a bucket's models: what it answers when S3 is away, in the same process and in one that starts then. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { findS3, type S3Server, startS3 } from "../test/harness/s3.ts";
import { TcpProxy } from "../test/harness/tcp-proxy.ts";
import { createModelRepository, type ModelRepository, openModelRepository } from "./repository.ts";
import { copiedStore } from "./repository-copy.ts";
import { openRepositoryStore } from "./repository-store.ts";

const UNREACHABLE = { code: "REPOSITORY_UNREACHABLE" };
const uploadOf = (mark: string) => ({
  files: [{ name: "model.onnx", bytes: Buffer.from(`graph ${mark}`) }],
  manifest: mark,
});
const text = ({ content }: { readonly content: Uint8Array }) => Buffer.from(content).toString();

/** Every file that a folder has, on any level, but the listing. */
const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "listing.json")
    .map(({ parentPath, name }) => join(parentPath, name));

describe("over a store that fails when it is told to", () => {
  let objects: ObjectStore;
  let address: string;
  let cache: string;
  let isAway: boolean;
  let asked: string[];

  beforeEach(() => {
    [address, cache, isAway, asked] = [temporaryFolder(), temporaryFolder(), false, []];
    objects = openObjectStore({ directory: "/" });
  });

  const open = async (): Promise<ModelRepository> => {
    const away = <Words extends readonly unknown[], T>(name: string, call: (...words: Words) => Promise<T>) => {
      return async (...words: Words): Promise<T> => {
        asked.push(name);
        if (isAway) throw new Error("no route");
        return call(...words);
      };
    };
    const failing: ObjectStore = {
      ...objects,
      listBelow: away("list", objects.listBelow),
      stat: away("stat", objects.stat),
      read: away("read", objects.read),
      put: away("put", objects.put),
    };
    return createModelRepository(await copiedStore(openRepositoryStore(failing, address), cache));
  };

  /** As a gateway does at its start: all models, all versions, all files. */
  const readAll = async (repository: ModelRepository) => {
    const seen: Record<string, unknown> = {};
    for (const model of await repository.models()) {
      const versions: Record<string, string> = {};
      for (const version of await repository.versions(model)) {
        const { content } = await repository.readManifest(model, version);
        versions[version] = `${content}: ${text(await repository.readModel(model, version))}`;
      }
      seen[model] = { versions, traffic: (await repository.readTraffic(model))?.content };
    }
    return seen;
  };

  const fill = async () => {
    const repository = await open();
    await repository.addVersion("churn", 1, uploadOf("a"));
    await repository.addVersion("churn", 2, uploadOf("b"));
    await repository.putTraffic("churn", '{"stable":1}', undefined);
    await repository.addVersion("fraud", 1, uploadOf("c"));
    return repository;
  };

  test("what was read is answered when the store is away, and in a process that starts then", async () => {
    const repository = await fill();
    const before = await readAll(repository);
    expect(before).toMatchObject({ churn: { versions: { 1: "a: graph a", 2: "b: graph b" } } });
    isAway = true;
    expect(await readAll(repository)).toEqual(before);
    expect(await readAll(await open())).toEqual(before);
  });

  test("a poll and a write say that the store is away; nothing else asks it again until a poll is answered", async () => {
    const repository = await fill();
    await readAll(repository);
    isAway = true;
    await expect(repository.snapshot()).rejects.toMatchObject(UNREACHABLE);
    await expect(repository.addVersion("churn", 3, uploadOf("x"))).rejects.toMatchObject(UNREACHABLE);
    await expect(repository.putTraffic("churn", "x", undefined)).rejects.toMatchObject(UNREACHABLE);
    asked = [];
    for (let i = 0; i < 3; i++) {
      expect(await repository.versions("churn")).toEqual([2, 1]);
      expect((await repository.readTraffic("churn"))?.content).toBe('{"stable":1}');
    }
    expect(asked).toEqual([]);
    isAway = false;
    await createModelRepository(openRepositoryStore(objects, address)).addVersion("churn", 3, uploadOf("d"));
    expect(await repository.versions("churn")).toEqual([2, 1]);
    await repository.snapshot();
    expect(await repository.versions("churn")).toEqual([3, 2, 1]);
  });

  test("a version that was never read says so, at once, and the others are answered", async () => {
    const repository = await fill();
    await repository.models();
    await repository.readManifest("churn", 1);
    await repository.readModel("churn", 1);
    isAway = true;
    const started = await open();
    expect(await started.models()).toEqual(["churn", "fraud"]);
    expect(text(await started.readModel("churn", 1))).toBe("graph a");
    asked = [];
    const never = { ...UNREACHABLE, message: expect.stringMatching(/the copy of it has no churn\/2\/model\.onnx/) };
    await expect(started.readModel("churn", 2)).rejects.toMatchObject(never);
    expect(asked).toEqual([]);
  });

  test("a file that was read once is not fetched again, by any process", async () => {
    await readAll(await fill());
    asked = [];
    await readAll(await open());
    expect(asked.filter((name) => name === "read")).toEqual([]);
  });

  test("traffic that was read is the one that is answered, though no listing has told of it", async () => {
    const repository = await fill();
    await readAll(repository);
    const elsewhere = createModelRepository(openRepositoryStore(objects, address));
    await elsewhere.putTraffic("churn", '{"stable":2}', (await repository.readTraffic("churn"))!.etag);
    expect((await repository.readTraffic("churn"))?.content).toBe('{"stable":2}');
    isAway = true;
    expect((await (await open()).readTraffic("churn"))?.content).toBe('{"stable":2}');
  });

  test("what the repository no longer has is removed from the copy", async () => {
    const repository = await fill();
    await readAll(repository);
    const whole = filesBelow(cache).length;
    const elsewhere = createModelRepository(openRepositoryStore(objects, address));
    await elsewhere.deleteVersion("churn", 1);
    for (let looks = 0; looks < 2; looks++) await repository.snapshot();
    expect(filesBelow(cache)).toHaveLength(whole - 2);
    for (let version = 3; version < 23; version++) {
      await elsewhere.addVersion("churn", version, uploadOf(`${version}`));
      await readAll(repository);
      await elsewhere.deleteVersion("churn", version);
    }
    for (let looks = 0; looks < 2; looks++) await repository.snapshot();
    expect(filesBelow(cache)).toHaveLength(whole - 2);
    isAway = true;
    expect(await (await open()).versions("churn")).toEqual([2]);
  });

  test("without a copy there is nothing to start from, and a broken one is as none", async () => {
    isAway = true;
    await expect((await open()).models()).rejects.toMatchObject(UNREACHABLE);
    isAway = false;
    await readAll(await fill());
    const [copy] = readdirSync(cache);
    for (const broken of ["", "{", "[[1,2]]", '["churn"]', "null"]) {
      writeFileSync(join(cache, copy!, "listing.json"), broken);
      isAway = true;
      await expect((await open()).models(), broken).rejects.toMatchObject(UNREACHABLE);
      isAway = false;
      expect(Object.keys(await readAll(await open()))).toEqual(["churn", "fraud"]);
    }
  });

  test("a copied file that was cut short is fetched again", async () => {
    const before = await readAll(await fill());
    for (const file of filesBelow(cache)) writeFileSync(file, "");
    expect(await readAll(await open())).toEqual(before);
  });

  test("a folder that can't be written is refused at first and told of later", async () => {
    const repository = await fill();
    await readAll(repository);
    const told: unknown[] = [];
    const listener = (event: unknown) => void told.push(event);
    subscribe("headgate:model-copy-failed", listener);
    rmSync(cache, { recursive: true });
    writeFileSync(cache, "a file");
    await repository.addVersion("churn", 3, uploadOf("d"));
    expect(await repository.snapshot()).toBeDefined();
    expect(text(await repository.readModel("churn", 3))).toBe("graph d");
    unsubscribe("headgate:model-copy-failed", listener);
    expect(told[0]).toMatchObject({ directory: expect.stringContaining(cache) });
    await expect((await open()).models()).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/can't be written.*HEADGATE_MODELS_CACHE/),
    });
  });
});

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";

describe.skipIf("missing" in found)(`over S3${absent}`, () => {
  let server: S3Server;
  let proxy: TcpProxy;
  let port: number;
  let address: string;

  beforeAll(async () => {
    server = await startS3(found);
  });
  afterAll(async () => {
    if ("program" in found) await server?.stop();
  });
  beforeEach(async () => {
    const { hostname, port: serverPort } = new URL(server.endpoint);
    proxy = new TcpProxy(Number(serverPort), hostname);
    port = await proxy.listen();
    address = `s3://${await server.createBucket()}/models`;
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  });
  afterEach(() => {
    proxy.close();
    vi.unstubAllEnvs();
  });

  const openAt = async (endpoint: string, cacheDirectory?: string, stallMs = 10_000) => {
    vi.stubEnv("AWS_ENDPOINT_URL_S3", endpoint);
    const cached = cacheDirectory === undefined ? {} : { cacheDirectory };
    return openModelRepository(address, { mayBeEmpty: true, ...cached, s3: { backoffMs: 10, stallMs } });
  };
  const direct = () => openAt(server.endpoint);
  const proxied = (cache?: string, stallMs?: number) => openAt(`http://127.0.0.1:${port}`, cache, stallMs);

  test("a server that is gone, or swallows everything, is answered for by the copy, at a start too", async () => {
    const cache = temporaryFolder();
    const deployer = await direct();
    await deployer.addVersion("churn", 1, uploadOf("a"));
    const repository = await proxied(cache, 200);
    expect(text(await repository.readModel("churn", 1))).toBe("graph a");
    await repository.readManifest("churn", 1);
    proxy.stall();
    const stalled = { ...UNREACHABLE, message: expect.stringContaining(`The model repository ${address} does not`) };
    await expect(repository.snapshot()).rejects.toMatchObject(stalled);
    expect(text(await repository.readModel("churn", 1))).toBe("graph a");
    proxy.close();
    const started = await proxied(cache, 200);
    expect(await started.versions("churn")).toEqual([1]);
    expect((await started.readManifest("churn", 1)).content).toBe("a");
    expect(text(await started.readModel("churn", 1))).toBe("graph a");
    await expect(started.addVersion("churn", 2, uploadOf("b"))).rejects.toMatchObject(UNREACHABLE);
    await expect(proxied()).rejects.toMatchObject(UNREACHABLE);
    for (const one of [deployer, repository, started]) await one.close();
  }, 60_000);

  test("S3 gone in the middle of a deploy leaves nothing listed, and the next deploy takes the next number", async () => {
    const witness = await direct();
    let version = 0;
    for (const puts of [1, 2, 3, 4]) {
      version++;
      vi.stubEnv("AWS_ENDPOINT_URL_S3", `http://127.0.0.1:${port}`);
      const objects = openObjectStore({ directory: "/", s3: { attempts: 2, backoffMs: 5, stallMs: 200 } });
      await objects.listBelow(address, 3);
      let left = puts;
      const leaving: ObjectStore = {
        ...objects,
        put: async (...words) => {
          if (left-- === 0) proxy.stall();
          return objects.put(...words);
        },
      };
      const deployer = createModelRepository(openRepositoryStore(leaving, address));
      const upload = {
        ...uploadOf("half"),
        files: [...uploadOf("half").files, { name: "w", bytes: Buffer.from("w") }],
      };
      await expect(deployer.addVersion("churn", version, upload)).rejects.toMatchObject(UNREACHABLE);
      expect(await witness.models()).toEqual(version === 1 ? [] : ["churn"]);
      expect(await witness.versions("churn")).not.toContain(version);
      expect(await witness.nextVersion("churn")).toBe(++version);
      await witness.addVersion("churn", version, uploadOf("whole"));
      expect((await witness.versions("churn"))[0]).toBe(version);
      proxy.resume();
      await deployer.close();
    }
    await witness.close();
  }, 60_000);

  test("refused credentials are told as they are, with and without a copy", async () => {
    const cache = temporaryFolder();
    await (await proxied(cache)).addVersion("churn", 1, uploadOf("a"));
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
    await expect(proxied(cache)).rejects.toMatchObject({ code: "SOURCE_DENIED" });
    await expect(proxied()).rejects.toMatchObject({ code: "SOURCE_DENIED" });
  });
});
