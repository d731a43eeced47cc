/**
 * The right to materialize a view, held by one process at a time: a control record `lease/<view>` with its holder, a
 * token and the time it runs out.
 *
 * Every step is a compare-and-set on the record's bytes. A live holder renews at a third of the lease's length; one
 * that died is waited for until it runs out, except where its process can be seen to be gone on this very host. Clocks
 * of different hosts may differ and a paused holder may wake up late: the token is checked again before the checkpoint
 * moves, so the worst that an overlap costs is double work, since rows are newest-wins.
 */

import { randomUUID } from "node:crypto";
import { HeadgateError } from "../errors.ts";
import type { ControlStore } from "../features/store/online-store.ts";

/** A process that can hold a lease. */
export interface LeaseHolder {
  readonly host: string;
  readonly pid: number;
}

interface LeaseRecord extends LeaseHolder {
  readonly token: string;
  readonly expires_at_ms: number;
}

/** How a lease is taken. */
export interface LeaseOptions {
  readonly control: ControlStore;
  readonly view: string;
  readonly holder: LeaseHolder;
  /** How long a dead holder's lease stands, ms. */
  readonly ttlMs: number;
  readonly now: () => number;
}

/** A lease that is held. */
export interface Lease {
  /** Makes it last again from now. Throws MATERIALIZE_RUNNING when it is lost. */
  renew(): Promise<void>;
  /** Throws what a renewal in the background ended in; free of I/O. */
  check(): void;
  /** Gives it up. Never throws: what can't be given up runs out. */
  release(): Promise<void>;
}

/** Takes the lease and keeps it renewed. Throws MATERIALIZE_RUNNING naming the holder and until when. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { control, view, holder, ttlMs, now } = options;
  const name = `lease/${view}`;
  const token = randomUUID();
  const bytesFrom = (nowMs: number): Buffer =>
    Buffer.from(JSON.stringify({ ...holder, token, expires_at_ms: nowMs + ttlMs } satisfies LeaseRecord));

  const before = await control.get(name);
  if (before !== undefined && stands(parse(before), holder, now())) throw running(view, parse(before));
  let mine = bytesFrom(now());
  if (!(await control.compareAndSet(name, before, mine))) throw running(view, parse(await control.get(name)));

  let lost: unknown;
  let turn: Promise<void> = Promise.resolve();
  const renewNow = async (): Promise<void> => {
    const next = bytesFrom(now());
    if (!(await control.compareAndSet(name, mine, next))) throw running(view, parse(await control.get(name)));
    mine = next;
  };
  // One at a time, for each needs the bytes that the one before has put.
  const renew = (): Promise<void> => {
    turn = turn.then(renewNow);
    turn.catch((cause: unknown) => {
      lost ??= cause;
    });
    return turn;
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
      await turn.catch(() => {});
      await control.compareAndSet(name, mine, undefined).catch(() => {});
    },
  });
}

function stands(record: LeaseRecord | undefined, self: LeaseHolder, nowMs: number): boolean {
  return record !== undefined && record.expires_at_ms > nowMs && !isGone(record, self);
}

/** True only where it is certain: another process of this host that no longer exists. */
function isGone({ host, pid }: LeaseRecord, self: LeaseHolder): boolean {
  if (host !== self.host || pid === self.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function running(view: string, record: LeaseRecord | undefined): HeadgateError {
  const who = record === undefined ? "another process" : `process ${record.pid} on ${record.host}`;
  const until = record === undefined ? "" : ` Its lease runs until ${new Date(record.expires_at_ms).toISOString()}.`;
  return new HeadgateError(
    "MATERIALIZE_RUNNING",
    `Feature view "${view}" is being materialized by ${who}.${until} Wait for it, or stop it and try again.`,
  );
}

function parse(bytes: Uint8Array | undefined): LeaseRecord | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as LeaseRecord);
}
