import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { HeadgateError } from "../../errors.ts";
import { readEventTimestampUs } from "../row-order.ts";
import { describeOnlineStore } from "./conformance.ts";
import { openLmdbStore } from "./lmdb.ts";
import type { OnlineStore } from "./online-store.ts";
import { FLOOD_ROWS, floodBatch, SHARED_KEYS, sharedRow, WRITERS } from "./test-fixtures/lmdb-rows.ts";
import { readBytes, rowWrite } from "./test-fixtures/rows.ts";

const root = mkdtempSync(join(tmpdir(), "headgate-lmdb-"));
chmodSync(root, 0o755);
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const newDirectory = () => join(root, `store-${count++}`);

let directory = "";
// Small bounds, so that the suite crosses them.
const bounds = { mapSizeBytes: 2 ** 20, transactionRows: 64, transactionBytes: 2 ** 21 };
describeOnlineStore("lmdb", {
  open: async () => {
    directory = newDirectory();
    return openLmdbStore({ directory, ...bounds });
  },
  reopen: async () => openLmdbStore({ directory, ...bounds }),
});

const RUN = fileURLToPath(new URL("test-fixtures/run.mjs", import.meta.url));
const FIXTURE = fileURLToPath(new URL("test-fixtures/lmdb-process.ts", import.meta.url));

/** Another process on the store, running a role of test-fixtures/lmdb-process.ts. */
function start(folder: string, ...role: (string | number)[]): ChildProcess {
  return fork(RUN, [FIXTURE, folder, ...role.map(String)], { execArgv: [] });
}

/** What the process says next; it rejects when it ends before. */
async function message<T>(child: ChildProcess): Promise<T> {
  const listening = new AbortController();
  const { signal } = listening;
  const exited = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`The process ended with ${code} before it said anything.`);
  });
  try {
    const [said] = await Promise.race([once(child, "message", { signal }), exited]);
    return said as T;
  } finally {
    exited.catch(() => {});
    listening.abort();
  }
}

async function done(child: ChildProcess): Promise<void> {
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
}

describe("several processes on one folder", () => {
  it("never read backwards while three write, and end with the newest", async () => {
    const folder = newDirectory();
    const rounds = 100;
    const reader = start(folder, "read");
    await message(reader);
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => done(start(folder, "write", writer, rounds))));
    reader.send("stop");
    const read = await message<{ changes: number; backward: number }>(reader);
    await done(reader);
    expect(read.backward).toBe(0);
    expect(read.changes).toBeGreaterThan(SHARED_KEYS.length);
    const store = openLmdbStore({ directory: folder });
    const last = (rounds * 3 - 1) * WRITERS + WRITERS - 1;
    for (const key of SHARED_KEYS) expect(await readBytes(store, key)).toEqual(sharedRow(key, last).bytes);
    await store.close();
    // Three processes and a disk that is synced 900 times.
  }, 90_000);

  it("read what another has written as soon as it says so, however long they have been open", async () => {
    const folder = newDirectory();
    const store = openLmdbStore({ directory: folder });
    const writer = start(folder, "echo");
    await message(writer);
    for (let at = 1; at <= 200; at++) {
      const said = message<{ at: number }>(writer);
      writer.send(at);
      // A read in the same turn keeps lmdb-js' own snapshot of it alive.
      store.read([{ key: SHARED_KEYS[0]!, fields: ["view"] }]);
      await said;
      for (const key of SHARED_KEYS) expect(readEventTimestampUs((await readBytes(store, key))!)).toBe(at);
    }
    writer.send("stop");
    await done(writer);
    await store.close();
  });

  it("keep every acknowledged row, and no part of one, through kill -9", async () => {
    const folder = newDirectory();
    let batch = 1;
    // Batches to let through, turns of our event loop before the kill, and whether we have the folder open meanwhile:
    // then it is we who take over the dead writer's lock.
    const kills = [
      [1, 0, true],
      [3, 40, false],
      [2, 7, true],
      [5, 150, true],
      [1, 20, false],
    ] as const;
    for (const [batches, turns, isOpen] of kills) {
      const bystander = isOpen ? openLmdbStore({ directory: folder }) : undefined;
      const acknowledged = await killAfter(start(folder, "flood", batch), batch + batches - 1, turns);
      const store = bystander ?? openLmdbStore({ directory: folder });
      await expectFlood(store, batch, acknowledged);
      expect(await store.write([rowWrite("after", acknowledged, "the kill", "other")])).toEqual(["written"]);
      await store.close();
      batch = acknowledged + 10;
    }
  });
});

/** Kills a flood some turns after it has said that a batch is acknowledged; returns the last batch it said so of. */
async function killAfter(flood: ChildProcess, batch: number, turns: number): Promise<number> {
  let acknowledged = 0;
  flood.on("message", (said: { batch: number }) => {
    acknowledged = said.batch;
  });
  while (acknowledged < batch) await message(flood);
  for (let turn = 0; turn < turns; turn++) await nextTurn();
  flood.kill("SIGKILL");
  const [, signal] = await once(flood, "close");
  expect(signal).toBe("SIGKILL");
  return acknowledged;
}

/** All rows are whole, and those of the acknowledged batches are there. */
async function expectFlood(store: OnlineStore, firstBatch: number, acknowledged: number): Promise<void> {
  const times = await timesOf(store);
  for (let batch = firstBatch; batch <= acknowledged; batch++) {
    for (const { key } of floodBatch(batch)) expect(times.get(key), key).toBeGreaterThanOrEqual(batch);
  }
}

/** Event time by key of all rows of the view, each checked to be what was written. */
async function timesOf(store: OnlineStore): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (let page = await store.scan("view", 1_000); ; page = await store.scan("view", 1_000, page.cursor)) {
    for (const { key, bytes } of page.rows) {
      const at = readEventTimestampUs(bytes);
      if (Buffer.compare(bytes, sharedRow(key, at).bytes) !== 0) throw new Error(`The row of ${key} at ${at} is torn.`);
      times.set(key, at);
    }
    if (page.cursor === undefined) return times;
  }
}

describe("a folder that cannot be a store", () => {
  const refusal = (folder: string) => {
    try {
      openLmdbStore({ directory: folder });
    } catch (error) {
      return error as HeadgateError;
    }
    throw new Error("It was opened.");
  };
  const expectRefused = (folder: string, code: string, ...said: string[]) => {
    const { message, code: given } = refusal(folder);
    expect(given).toBe(code);
    for (const part of [folder, ...said]) expect(message).toContain(part);
  };

  it("is refused when it is a file, or its parent is one", () => {
    const file = newDirectory();
    writeFileSync(file, "mine");
    expectRefused(file, "STORE_UNWRITABLE", "is a file");
    expectRefused(join(file, "store"), "STORE_UNWRITABLE", `Make ${file} a folder`);
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  it("is refused when its parent is missing, and makes none", () => {
    const parent = newDirectory();
    expectRefused(join(parent, "store"), "STORE_UNWRITABLE", `Make ${parent} a folder`);
    expect(existsSync(parent)).toBe(false);
  });

  it("is refused when this user may not write it", () => {
    const folder = newDirectory();
    mkdirSync(folder, { mode: 0o500 });
    asNobody(() => expectRefused(folder, "STORE_UNWRITABLE", "right to write"));
    asNobody(() => expectRefused(join(folder, "store"), "STORE_UNWRITABLE", folder));
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ["is not an LMDB file", () => Buffer.alloc(100_000, "garbage")],
    ["is not an LMDB file", () => Buffer.from("short")],
    ["is of another version", (sound: Buffer) => Buffer.from(sound.fill(9, 28, 29))],
    ["has lost pages that it needs", (sound: Buffer) => sound.subarray(0, sound.length / 2)],
    [
      "has lost pages that it needs",
      (sound: Buffer) => Buffer.concat([sound.subarray(0, 8_192), Buffer.alloc(sound.length, 0xa5)]),
    ],
  ])("is refused when its file %s, and the file left alone", async (said, spoil) => {
    const folder = newDirectory();
    const store = openLmdbStore({ directory: folder });
    await store.write(floodBatch(1));
    await store.close();
    const file = join(folder, "data.mdb");
    const spoilt = spoil(readFileSync(file));
    writeFileSync(file, spoilt);
    expectRefused(folder, "STORE_UNREACHABLE", said, "materialize again");
    expect(Buffer.compare(readFileSync(file), spoilt)).toBe(0);
  });

  it("tells a full disk, keeps what was acknowledged and can still be read", async () => {
    const folder = newDirectory();
    // No file of this process may grow past 2 or 4 MB (the shell's unit differs); a write beyond fails as on a full disk.
    const limited = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
    const child = spawn("sh", ["-c", limited, "sh", process.execPath, RUN, FIXTURE, folder, "fill"], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const told = await message<{ code: string; message: string; batch: number; rows: number }>(child);
    await done(child);
    expect(told).toMatchObject({ code: "STORE_UNWRITABLE", message: expect.stringContaining("Free space") });
    expect(told.batch).toBeGreaterThan(0);
    expect(told.rows).toBeGreaterThanOrEqual(FLOOD_ROWS);
    const store = openLmdbStore({ directory: folder });
    await expectFlood(store, 1, told.batch);
    await store.close();
  });

  it("fails the ping when it was replaced under an open store", async () => {
    const folder = newDirectory();
    const store = openLmdbStore({ directory: folder });
    await store.ping();
    renameSync(folder, `${folder}-away`);
    await expect(store.ping()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    const other = openLmdbStore({ directory: folder });
    await expect(store.ping()).rejects.toMatchObject({ message: expect.stringContaining("replaced") });
    await other.close();
    await store.close();
  });
});

/** Root may write everywhere: it becomes nobody for a moment. */
function asNobody(work: () => void): void {
  const isRoot = process.geteuid!() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

it("closes while a batch is being written: the rest is refused, not lost in silence", async () => {
  const store = openLmdbStore({ directory: newDirectory(), transactionRows: 100 });
  const writing = store.write(floodBatch(1));
  await store.close();
  await expect(writing).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
});

it("lets other work through between the transactions of a batch", async () => {
  const store = openLmdbStore({ directory: newDirectory(), transactionRows: 100 });
  let turns = 0;
  let isWriting = true;
  const counting = (async () => {
    for (; isWriting; await nextTurn()) turns++;
  })();
  await store.write(floodBatch(1));
  isWriting = false;
  await counting;
  expect(turns).toBeGreaterThanOrEqual(FLOOD_ROWS / 100 - 1);
  await store.close();
});

it("serves two stores of one process on one folder, and outlives the first one's close", async () => {
  const folder = newDirectory();
  const first = openLmdbStore({ directory: folder });
  const second = openLmdbStore({ directory: folder });
  await first.write([rowWrite("id=1", 1, "x")]);
  expect(await readBytes(second, "id=1")).toEqual(rowWrite("id=1", 1, "x").bytes);
  await first.close();
  await second.write([rowWrite("id=1", 2, "y")]);
  expect(await readBytes(second, "id=1")).toEqual(rowWrite("id=1", 2, "y").bytes);
  await second.close();
});
