/** What a watch refreshes, when, and what waits for what; its snapshots and its time are given to it. */

import { beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { type RepositoryWatch, watchModels } from "./repository-watch.ts";

/** What the next looks find; a look without one fails so. */
let snapshots: ReadonlyMap<string, string>[];
let failure: Error;
let looks: number;
/** Names in the order in which they were refreshed. */
let refreshed: string[];
let turns: (() => void)[];
let watch: RepositoryWatch;

beforeEach(() => {
  [snapshots, failure, looks, refreshed, turns] = [[], new Error("away"), 0, [], []];
});

function begin(refresh: (name: string) => Promise<void>): void {
  const models = {
    refresh: (name?: string) => {
      refreshed.push(name!);
      return refresh(name!);
    },
  };
  const snapshot = async () => {
    looks++;
    return snapshots.shift() ?? Promise.reject(failure);
  };
  const wait = (ms: number) => {
    expect(ms).toBe(1_000);
    return new Promise<void>((resolve) => void turns.push(resolve));
  };
  watch = watchModels(models, { repository: { snapshot }, intervalMs: 1_000, wait });
}

async function turn(found?: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await expect.poll(() => turns.length).toBe(1);
  if (found !== undefined) snapshots.push(new Map(Object.entries(found)));
  refreshed = [];
  turns.shift()!();
  await expect.poll(() => turns.length).toBe(1);
  return refreshed;
}

async function end(): Promise<void> {
  const closing = watch.close();
  turns.shift()?.();
  await closing;
}

test("what has changed is refreshed and nothing else, less often what fails", async () => {
  let failing = false;
  begin(async () => {
    if (failing) throw new Error("away");
  });
  expect(await turn({ a: "1", b: "1" })).toEqual(["a", "b"]);
  expect(await turn({ a: "1", b: "1" })).toEqual([]);
  failing = true;
  expect(await turn({ b: "2" })).toEqual(["b", "a"]);
  expect(await turn({ b: "2" })).toEqual([]);
  failing = false;
  expect(await turn({ b: "2" })).toEqual(["b", "a"]);
  expect(await turn({ b: "2" })).toEqual([]);
  looks = 0;
  for (let i = 0; i < 7; i++) await turn();
  // After the first failure one is left out, after the second three.
  expect(looks).toBe(3);
  await end();
});

test("a folder that is not there yet is looked for at every turn, so that the first deploy is noticed at once", async () => {
  failure = new HeadgateError("SOURCE_NOT_FOUND", "models is not there or is no folder.");
  begin(async () => {});
  for (let i = 0; i < 4; i++) expect(await turn()).toEqual([]);
  expect(looks).toBe(4);
  expect(await turn({ a: "1" })).toEqual(["a"]);
  await end();
});

test("no model waits for another's load, and closing waits for all", async () => {
  let goOn = () => {};
  const loading = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  begin((name) => (name === "slow" ? loading : Promise.resolve()));
  expect(await turn({ slow: "1", quick: "1" })).toEqual(["slow", "quick"]);
  expect(await turn({ slow: "1", quick: "2" })).toEqual(["quick"]);
  let isClosed = false;
  const closing = end().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  goOn();
  await closing;
});

test("a change while a model is refreshed is told at once, so that a rollback waits for no load", async () => {
  const goOn: (() => void)[] = [];
  begin(() => new Promise((resolve) => void goOn.push(resolve)));
  expect(await turn({ a: "1" })).toEqual(["a"]);
  expect(await turn({ a: "2" })).toEqual(["a"]);
  expect(await turn({ a: "2" })).toEqual([]);
  // Whichever is over first, it is the latest that counts.
  goOn.shift()!();
  expect(await turn({ a: "2" })).toEqual([]);
  goOn.shift()!();
  expect(await turn({ a: "2" })).toEqual([]);
  expect(await turn({ a: "1" })).toEqual(["a"]);
  goOn.shift()!();
  await end();
});

test("however many models change, only so many are refreshed at once", async () => {
  const goOn: (() => void)[] = [];
  begin(() => new Promise((resolve) => void goOn.push(resolve)));
  await expect.poll(() => turns.length).toBe(1);
  snapshots.push(new Map(Array.from({ length: 20 }, (_, i) => [`m${i}`, "1"])));
  turns.shift()!();
  for (let ended = 0; ended < 20; ended++) {
    await expect.poll(() => refreshed.length).toBe(Math.min(20, ended + 8));
    goOn.shift()!();
  }
  await expect.poll(() => turns.length).toBe(1);
  await end();
});
