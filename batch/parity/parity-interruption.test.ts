import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HeadgateError } from "../../errors.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { hoursAgo, openParityProject, type ParityProject, wideValues } from "./fixtures/parity-project.ts";
import { type PlantName, plant } from "./fixtures/planted.ts";

let project: ParityProject;
beforeEach(async () => {
  project = await openParityProject(() => openMemoryStore());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await project.close();
});

const PAGES = { settings: { parityRate: 100 }, wait: async () => {} };

/** The project's store, whose pages are told of before they are read. */
function scanned(onPage: (page: number) => void | Promise<void>): OnlineStore {
  const { store } = project;
  let pages = 0;
  return {
    ...store,
    control: store.control,
    read: (requests) => store.read(requests),
    scan: async (...args) => {
      await onPage(pages++);
      return store.scan(...args);
    },
  };
}

test("an abort in the middle of a scan ends the run with its reason", async () => {
  await plant(project, new Array<PlantName>(50).fill("same"));
  const stopped = new AbortController();
  let pages = 0;
  const store = scanned((page) => {
    pages = page + 1;
    if (page === 2) stopped.abort(new Error("enough"));
  });
  await expect(project.run({ ...PAGES, store, signal: stopped.signal })).rejects.toThrow("enough");
  expect(pages).toBeLessThan(5);
});

test("an abort from who is told of the progress ends it, too", async () => {
  await plant(project, new Array<PlantName>(50).fill("same"));
  const stopped = new AbortController();
  const onProgress = () => stopped.abort(new Error("enough"));
  await expect(project.run({ onProgress, signal: stopped.signal })).rejects.toThrow("enough");
});

test("a scan that fails half-way is the error of its view", async () => {
  await plant(project, new Array<PlantName>(50).fill("same"));
  const store = scanned((page) => {
    if (page === 2) throw new HeadgateError("STORE_UNREACHABLE", "The store went away.");
  });
  expect(await project.runView({ ...PAGES, store })).toMatchObject({
    verdict: "error",
    error: { code: "STORE_UNREACHABLE", detail: "The store went away." },
  });
});

test("a load while it compares is no difference", async () => {
  await plant(project, ["same", "same"]);
  const store = scanned(async (page) => {
    if (page > 0) return;
    const at = hoursAgo(8);
    const more = [1, 9].map((id) => ({ id, at, created: at + 1_000, values: wideValues(id + 1) }));
    project.write("data/later.parquet", more);
    await project.materialize();
  });
  expect(await project.runView({ store })).toMatchObject({
    verdict: "pass",
    outcomes: { match: 1, newer: 2, different: 0, extra: 0 },
  });
  expect(await project.runView()).toMatchObject({ verdict: "pass", compared: 3 });
});

test("a temporary file that can't be made is an error that names its folder", async () => {
  await plant(project, ["same"]);
  vi.stubEnv("TMPDIR", "/nowhere/at/all");
  const { error } = await project.runView();
  expect(error).toMatchObject({ code: "SPILL_FAILED", detail: expect.stringContaining("/nowhere/at/all") });
  expect(error!.detail).toContain("Set TMPDIR to a folder with room");
});

test("an observer that can't be opened is the error of its view", async () => {
  await plant(project, ["same"]);
  const observerOf = () => Promise.reject(new HeadgateError("SUITE_INVALID", "It is not JSON."));
  expect(await project.runView({ observerOf })).toMatchObject({
    verdict: "error",
    error: { code: "SUITE_INVALID", detail: "It is not JSON." },
  });
});
