/**
 * The right to materialize a view, held by one process at a time: a control record `lease/<view>` with its holder, a
 * token and the time it runs out. Shards share it: each holds `lease/<view>/<i>`, and these and the view's own exclude
 * one another. Whoever has put its record looks for the others' after that, so of two that come at once at least one
 * sees the other.
 *
 * Every step is a compare-and-set on the record's bytes. A live holder renews at a third of the lease's length, so a
 * store may be away for the other two thirds; one that died is waited for until it runs out, except where its process
 * can be seen to be gone on this very host. Clocks of different hosts may differ and a paused holder may wake up late:
 * the token is checked again before the checkpoint moves, so the worst that an overlap costs is double work, since rows
 * are newest-wins.
 */

import { randomUUID } from "node:crypto";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { HeadgateError } from "../errors.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import type { Shard } from "./shard.ts";

/** A process that can hold a lease. */
export interface LeaseHolder {
  readonly host: string;
  readonly pid: number;
  /** What `pid` counts in: containers may share a host's name and number their processes each from 1. */
  readonly pidNamespace?: string;
}

/** This process. */
export function thisHolder(): LeaseHolder {
  const holder = { host: hostname(), pid: process.pid };
  try {
    return Object.freeze({ ...holder, pidNamespace: readlinkSync("/proc/self/ns/pid") });
  } catch {
    // Only Linux has namespaces.
    return Object.freeze(holder);
  }
}

interface LeaseRecord extends LeaseHolder {
  readonly token: string;
  readonly expires_at_ms: number;
}

/** How a lease is taken. */
export interface LeaseOptions {
  readonly control: ControlStore;
  readonly view: string;
  /** Undefined: the view as a whole. */
  readonly shard?: Shard | undefined;
  readonly holder: LeaseHolder;
  /** How long a dead holder's lease stands, ms. */
  readonly ttlMs: number;
  readonly now: () => number;
}

/** A lease that is held. */
export interface Lease {
  /**
   * Makes it last again from now. Throws MATERIALIZE_RUNNING when another has it, and what the store throws when it
   * can't tell; the lease is lost by that only once it has run out.
   */
  renew(): Promise<void>;
  /** Throws what a renewal, in the background too, has lost it by; free of I/O. */
  check(): void;
  /** Gives it up. Never throws: what can't be given up runs out. */
  release(): Promise<void>;
}

/** Takes the lease and keeps it renewed. Throws MATERIALIZE_RUNNING naming the holder and until when. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { control, view, shard, holder, ttlMs, now } = options;
  const name = leaseName(view, shard);
  const token = randomUUID();
  const termFrom = (nowMs: number): Term => {
    const expiresAtMs = nowMs + ttlMs;
    const record: LeaseRecord = { ...holder, token, expires_at_ms: expiresAtMs };
    return { bytes: Buffer.from(JSON.stringify(record)), expiresAtMs };
  };

  const before = await control.get(name);
  if (before !== undefined && stands(parse(before), holder, now())) throw running(view, parse(before), shard);
  let mine = termFrom(now());
  if (!(await control.compareAndSet(name, before, mine.bytes)))
    throw running(view, parse(await control.get(name)), shard);
  try {
    await refuseRivals(options);
  } catch (cause) {
    await giveUp(control, name, token).catch(() => {});
    throw cause;
  }

  let lost: unknown;
  const extend = async (): Promise<void> => {
    const next = termFrom(now());
    if (!(await control.compareAndSet(name, mine.bytes, next.bytes))) {
      // An earlier renewal may have been done and its answer lost: then the record is ours with other bytes.
      const stored = await control.get(name);
      const record = parse(stored);
      const isOurs = record?.token === token && (await control.compareAndSet(name, stored, next.bytes));
      if (!isOurs) {
        lost = running(view, record?.token === token ? undefined : record, shard);
        throw lost;
      }
    }
    mine = next;
  };
  const renewNow = async (): Promise<void> => {
    if (lost !== undefined) throw lost;
    try {
      await extend();
    } catch (cause) {
      if (now() >= mine.expiresAtMs) lost ??= cause;
      throw cause;
    }
  };
  let turn: Promise<void> = Promise.resolve();
  // One at a time, for each needs the bytes that the one before has put.
  const renew = (): Promise<void> => {
    const renewed = turn.then(renewNow);
    turn = renewed.catch(() => {});
    return renewed;
  };
  const timer = setInterval(() => void renew().catch(() => {}), Math.ceil(ttlMs / 3));
  timer.unref();
  return Object.freeze({
    renew,
    check: () => {
      if (lost !== undefined) throw lost;
    },
    release: async () => {
      clearInterval(timer);
      await turn;
      await giveUp(control, name, token).catch(() => {});
    },
  });
}

/** The shards of a view at work, by their index. */
export async function standingShards({
  control,
  view,
  holder,
  now,
}: Pick<LeaseOptions, "control" | "view" | "holder" | "now">): Promise<readonly number[]> {
  const standing: number[] = [];
  for (const name of await control.list(`lease/${view}/`)) {
    if (stands(parse(await control.get(name)), holder, now())) standing.push(shardIndexOf(name));
  }
  return standing;
}

/** Throws MATERIALIZE_RUNNING when the view as a whole excludes this shard, or a shard the view as a whole. */
async function refuseRivals({ control, view, shard, holder, now }: LeaseOptions): Promise<void> {
  const rivals = shard === undefined ? await control.list(`lease/${view}/`) : [leaseName(view, undefined)];
  for (const name of rivals) {
    const record = parse(await control.get(name));
    if (stands(record, holder, now()))
      throw running(view, record, shard === undefined ? { index: shardIndexOf(name) } : undefined);
  }
}

function shardIndexOf(name: string): number {
  return Number(name.slice(name.lastIndexOf("/") + 1));
}

function leaseName(view: string, shard: Shard | undefined): string {
  return shard === undefined ? `lease/${view}` : `lease/${view}/${shard.index}`;
}

/** The record as last confirmed by the store. */
interface Term {
  readonly bytes: Buffer;
  readonly expiresAtMs: number;
}

/** Reads it first: a renewal whose answer was lost leaves other bytes than the last confirmed. */
async function giveUp(control: ControlStore, name: string, token: string): Promise<void> {
  const stored = await control.get(name);
  if (parse(stored)?.token === token) await control.compareAndSet(name, stored, undefined);
}

function stands(record: LeaseRecord | undefined, self: LeaseHolder, nowMs: number): boolean {
  return record !== undefined && record.expires_at_ms > nowMs && !isGone(record, self);
}

/** True only where it is certain: another process of this host and its numbering that no longer exists. */
function isGone({ host, pid, pidNamespace }: LeaseRecord, self: LeaseHolder): boolean {
  if (host !== self.host || pidNamespace !== self.pidNamespace || pid === self.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function running(
  view: string,
  record: LeaseRecord | undefined,
  shard: { readonly index: number } | undefined,
): HeadgateError {
  const what = shard === undefined ? `Feature view "${view}"` : `Shard ${shard.index} of feature view "${view}"`;
  const who = record === undefined ? "another process" : `process ${record.pid} on ${record.host}`;
  const until = record === undefined ? "" : ` Its lease runs until ${new Date(record.expires_at_ms).toISOString()}.`;
  return new HeadgateError(
    "MATERIALIZE_RUNNING",
    `${what} is being materialized by ${who}.${until} Wait for it, or stop it and try again.`,
  );
}

function parse(bytes: Uint8Array | undefined): LeaseRecord | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as LeaseRecord);
}
