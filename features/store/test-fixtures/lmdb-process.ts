/**
 * A process beside the test's own on one LMDB folder: `<folder> write <writer> <rounds>`, `<folder> read`,
 * `<folder> echo`,
 * `<folder> flood <first batch>` or `<folder> fill`. It speaks by IPC and never waits for time to pass.
 */

import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HeadgateError } from "../../../errors.ts";
import { readEventTimestampUs } from "../../row-order.ts";
import { openLmdbStore } from "../lmdb.ts";
import { FLOOD_ROWS, floodBatch, SHARED_KEYS, sharedRow, WRITERS } from "./lmdb-rows.ts";

const [directory, role, ...rest] = process.argv.slice(3);
const store = openLmdbStore({ directory: directory!, mapSizeBytes: 2 ** 20, transactionRows: 500 });

/** Tells the test, and waits until it has been told. */
const tell = (message: object) => new Promise<void>((resolve) => process.send!(message, () => resolve()));

const ROLES: Readonly<Record<string, () => Promise<void>>> = {
  /** Writes its share of the event times to the shared keys, each batch backwards so that half of it is stale. */
  async write() {
    const [writer, rounds] = rest.map(Number);
    for (let round = 0; round < rounds!; round++) {
      const times = [2, 1, 0].map((i) => (round * 3 + i) * WRITERS + writer!);
      await store.write(times.flatMap((at) => SHARED_KEYS.map((key) => sharedRow(key, at))));
      await nextTurn();
    }
  },
  /** Reads the shared keys over and over and counts event times that go back. */
  async read() {
    let isAsked = true;
    process.once("message", () => {
      isAsked = false;
    });
    const newest = new Map<string, number>();
    let changes = 0;
    let backward = 0;
    await tell({ ready: true });
    for (; isAsked; await nextTurn()) {
      const entities = store.read(SHARED_KEYS.map((key) => ({ key, fields: ["view"] }))) as readonly {
        readonly rows: readonly ({ readonly bytes: Uint8Array } | undefined)[];
      }[];
      for (const [i, entity] of entities.entries()) {
        const row = entity.rows[0];
        const at = row === undefined ? -1 : readEventTimestampUs(row.bytes);
        const before = newest.get(SHARED_KEYS[i]!) ?? -1;
        if (at < before) backward++;
        if (at > before) changes++;
        newest.set(SHARED_KEYS[i]!, at);
      }
    }
    await tell({ changes, backward });
  },
  /** Writes each event time it is told, and says so. */
  async echo() {
    await tell({ ready: true });
    for (;;) {
      const [at] = (await once(process, "message")) as [number | "stop"];
      if (at === "stop") return;
      await store.write(SHARED_KEYS.map((key) => sharedRow(key, at)));
      await tell({ at });
    }
  },
  /** Writes batch after batch, saying which are acknowledged, until it is killed. */
  async flood() {
    for (let batch = Number(rest[0]); ; batch++) {
      const outcomes = await store.write(floodBatch(batch));
      if (outcomes.filter((outcome) => outcome === "written").length !== FLOOD_ROWS) throw new Error("not written");
      await tell({ batch });
    }
  },
  /** Writes until it may write no more, then tells what it was told and what can still be read. */
  async fill() {
    let batch = 0;
    try {
      for (;;) {
        await store.write(floodBatch(batch + 1));
        batch++;
      }
    } catch (refusal) {
      const { code, message } = refusal as HeadgateError;
      const page = await store.scan("view", 10 * FLOOD_ROWS);
      await store.ping();
      await tell({ code, message, batch, rows: page.rows.length });
    }
  },
};

await ROLES[role!]!();
await store.close();
if (process.connected) process.disconnect();
