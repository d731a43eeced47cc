/** Listings that come late, or while files are copied, and reads before a write: what the local copy may not decide. */

import { randomUUID } from "node:crypto";
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { type FolderEntry, openObjectStore } from "../object-store.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { uploadOf } from "./fixtures/repository-places.ts";
import { createModelRepository, type ModelRepository } from "./repository.ts";
import { copiedStore } from "./repository-copy.ts";
import { openRepositoryStore } from "./repository-store.ts";

const objects = openObjectStore({ directory: "/" });
let address: string;
let cache: string;
/** Whoever deploys, without a copy. */
let elsewhere: ModelRepository;
/** What listings, once taken, wait for. */
let held: (() => void)[] | undefined;
let isAway: boolean;
let reads: number;

beforeEach(() => {
  [address, cache, held, isAway, reads] = [temporaryFolder(), temporaryFolder(), undefined, false, 0];
  elsewhere = createModelRepository(openRepositoryStore(objects, address));
});

async function open(): Promise<ModelRepository> {
  const listBelow = async (folder: string, levels: number): Promise<readonly FolderEntry[]> => {
    if (isAway) throw new Error("no route");
    const entries = await objects.listBelow(folder, levels);
    if (held !== undefined) await new Promise<void>((resolve) => void held!.push(resolve));
    return entries;
  };
  const read: typeof objects.read = (...words) => {
    reads++;
    return objects.read(...words);
  };
  return createModelRepository(await copiedStore(openRepositoryStore({ ...objects, listBelow, read }, address), cache));
}

const readAll = async (repository: ModelRepository, version: number) => {
  await repository.readManifest("churn", version);
  await repository.readModel("churn", version);
};

test("a listing that began before a file was copied does not remove it", async () => {
  await elsewhere.addVersion("churn", 1, uploadOf("a"));
  const repository = await open();
  await repository.snapshot();
  held = [];
  const before = repository.snapshot();
  await expect.poll(() => held!.length).toBe(1);
  await elsewhere.addVersion("churn", 2, uploadOf("b"));
  await readAll(repository, 2);
  held.shift()!();
  await before;
  held = undefined;
  reads = 0;
  await readAll(repository, 2);
  expect(reads).toBe(0);
});

test("a listing that is overtaken by one begun later is not what is known", async () => {
  await elsewhere.addVersion("churn", 1, uploadOf("a"));
  const repository = await open();
  held = [];
  const earlier = repository.snapshot();
  await expect.poll(() => held!.length).toBe(1);
  await elsewhere.addVersion("churn", 2, uploadOf("b"));
  const later = repository.snapshot();
  await expect.poll(() => held!.length).toBe(2);
  held[1]!();
  await later;
  held[0]!();
  await earlier;
  [held, isAway] = [undefined, true];
  expect(await repository.versions("churn")).toEqual([2, 1]);
});

test("what a write is decided by is never the copy's", async () => {
  await elsewhere.addVersion("churn", 1, uploadOf("a"));
  const repository = await open();
  await repository.snapshot();
  isAway = true;
  const refused = { code: "REPOSITORY_UNREACHABLE" };
  await expect(repository.nextVersion("churn")).rejects.toMatchObject(refused);
  await expect(repository.addVersion("churn", 2, uploadOf("b"))).rejects.toMatchObject(refused);
  await expect(repository.deleteVersion("churn", 1)).rejects.toMatchObject(refused);
  expect(await repository.versions("churn")).toEqual([1]);
  expect(await elsewhere.versions("churn")).toEqual([1]);
  await elsewhere.addVersion("churn", 2, uploadOf("b"));
  isAway = false;
  expect(await repository.nextVersion("churn")).toBe(3);
});

test("what a process that was killed left in the copy is removed by the next", async () => {
  await elsewhere.addVersion("churn", 1, uploadOf("a"));
  await readAll(await open(), 1);
  const [own] = readdirSync(cache);
  const files = join(cache, own!, "files");
  const left = join(files, `.copied.${randomUUID()}`);
  writeFileSync(left, "half");
  utimesSync(left, 1, 1);
  const before = readdirSync(files).length;
  await open();
  expect(readdirSync(files)).toHaveLength(before - 1);
});
