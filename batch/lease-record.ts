/**
 * Who holds a lease, as its control record says: `lease/<view>`, or `lease/<view>/<i>` of a shard. See lease.ts for what
 * is done with it.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ControlStore } from "../features/store/online-store.ts";
import type { Shard } from "./shard.ts";

/** A process that can hold a lease. */
export interface LeaseHolder {
  readonly host: string;
  readonly pid: number;
  /** Which boot of which machine: hosts may be named alike, and number their processes alike. */
  readonly bootId?: string;
  /** What `pid` counts in: containers may share a host's name and number their processes each from 1. */
  readonly pidNamespace?: string;
}

/** This process. */
export function thisHolder(): LeaseHolder {
  const holder = { host: hostname(), pid: process.pid };
  try {
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return Object.freeze({ ...holder, bootId, pidNamespace: readlinkSync("/proc/self/ns/pid") });
  } catch {
    // Only Linux has these.
    return Object.freeze(holder);
  }
}

/** The record. */
export interface LeaseRecord extends LeaseHolder {
  readonly token: string;
  readonly expires_at_ms: number;
  /** The plan that a shard works on; absent until it has found one. */
  readonly plan?: string;
}

/** The record's name. */
export function leaseName(view: string, shard: Pick<Shard, "index"> | undefined): string {
  return shard === undefined ? `lease/${view}` : `lease/${view}/${shard.index}`;
}

/** The names of the records of a view's shards. */
export function shardLeaseNames(control: ControlStore, view: string): Promise<readonly string[]> {
  return control.list(`${leaseName(view, undefined)}/`);
}

/** The shard that a name of shardLeaseNames is of. */
export function shardIndexOf(name: string): number {
  return Number(name.slice(name.lastIndexOf("/") + 1));
}

/** Reads a record. */
export function parseLease(bytes: Uint8Array | undefined): LeaseRecord | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as LeaseRecord);
}

/** A record as it is stored. */
export function leaseBytes(record: LeaseRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

/** True while the holder has it, as far as `self` can see. */
export function stands(record: LeaseRecord | undefined, self: LeaseHolder, nowMs: number): record is LeaseRecord {
  return record !== undefined && record.expires_at_ms > nowMs && !isGone(record, self);
}

/** True only where it is certain: another process of this very machine and its numbering that no longer exists. */
function isGone({ host, pid, bootId, pidNamespace }: LeaseRecord, self: LeaseHolder): boolean {
  if (host !== self.host || bootId !== self.bootId || pidNamespace !== self.pidNamespace) return false;
  if (pid === self.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH";
  }
}
