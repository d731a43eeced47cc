import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLmdbStore } from "./lmdb.ts";

let root: string;
const told: unknown[] = [];
const hear = (event: unknown) => void told.push(event);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "headgate-lmdb-file-"));
  told.length = 0;
  subscribe("headgate:store-warning", hear);
});

afterEach(() => {
  unsubscribe("headgate:store-warning", hear);
  rmSync(root, { recursive: true });
});

test("a folder that is replaced under an open store is told of once, and once when it is back", async () => {
  const [directory, away] = [join(root, "online"), join(root, "away")];
  const store = openLmdbStore({ directory });
  await store.control.get("registry");
  expect(told).toEqual([]);
  renameSync(directory, away);
  // Records are read every second, also where nobody asks for readiness.
  await store.control.get("registry");
  await expect(store.ping()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  mkdirSync(directory);
  await store.control.list("");
  expect(told).toEqual([
    {
      message: `The online store lmdb:${directory} was deleted or replaced while it was open. Start this process again.`,
      isOver: false,
    },
  ]);
  rmSync(directory, { recursive: true });
  renameSync(away, directory);
  await store.ping();
  await store.control.get("registry");
  expect(told.slice(1)).toEqual([
    { message: `The online store lmdb:${directory} is there again, as this process opened it.`, isOver: true },
  ]);
  await store.close();
});
