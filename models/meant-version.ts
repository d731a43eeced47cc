/**
 * Which version a change of traffic means where none is named. The newest is usually meant; where another could be, nothing
 * is guessed, since a share for the wrong version is answered to real requests.
 */

import { HeadgateError } from "../errors.ts";
import type { Traffic } from "./traffic.ts";

/** What a change starts from. */
export interface TrafficNow {
  readonly model: string;
  readonly versions: readonly number[];
  readonly traffic: Traffic | undefined;
  /** Of the traffic file. */
  readonly etag: string | undefined;
  /** The version that is stable now; undefined where nothing serves. */
  readonly stable: number | undefined;
}

/** The version that others run beside. Throws TRAFFIC_INVALID where nothing is stable. */
export function stableOf({ model, stable }: TrafficNow): number {
  if (stable !== undefined) return stable;
  throw new HeadgateError(
    "TRAFFIC_INVALID",
    `Model "${model}" has no stable version beside which another could run; promote one first.`,
  );
}

/** The canary's version, else the newest. Throws TRAFFIC_INVALID where one that is newer than the canary has no part yet. */
export function canaryMeant(now: TrafficNow): number {
  const { stable, traffic, versions } = now;
  if (traffic?.canary === undefined) return newestBeside(now);
  const { version } = traffic.canary;
  const [newest = version] = versions;
  if ([version, stable, ...traffic.shadow].includes(newest)) return version;
  throw unclear(now, `version ${version} is the canary and version ${newest} is newer`);
}

/** The newest version. Throws TRAFFIC_INVALID where it answers already. */
export function newestBeside(now: TrafficNow): number {
  const stable = stableOf(now);
  const [newest = stable] = now.versions;
  if (newest === stable) throw unclear(now, `version ${newest}, the newest, is stable already`);
  if (newest === now.traffic?.canary?.version) {
    throw unclear(now, `version ${newest}, the newest, is the canary already`);
  }
  return newest;
}

/** The only shadow's version. Throws TRAFFIC_INVALID where there are several, or none. */
export function onlyShadow(now: TrafficNow): number {
  const shadows = now.traffic?.shadow ?? [];
  if (shadows.length === 1) return shadows[0]!;
  throw unclear(now, shadows.length === 0 ? "there is no shadow" : `versions ${shadows.join(", ")} are shadows`);
}

function unclear({ model }: TrafficNow, why: string): HeadgateError {
  return new HeadgateError(
    "TRAFFIC_INVALID",
    `Which version of model "${model}" is meant is not clear: ${why}. Name one.`,
  );
}
