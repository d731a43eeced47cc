import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ObjectStore, openObjectStore } from "./object-store.ts";

let directory: string;
let objects: ObjectStore;

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
  expect(await objects.list(pattern)).toEqual(paths);
});

test("absolute paths and file:// URLs are given back absolute", async () => {
  const elsewhere = openObjectStore({ directory: "/" });
  const all = [join(directory, "data/a.parquet"), join(directory, "data/b.parquet")];
  expect(await elsewhere.list(join(directory, "data/?.parquet"))).toEqual(all);
  expect(await objects.list(pathToFileURL(join(directory, "data/a.parquet")).href)).toEqual([all[0]]);
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
  expect(await objects.list(pattern)).toEqual(paths);
});

test.each([".", "./", "odd/.."])("the directory itself, written %s, gives whole names", async (pattern) => {
  const paths = await objects.list(pattern);
  expect(paths).toContain("one.parquet");
  expect(paths).toContain("data/a.parquet");
  expect(await objects.list(join(directory, "data//"))).toEqual(
    (await objects.list("data")).map((path) => join(directory, path)),
  );
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
  expect(await objects.list(pattern)).toEqual([path]);
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

test("what is not there, or not a file, is refused by name", async () => {
  await expect(objects.stat("none.parquet")).rejects.toThrow(/^none\.parquet is not there/);
  await expect(objects.stat("data")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  await expect(objects.list("s3://bucket/key")).rejects.toThrow(/s3:\/\/ is not supported/);
});
