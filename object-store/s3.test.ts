import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { findS3, type S3Server, startS3 } from "../test/harness/s3.ts";
import { TcpProxy } from "../test/harness/tcp-proxy.ts";

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";
const MISSING_BUCKET = `none-${randomUUID()}`;

/** Objects whose content is their key. */
const KEYS = [
  "one.parquet",
  "data/b.parquet",
  "data/a.parquet",
  "data/notes.txt",
  "data/_SUCCESS.parquet",
  "data/dt=2026-01-02/hour=1/part-0.parquet",
  "data/dt=2026-01-02/_temporary/part-0.parquet",
  "data/dt=2026-01-10/part-0.parquet",
  "data-old/c.parquet",
  "odd/a{1}.parquet",
  "odd/ü +%2B&=@;,'().parquet",
  "odd/x*/y.parquet",
  "odd/xx/z.parquet",
];

describe.skipIf("missing" in found)(`S3${absent}`, () => {
  let server: S3Server;
  let bucket: string;
  let objects: ObjectStore;
  const at = (key: string) => `s3://${bucket}/${key}`;
  const listed = async (pattern: string) => (await objects.list(at(pattern))).map(({ path }) => path);

  beforeAll(async () => {
    server = await startS3(found);
    bucket = await server.createBucket();
    await server.putAll(
      bucket,
      KEYS.map((key) => [key, Buffer.from(key)]),
    );
  });
  beforeEach(() => {
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    objects = openObjectStore({ directory: "/" });
  });
  afterEach(async () => {
    await objects.close();
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    if ("program" in found) await server?.stop();
  });

  const DATA = [
    "data/a.parquet",
    "data/b.parquet",
    "data/dt=2026-01-02/hour=1/part-0.parquet",
    "data/dt=2026-01-10/part-0.parquet",
  ];
  const PARTITIONS = DATA.slice(2);
  test.each([
    ["one.parquet", ["one.parquet"]],
    ["none.parquet", []],
    ["nowhere/*.parquet", []],
    ["*.parquet", ["one.parquet"]],
    ["data", DATA],
    ["data/", DATA],
    ["data/*.parquet", DATA.slice(0, 2)],
    ["data/{a,x}.parquet", ["data/a.parquet"]],
    ["data/dt=*", PARTITIONS],
    ["data/dt=*/", PARTITIONS],
    ["data/dt=*/hour=*/*.parquet", PARTITIONS.slice(0, 1)],
    ["data/dt=*/**/*.parquet", PARTITIONS],
    ["data/{dt=2026-01-02,dt=*10}/**/part-{0,{1,2}}.parquet", PARTITIONS],
    ["data/dt=2026-01-02/_temporary", ["data/dt=2026-01-02/_temporary/part-0.parquet"]],
    ["data*/[a-z].parquet", []],
    ["odd/a{1}.parquet", ["odd/a{1}.parquet"]],
    ["odd/ü +%2B&=@;,'().parquet", ["odd/ü +%2B&=@;,'().parquet"]],
    ["odd/? +%2B*.parquet", ["odd/ü +%2B&=@;,'().parquet"]],
    ["odd/x*", ["odd/x*/y.parquet"]],
    ["odd/x?", ["odd/x*/y.parquet", "odd/xx/z.parquet"]],
  ])("%s stands for %j", async (pattern, keys) => {
    expect(await listed(pattern)).toEqual(keys.map(at));
  });

  test("a bucket alone stands for all of its Parquet files", async () => {
    const all = (await objects.list(`s3://${bucket}`)).map(({ path }) => path);
    expect(all).toEqual(await listed(""));
    expect(all).toContain(at("odd/ü +%2B&=@;,'().parquet"));
    expect(all).not.toContain(at("data/notes.txt"));
  });

  test("more objects than a page holds are all listed, with the version that stat tells", async () => {
    const keys = Array.from({ length: 1_200 }, (_, i) => `many/${String(i).padStart(5, "0")}.parquet`);
    await server.putAll(
      bucket,
      keys.map((key) => [key, Buffer.from(key)]),
    );
    const found = await objects.list(at("many/*.parquet"));
    expect(found.map(({ path }) => path)).toEqual(keys.map(at));
    expect(found[777]!.version).toEqual(await objects.stat(found[777]!.path));
    const below = await objects.listBelow(at("many"), 1);
    expect(below.map(({ name }) => at(`many/${name}`))).toEqual(found.map(({ path }) => path));
    expect(below[777]!.version).toEqual(found[777]!.version);
  }, 120_000);

  test("a folder tells of all that is below it, to a level, whatever its own name and the names in it", async () => {
    const folder = "below/a{1}*b";
    const keys = ["_one", "two*", "x/three", "x/y/four", ".hidden", "x/.hidden"].map((name) => `${folder}/${name}`);
    await server.putAll(
      bucket,
      [...keys, "below/a{1}*bc/no", "below/a1b/no"].map((key) => [key, Buffer.from(key)]),
    );
    // As a console marks a folder.
    await server.put(bucket, `${folder}/empty/`, new Uint8Array());
    const names = async (path: string, levels: number) =>
      (await objects.listBelow(at(path), levels)).map(({ name }) => name);
    expect(await names(folder, 1)).toEqual(["_one", "empty/", "two*"]);
    expect(await names(`${folder}/`, 2)).toEqual(["_one", "empty/", "two*", "x/three"]);
    expect(await names(folder, 3)).toEqual(["_one", "empty/", "two*", "x/three", "x/y/four"]);
    expect(await names("none", 3)).toEqual([]);
    expect(await names("", 1)).toContain("one.parquet");
    expect((await objects.listBelow(at(folder), 1))[1]!.version).toBeUndefined();
    await expect(objects.listBelow(`s3://${MISSING_BUCKET}`, 1)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  });

  test("a range is read of the version that was looked at, in parts where it is large", async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
    await server.put(bucket, "range", bytes);
    const parts = openObjectStore({ directory: "/", s3: { partBytes: 7_001, requestsMax: 3 } });
    const { bytes: size, etag, lastModifiedMs } = await parts.stat(at("range"));
    expect(size).toBe(100_000);
    expect(lastModifiedMs % 1_000).toBe(0);
    const whole = await parts.read(at("range"), 0, size, etag);
    expect(Buffer.from(whole).equals(bytes)).toBe(true);
    const part = await parts.read(at("range"), 5, 99_999, etag);
    expect(Buffer.from(part).equals(bytes.subarray(5, 99_999))).toBe(true);
    expect((await parts.read(at("range"), 9, 9, etag)).byteLength).toBe(0);
    await parts.close();
  });

  test("an object that was replaced or removed is noticed", async () => {
    await server.put(bucket, "changing", Buffer.from("one version"));
    const { etag } = await objects.stat(at("changing"));
    const read = () => objects.read(at("changing"), 4, 11, etag);
    expect(Buffer.from(await read()).toString()).toBe("version");
    await server.put(bucket, "changing", Buffer.from("ONE VERSION"));
    await expect(read()).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
    await server.delete(bucket, "changing");
    await expect(read()).rejects.toThrow(/changing was removed while it was read/);
  });

  test("what is not there is refused by name", async () => {
    await expect(objects.stat(at("none"))).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    const missing = `s3://${MISSING_BUCKET}/data/*.parquet`;
    await expect(objects.list(missing)).rejects.toThrow(`there is no bucket "${MISSING_BUCKET}"`);
    await expect(objects.stat(`s3://${MISSING_BUCKET}/a`)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  });

  test("a wrong secret is SOURCE_DENIED with S3's own reason, and no credentials at all with the next step", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
    const denied = openObjectStore({ directory: "/" });
    await expect(denied.list(at("data"))).rejects.toMatchObject({
      code: "SOURCE_DENIED",
      message: expect.stringContaining("SignatureDoesNotMatch"),
    });
    await expect(denied.stat(at("one.parquet"))).rejects.toMatchObject({ code: "SOURCE_DENIED" });
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, undefined);
    const nobody = openObjectStore({ directory: "/" });
    await expect(nobody.list(at("data"))).rejects.toThrow(/needs AWS credentials: .*Set AWS_ACCESS_KEY_ID/);
  });

  test("a put is whole, and its condition holds or it is not done", async () => {
    const path = at("put/record.json");
    const first = await objects.put(path, Buffer.from("first"), { ifAbsent: true });
    expect(first).toBe((await objects.stat(path)).etag);
    const conflict = { code: "CONTROL_CONFLICT" };
    await expect(objects.put(path, Buffer.from("x"), { ifAbsent: true })).rejects.toMatchObject(conflict);
    const second = await objects.put(path, Buffer.from("second"), { ifMatch: first });
    await expect(objects.put(path, Buffer.from("x"), { ifMatch: first })).rejects.toMatchObject(conflict);
    expect(Buffer.from(await objects.read(path, 0, 6, second)).toString()).toBe("second");
    await objects.delete(path);
    await objects.delete(path);
    await expect(objects.put(path, Buffer.from("x"), { ifMatch: second })).rejects.toMatchObject(conflict);
    await objects.put(path, Buffer.from("third"));
    expect((await objects.stat(path)).bytes).toBe(5);
  });

  test("of writers with the same condition one wins", async () => {
    const path = at("put/contended");
    let etag = await objects.put(path, Buffer.from("start"), { ifAbsent: true });
    for (let round = 0; round < 5; round++) {
      const writes = Array.from({ length: 6 }, (_, i) =>
        objects.put(path, Buffer.from(`${round}-${i}`), { ifMatch: etag }),
      );
      const won = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      etag = (won[0] as PromiseFulfilledResult<string>).value;
    }
  });

  test("an endpoint of a profile does as well, without a region, by a host that has no names for buckets", async () => {
    const file = join(temporaryFolder(), "config");
    writeFileSync(file, `[default]\nendpoint_url = ${server.endpoint.replace("127.0.0.1", "localhost")}\n`);
    vi.stubEnv("AWS_CONFIG_FILE", file);
    for (const name of ["AWS_ENDPOINT_URL_S3", "AWS_REGION"]) vi.stubEnv(name, undefined);
    const store = openObjectStore({ directory: "/" });
    expect(await store.list(at("one.parquet"))).toHaveLength(1);
    await store.close();
  });

  test("links that stand still, are cut, and a server that comes back, cost a read only time", async () => {
    const { hostname, port } = new URL(server.endpoint);
    const proxy = new TcpProxy(Number(port), hostname);
    vi.stubEnv("AWS_ENDPOINT_URL_S3", `http://127.0.0.1:${await proxy.listen()}`);
    const store = openObjectStore({ directory: "/", s3: { attempts: 100, backoffMs: 20, backoffMaxMs: 100 } });
    const { etag } = await store.stat(at("one.parquet"));
    const read = async () => Buffer.from(await store.read(at("one.parquet"), 4, 11, etag)).toString();
    proxy.stall();
    const stalled = read();
    proxy.resume();
    expect(await stalled).toBe("parquet");
    proxy.cut("rows");
    expect(await read()).toBe("parquet");
    if ("program" in found) {
      await server.stop();
      const waiting = read();
      await server.restart();
      expect(await waiting).toBe("parquet");
    }
    await store.close();
    proxy.close();
  }, 60_000);
});
