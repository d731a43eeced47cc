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
import { HeadgateError } from "../errors.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import {
  type LeaseHolder,
  type LeaseRecord,
  leaseBytes,
  leaseName,
  parseLease,
  shardIndexOf,
  shardLeaseNames,
  stands,
} from "./lease-record.ts";
import { type OutageBounds, throughOutage } from "./outage.ts";
import type { Shard } from "./shard.ts";

export { type LeaseHolder, thisHolder } from "./lease-record.ts";

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
  /** Without it nothing is waited for. */
  readonly patience?: LeasePatience;
}

/** How a lease is waited for. */
export interface LeasePatience {
  /** A store that is away is waited for so. */
  readonly outage: OutageBounds;
  /**
   * A shard that an orchestrator starts again at once meets the lease of its dead self, and waits for it to run out,
   * ttlMs at most; this is told so once, in a sentence.
   */
  readonly onWait: (sentence: string) => void;
}

/** Between two looks at a lease that is waited for, ms. */
const LOOK_AGAIN_MS = 1_000;

/** A lease that is held. */
export interface Lease {
  /**
   * Makes it last again from now. Throws MATERIALIZE_RUNNING when another has it, and what the store throws when it
   * can't tell; the lease is lost by that only once it has run out.
   */
  renew(): Promise<void>;
  /** Says which plan the shard works on from now; otherwise as `renew`. */
  follow(plan: string): Promise<void>;
  /** Throws what a renewal, in the background too, has lost it by; free of I/O. */
  check(): void;
  /** Gives it up. Never throws: what can't be given up runs out. */
  release(): Promise<void>;
}

/** Takes the lease and keeps it renewed. Throws MATERIALIZE_RUNNING naming the holder and until when. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { control, view, shard, holder, ttlMs, now, patience } = options;
  const name = leaseName(view, shard);
  const token = randomUUID();
  let plan: string | undefined;
  const termFrom = (nowMs: number): Term => {
    const expiresAtMs = nowMs + ttlMs;
    const works = plan === undefined ? {} : { plan };
    return { bytes: leaseBytes({ ...holder, token, expires_at_ms: expiresAtMs, ...works }), expiresAtMs };
  };

  let mine = await takeRecord(options, token, termFrom);
  try {
    await patiently(patience, () => refuseRivals(options));
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
      const record = parseLease(stored);
      // A store that failed over may have lost it: it is nobody else's before it has run out.
      const mayBeOurs = record === undefined ? now() < mine.expiresAtMs : record.token === token;
      const isOurs = mayBeOurs && (await control.compareAndSet(name, stored, next.bytes));
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
    follow: (followed: string) => {
      plan = followed;
      return renew();
    },
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

/** Puts the record where none stands. */
async function takeRecord(options: LeaseOptions, token: string, termFrom: (nowMs: number) => Term): Promise<Term> {
  const { control, view, shard, holder, ttlMs, now, patience } = options;
  const name = leaseName(view, shard);
  const attempt = async (): Promise<Term | { readonly heldBy: LeaseRecord | undefined }> => {
    const before = await control.get(name);
    const held = parseLease(before);
    // An earlier attempt was done and its answer lost.
    if (before !== undefined && held?.token === token) return { bytes: before, expiresAtMs: held.expires_at_ms };
    if (stands(held, holder, now())) return { heldBy: held };
    const term = termFrom(now());
    return (await control.compareAndSet(name, before, term.bytes))
      ? term
      : { heldBy: parseLease(await control.get(name)) };
  };
  let seen: LeaseRecord | undefined;
  for (let waitedMs = 0; ; waitedMs += LOOK_AGAIN_MS) {
    const taken = await patiently(patience, attempt);
    if ("bytes" in taken) return taken;
    const { heldBy } = taken;
    const isRenewed = seen !== undefined && heldBy?.expires_at_ms !== seen.expires_at_ms;
    if (shard === undefined || patience === undefined || heldBy === undefined || isRenewed || waitedMs >= ttlMs)
      throw running(view, heldBy, shard);
    if (seen === undefined) patience.onWait(waitingFor(view, heldBy, shard));
    seen = heldBy;
    await patience.outage.wait(LOOK_AGAIN_MS, patience.outage.signal);
  }
}

function patiently<T>(patience: LeasePatience | undefined, work: () => Promise<T>): Promise<T> {
  return patience === undefined ? work() : throughOutage(work, patience.outage);
}

/** The shards of a view that are at work on a plan, by their index. */
export async function shardsAtWork(
  { control, view, holder, now }: Pick<LeaseOptions, "control" | "view" | "holder" | "now">,
  plan: string,
): Promise<readonly number[]> {
  const atWork: number[] = [];
  for (const name of await shardLeaseNames(control, view)) {
    const record = parseLease(await control.get(name));
    if (stands(record, holder, now()) && record.plan === plan) atWork.push(shardIndexOf(name));
  }
  return atWork;
}

/** Throws MATERIALIZE_RUNNING when the view as a whole excludes this shard, or a shard the view as a whole. */
async function refuseRivals({ control, view, shard, holder, now }: LeaseOptions): Promise<void> {
  const rivals = shard === undefined ? await shardLeaseNames(control, view) : [leaseName(view, undefined)];
  for (const name of rivals) {
    const record = parseLease(await control.get(name));
    if (stands(record, holder, now()))
      throw running(view, record, shard === undefined ? { index: shardIndexOf(name) } : undefined);
  }
}

/** The record as last confirmed by the store. */
interface Term {
  readonly bytes: Uint8Array;
  readonly expiresAtMs: number;
}

/** Reads it first: a renewal whose answer was lost leaves other bytes than the last confirmed. */
async function giveUp(control: ControlStore, name: string, token: string): Promise<void> {
  const stored = await control.get(name);
  if (parseLease(stored)?.token === token) await control.compareAndSet(name, stored, undefined);
}

function running(
  view: string,
  record: LeaseRecord | undefined,
  shard: Pick<Shard, "index"> | undefined,
): HeadgateError {
  const what = shard === undefined ? `Feature view "${view}"` : `Shard ${shard.index} of feature view "${view}"`;
  const who = record === undefined ? "another process" : `process ${record.pid} on ${record.host}`;
  const until = record === undefined ? "" : ` Its lease runs until ${new Date(record.expires_at_ms).toISOString()}.`;
  return new HeadgateError(
    "MATERIALIZE_RUNNING",
    `${what} is being materialized by ${who}.${until} Wait for it, or stop it and try again.`,
  );
}

function waitingFor(view: string, { host, pid, expires_at_ms }: LeaseRecord, { index }: Pick<Shard, "index">): string {
  return `Shard ${index} of feature view "${view}" waits for the lease of process ${pid} on ${host}, which runs until ${new Date(expires_at_ms).toISOString()} unless it is renewed.`;
}
