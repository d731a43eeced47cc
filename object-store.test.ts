import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLocalFiles } from "./object-store/local-files.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";

let directory: string;
let objects: ObjectStore;
const listed = async (pattern: string, store = objects) => (await store.list(pattern)).map(({ path }) => path);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "headgate-objects-"));
  objects = openObjectStore({ directory });
  for (const path of [
    "one.parquet",
    "data/b.parquet",
    "data/a.parquet",
    "data/notes.txt",
    "data/_SUCCESS.parquet",
    "data/dt=2026-01-02/hour=1/part-0.parquet",
    "data/dt=2026-01-02/_temporary/part-0.parquet",
    "data/dt=2026-01-10/part-0.parquet",
    "odd/a{1}.parquet",
  ]) {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), path);
  }
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([
  ["one.parquet", ["one.parquet"]],
  ["none.parquet", []],
  ["nowhere/*.parquet", []],
  ["*.parquet", ["one.parquet"]],
  ["data/*.parquet", ["data/a.parquet", "data/b.parquet"]],
  ["data/{a,x}.parquet", ["data/a.parquet"]],
  ["data/?.parquet", ["data/a.parquet", "data/b.parquet"]],
  ["data/dt=*/*.parquet", ["data/dt=2026-01-10/part-0.parquet"]],
  ["data/dt=*/hour=*/*.parquet", ["data/dt=2026-01-02/hour=1/part-0.parquet"]],
  ["data/dt=2026-01-1*/**", ["data/dt=2026-01-10/part-0.parquet"]],
  [
    "data",
    [
      "data/a.parquet",
      "data/b.parquet",
      "data/dt=2026-01-02/hour=1/part-0.parquet",
      "data/dt=2026-01-10/part-0.parquet",
    ],
  ],
  [
    "data/",
    [
      "data/a.parquet",
      "data/b.parquet",
      "data/dt=2026-01-02/hour=1/part-0.parquet",
      "data/dt=2026-01-10/part-0.parquet",
    ],
  ],
  ["odd/a{1}.parquet", ["odd/a{1}.parquet"]],
])("%s stands for %j", async (pattern, paths) => {
  expect(await listed(pattern)).toEqual(paths);
});

test("absolute paths and file:// URLs are given back absolute", async () => {
  const elsewhere = openObjectStore({ directory: "/" });
  const all = [join(directory, "data/a.parquet"), join(directory, "data/b.parquet")];
  expect(await listed(join(directory, "data/?.parquet"), elsewhere)).toEqual(all);
  expect(await listed(pathToFileURL(join(directory, "data/a.parquet")).href)).toEqual([all[0]]);
  expect((await objects.stat(pathToFileURL(all[0]!).href)).bytes).toBe("data/a.parquet".length);
});

const PARTITIONS = ["data/dt=2026-01-02/hour=1/part-0.parquet", "data/dt=2026-01-10/part-0.parquet"];
test.each([
  ["data/dt=*", PARTITIONS],
  ["data/dt=*/", PARTITIONS],
  ["data/dt=*/**/*.parquet", PARTITIONS],
  ["data/dt=*/**", PARTITIONS],
  ["data/{dt=2026-01-02,dt=*10}/**/part-{0,{1,2}}.parquet", PARTITIONS],
  ["data/dt=2026-01-02/_temporary/*.parquet", ["data/dt=2026-01-02/_temporary/part-0.parquet"]],
  ["data/dt=2026-01-02/_temporary", ["data/dt=2026-01-02/_temporary/part-0.parquet"]],
  ["./*.parquet", ["one.parquet"]],
  ["./data///?.parquet", ["data/a.parquet", "data/b.parquet"]],
])("partitions and what writers leave behind: %s stands for %j", async (pattern, paths) => {
  expect(await listed(pattern)).toEqual(paths);
});

test.each([".", "./", "odd/.."])("the directory itself, written %s, gives whole names", async (pattern) => {
  const paths = await listed(pattern);
  expect(paths).toContain("one.parquet");
  expect(paths).toContain("data/a.parquet");
  expect(await listed(join(directory, "data//"))).toEqual((await listed("data")).map((path) => join(directory, path)));
});

test.each([
  ["odd/a,*.parquet", "odd/a,b.parquet"],
  ["odd/{*.parquet", "odd/{x.parquet"],
  ["odd/x*}.parquet", "odd/x}.parquet"],
  ["odd/!(*)+[y]@$^|.parquet", "odd/!(x)+[y]@$^|.parquet"],
  ["odd/!n*.parquet", "odd/!name.parquet"],
])("other characters stand for themselves: %s", async (pattern, path) => {
  writeFileSync(join(directory, path), path);
  writeFileSync(join(directory, "odd/b.parquet"), "");
  expect(await listed(pattern)).toEqual([path]);
});

test("a folder tells of all that is below it, to a level, whatever its own name and the names in it", async () => {
  const folder = "odd/a{1}*b";
  mkdirSync(join(directory, folder, "empty"), { recursive: true });
  mkdirSync(join(directory, folder, "x/y/z"), { recursive: true });
  for (const name of ["_one", "two*", ".hidden", "x/three", "x/.hidden", "x/y/four"]) {
    writeFileSync(join(directory, folder, name), name);
  }
  symlinkSync("x", join(directory, folder, "linked"));
  symlinkSync("..", join(directory, folder, "x/up"));
  symlinkSync("nowhere", join(directory, folder, "broken"));
  const names = async (levels: number) => (await objects.listBelow(folder, levels)).map(({ name }) => name);
  expect(await names(1)).toEqual(["_one", "empty/", "linked/", "two*", "x/"]);
  expect(await names(2)).toEqual([
    ...["_one", "empty/", "linked/", "linked/three", "linked/up/", "linked/y/"],
    ...["two*", "x/", "x/three", "x/up/", "x/y/"],
  ]);
  expect(await names(3)).toContain("x/y/four");
  for (const { name, version } of await objects.listBelow(folder, 3)) {
    expect(version).toEqual(name.endsWith("/") ? undefined : await objects.stat(`${folder}/${name}`));
  }
});

test.each(["none", "one.parquet", "one.parquet/x"])("%s is no folder to list", async (folder) => {
  const refused = { code: "SOURCE_NOT_FOUND", message: `${folder} is not there or is no folder.` };
  await expect(objects.listBelow(folder, 2)).rejects.toMatchObject(refused);
});

test("a range is read of the version that was looked at", async () => {
  const { bytes, etag, lastModifiedMs } = await objects.stat("one.parquet");
  expect(bytes).toBe(11);
  expect(lastModifiedMs).toBeGreaterThan(0);
  expect(Buffer.from(await objects.read("one.parquet", 4, 11, etag)).toString()).toBe("parquet");
});

test("a file that was replaced, changed, cut short or removed is noticed", async () => {
  const { bytes, etag } = await objects.stat("one.parquet");
  const read = () => objects.read("one.parquet", 0, bytes, etag);
  writeFileSync(join(directory, "other"), "ONE.PARQUET");
  renameSync(join(directory, "other"), join(directory, "one.parquet"));
  await expect(read()).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
  writeFileSync(join(directory, "one.parquet"), "short");
  await expect(read()).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
  rmSync(join(directory, "one.parquet"));
  await expect(read()).rejects.toThrow(/^one\.parquet was removed while it was read/);
});

test("a listing tells the versions that stat tells", async () => {
  for (const { path, version } of await objects.list("data")) expect(version).toEqual(await objects.stat(path));
});

test("what is not there, or not a file, is refused by name", async () => {
  await expect(objects.stat("none.parquet")).rejects.toThrow(/^none\.parquet is not there or is no file/);
  await expect(objects.stat("data")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
});

test.each([
  ["gs://bucket/key", /gs:\/\/ is not supported\. Use s3:\/\//],
  ["s3a://bucket/key", /Write s3:\/\/bucket\/key\./],
  ["s3://", /names no bucket/],
  ["s3://*/key", /names no bucket/],
])("%s is refused with what to write", async (path, sentence) => {
  await expect(objects.list(path)).rejects.toThrow(sentence);
  await expect(objects.put(path, new Uint8Array())).rejects.toThrow(sentence);
});

test("a put makes its folders, is whole, and its condition holds or it is not done", async () => {
  const path = "new/folder/record.json";
  const conflict = { code: "CONTROL_CONFLICT" };
  const first = await objects.put(path, Buffer.from("first"), { ifAbsent: true });
  expect((await objects.stat(path)).etag).toBe(first);
  await expect(objects.put(path, Buffer.from("x"), { ifAbsent: true })).rejects.toMatchObject(conflict);
  const second = await objects.put(path, Buffer.from("again"), { ifMatch: first });
  expect(second).not.toBe(first);
  await expect(objects.put(path, Buffer.from("x"), { ifMatch: first })).rejects.toMatchObject(conflict);
  expect(readFileSync(join(directory, path), "utf8")).toBe("again");
  expect(readdirSync(join(directory, "new/folder"))).toEqual(["record.json"]);
  await objects.delete(path);
  await objects.delete(path);
  await expect(objects.put(path, Buffer.from("x"), { ifMatch: second })).rejects.toMatchObject(conflict);
});

test("who replaces a file makes no folder: one that vanished would be back without what it held", async () => {
  const path = "models/record";
  const etag = await objects.put(path, Buffer.from("first"));
  rmSync(join(directory, "models"), { recursive: true });
  await expect(objects.put(path, Buffer.from("again"), { ifMatch: etag })).rejects.toMatchObject({
    code: "CONTROL_CONFLICT",
  });
  await expect(objects.listBelow("models", 1)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
});

test("puts of the same size in the same moment have ETags of their own", async () => {
  const etags = new Set<string>();
  let etag = await objects.put("record", Buffer.from("00"), { ifAbsent: true });
  for (let i = 10; i < 30; i++) {
    etags.add(etag);
    etag = await objects.put("record", Buffer.from(String(i)), i % 2 === 0 ? { ifMatch: etag } : undefined);
  }
  expect(etags.size).toBe(20);
});

test("of writers with the same condition one wins", async () => {
  let etag = await objects.put("record", Buffer.from("start"), { ifAbsent: true });
  for (let round = 0; round < 5; round++) {
    const writes = Array.from({ length: 8 }, (_, i) => objects.put("record", Buffer.from(`${i}`), { ifMatch: etag }));
    const won = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
    expect(won).toHaveLength(1);
    etag = (won[0] as PromiseFulfilledResult<string>).value;
  }
});

test("the lock of a writer that died holds nobody up for ever", async () => {
  const files = openLocalFiles(directory, { lockStaleMs: 20 });
  const etag = await files.put("record", Buffer.from("start"));
  writeFileSync(join(directory, ".record.lock"), "");
  await files.put("record", Buffer.from("next"), { ifMatch: etag });
  expect(readdirSync(directory)).not.toContain(".record.lock");
});
