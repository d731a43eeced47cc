/**
 * Small numbers for long texts, so that a row can point to its schema and its origin in a byte or two.
 *
 * A table is append-only in the store's control records: `<table>/<id>` holds the text, `<table>.id/<hash>` finds the
 * id of a text that is known, `<table>.next` is the next free id. Every step is a compare-and-set, so any number of
 * processes may intern at once; a crash between steps leaves an unused id and nothing else.
 */

import { createHash } from "node:crypto";
import { HeadgateError } from "../errors.ts";
import type { ControlStore } from "./store/online-store.ts";

const MAX_ATTEMPTS = 100;

/** The id of the text, new or known. Ids start at 1. Throws CONTROL_CONFLICT when other writers never let go. */
export async function intern(control: ControlStore, table: string, text: string): Promise<number> {
  const hash = createHash("sha256").update(text).digest("base64url").slice(0, 22);
  const known = await readNumber(control, `${table}.id/${hash}`);
  if (known !== undefined) return known;
  const id = await recordText(control, table, text);
  const isFirst = await control.compareAndSet(`${table}.id/${hash}`, undefined, Buffer.from(String(id)));
  return isFirst ? id : (await readNumber(control, `${table}.id/${hash}`))!;
}

/** The text of an id; undefined when there is none. */
export async function readInterned(control: ControlStore, table: string, id: number): Promise<string | undefined> {
  const record = await control.get(`${table}/${id}`);
  return record === undefined ? undefined : Buffer.from(record).toString("utf8");
}

/** An id that is taken although the counter says it is free is passed over: its text belongs to somebody's rows. */
async function recordText(control: ControlStore, table: string, text: string): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const id = await takeNextId(control, table);
    if (await control.compareAndSet(`${table}/${id}`, undefined, Buffer.from(text))) return id;
  }
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `"${table}.next" in the online store is behind the ids that "${table}" holds; every try moves it on. Try again.`,
  );
}

async function takeNextId(control: ControlStore, table: string): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const next = await control.get(`${table}.next`);
    const id = next === undefined ? 1 : Number(Buffer.from(next).toString());
    if (await control.compareAndSet(`${table}.next`, next, Buffer.from(String(id + 1)))) return id;
  }
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `Could not take the next id of "${table}": too many writers at once. Try again.`,
  );
}

async function readNumber(control: ControlStore, name: string): Promise<number | undefined> {
  const record = await control.get(name);
  return record === undefined ? undefined : Number(Buffer.from(record).toString());
}
