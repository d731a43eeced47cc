/** Local files that can't be read, go away meanwhile or are reached by links; what can be is in object-store.test.ts. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../test/harness/project.ts";
import { type FileCalls, openLocalFiles } from "./local-files.ts";

function folderOf(...paths: readonly string[]): string {
  const folder = temporaryFolder();
  for (const path of paths) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), path);
  }
  return folder;
}

/** A call that fails for one name and is the system's for all others: rights don't bind root, who often runs tests. */
function failing<Call>(call: Call, name: string, code: string): Call {
  const real = call as (path: string, ...rest: readonly unknown[]) => unknown;
  const scripted = (path: string, ...rest: readonly unknown[]) =>
    basename(path) === name
      ? Promise.reject(Object.assign(new Error(`${code}: scripted, '${path}'`), { code }))
      : real(path, ...rest);
  return scripted as Call;
}

const FILES = ["data/a.parquet", "data/dt=1/b.parquet", "data/dt=2/c.parquet"];
const listedBy = async (calls: Partial<FileCalls>, pattern = "data") =>
  (await openLocalFiles(folderOf(...FILES), calls).list(pattern)).map(({ path }) => path);

test.each([
  ["EACCES", "SOURCE_DENIED", /^data\/dt=2\/ can't be read: EACCES.*Let this process's user read it/],
  ["EPERM", "SOURCE_DENIED", /^data\/dt=2\//],
  ["EIO", "SOURCE_UNREACHABLE", /^data\/dt=2\/ can't be read: EIO.*Check the disk/],
  ["EMFILE", "SOURCE_UNREACHABLE", /how many files may be open/],
])("a folder that answers %s fails the list as %s and is named", async (errno, code, message) => {
  for (const pattern of ["data", "data/dt=*", "data/**/*.parquet"]) {
    const listing = listedBy({ readdir: failing(readdir, "dt=2", errno) }, pattern);
    await expect(listing).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  }
});

test("what is below a folder and can't be looked at is told of, and the rest is listed", async () => {
  const folder = folderOf(...FILES);
  const denied = openLocalFiles(folder, { readdir: failing(readdir, "dt=2", "EACCES") });
  const entries = await denied.listBelow("data", 2);
  expect(entries.map(({ name }) => name)).toEqual(["a.parquet", "dt=1/", "dt=1/b.parquet", "dt=2/"]);
  const refused = { code: "SOURCE_DENIED", message: expect.stringMatching(/^data\/dt=2\/ can't be read: EACCES/) };
  expect(entries.at(-1)?.unreadable).toMatchObject(refused);
  const unseen = openLocalFiles(folder, { stat: failing(stat, "b.parquet", "EIO") });
  const [, , file] = await unseen.listBelow("data", 2);
  expect(file).toMatchObject({
    name: "dt=1/b.parquet",
    version: undefined,
    unreadable: { code: "SOURCE_UNREACHABLE" },
  });
  const closed = openLocalFiles(folder, { readdir: failing(readdir, "data", "EACCES") });
  await expect(closed.listBelow("data", 2)).rejects.toMatchObject({ code: "SOURCE_DENIED" });
  const going = openLocalFiles(folder, {
    readdir: failing(readdir, "dt=2", "ENOENT"),
    stat: failing(stat, "b.parquet", "ENOENT"),
  });
  expect((await going.listBelow("data", 2)).map(({ name }) => name)).toEqual(["a.parquet", "dt=1/"]);
});

test("a path that may not be looked at is SOURCE_DENIED, listed or asked for", async () => {
  const denied = { stat: failing(stat, "data", "EACCES") };
  await expect(listedBy(denied)).rejects.toMatchObject({ code: "SOURCE_DENIED" });
  const files = openLocalFiles(folderOf(...FILES), { stat: failing(stat, "a.parquet", "EACCES") });
  await expect(files.stat("data/a.parquet")).rejects.toMatchObject({ code: "SOURCE_DENIED" });
  await expect(files.list("data")).rejects.toThrow(/^data\/a\.parquet can't be read/);
});

test("a folder or a file that goes away while it is listed is left out", async () => {
  expect(await listedBy({ readdir: failing(readdir, "dt=2", "ENOENT") })).toEqual(FILES.slice(0, 2));
  expect(await listedBy({ stat: failing(stat, "b.parquet", "ENOENT") })).toEqual([FILES[0], FILES[2]]);
});

test.each([
  ["ENOENT", "SOURCE_CHANGED", "was removed"],
  ["ESTALE", "SOURCE_CHANGED", "was removed"],
  ["EACCES", "SOURCE_DENIED", "EACCES"],
  ["EMFILE", "SOURCE_UNREACHABLE", "EMFILE"],
  ["EIO", "SOURCE_UNREACHABLE", "EIO"],
])("a read whose open answers %s is %s", async (errno, code, word) => {
  const files = openLocalFiles(folderOf(...FILES), { open: failing(open, "a.parquet", errno) });
  const { bytes, etag } = await files.stat("data/a.parquet");
  const read = files.read("data/a.parquet", 0, bytes, etag);
  await expect(read).rejects.toMatchObject({ code, message: expect.stringContaining(word) });
});

test("links to files and folders are followed, circles end, and links to nothing are nothing", async () => {
  const folder = folderOf(...FILES, "elsewhere/d.parquet");
  const links = [
    ["../elsewhere", "data/linked"],
    ["../../elsewhere/d.parquet", "data/dt=1/e.parquet"],
    ["..", "data/dt=1/up"],
    ["../data", "elsewhere/back"],
    ["nowhere", "data/broken.parquet"],
  ] as const;
  for (const [to, from] of links) symlinkSync(to, join(folder, from));
  const listed = (await openLocalFiles(folder).list("data")).map(({ path }) => path);
  expect(listed).toEqual([
    ...["data/a.parquet", "data/dt=1/b.parquet", "data/dt=1/e.parquet"],
    ...["data/dt=2/c.parquet", "data/linked/d.parquet"],
  ]);
});

test("a folder that names a partition is read though its name begins with _, what a writer left behind is not", async () => {
  const folder = folderOf("data/_day=1/a.parquet", "data/_temporary/b.parquet", "data/.x=1/c.parquet");
  const calls = { readdir: failing(readdir, "_temporary", "EACCES") };
  for (const pattern of ["data", "data/_day=*", "data/*/*.parquet"]) {
    const listed = await openLocalFiles(folder, calls).list(pattern);
    expect(listed.map(({ path }) => path)).toEqual(["data/_day=1/a.parquet"]);
  }
});
