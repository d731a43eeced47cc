/**
 * What a change of traffic starts from: which version it means where none is named, and what of the file it can leave as
 * it is. The newest is usually meant; where another could be, nothing is guessed, since a share for the wrong version is
 * answered to real requests. A version that is not there any more is left by every change that does not name it, so that
 * a file which names one shuts nobody out.
 */

import { HeadgateError } from "../errors.ts";
import { absentParts, type Traffic } from "./traffic.ts";

/** What a change starts from. */
export interface TrafficNow {
  readonly model: string;
  readonly versions: readonly number[];
  /** As the file has it, whether the versions that it names are there or not. */
  readonly traffic: Traffic | undefined;
  /** Of the traffic file. */
  readonly etag: string | undefined;
  /** The version that is stable now; undefined where nothing serves. */
  readonly stable: number | undefined;
}

/** What of the traffic names versions that are there. */
export interface PartsThere extends Omit<Traffic, "stable"> {
  readonly stable: number | undefined;
}

/** What a change can leave as it is. */
export function partsThere({ stable, traffic, versions }: TrafficNow): PartsThere {
  const ifThere = (version: number | undefined) => versions.find((one) => one === version);
  return {
    stable: ifThere(stable),
    canary: ifThere(traffic?.canary?.version) === undefined ? undefined : traffic?.canary,
    shadow: traffic?.shadow.filter((version) => versions.includes(version)) ?? [],
    previous: ifThere(traffic?.previous),
  };
}

/** The version that others run beside. Throws TRAFFIC_INVALID where nothing is stable, or what is to be is not there. */
export function stableOf(now: TrafficNow): number {
  const { model, traffic, versions } = now;
  const { stable } = partsThere(now);
  if (stable !== undefined) return stable;
  const [absent] = traffic === undefined ? [] : absentParts(model, traffic, versions);
  const nothing = `Model "${model}" has no stable version beside which another could run; promote one first.`;
  throw new HeadgateError("TRAFFIC_INVALID", absent ?? nothing);
}

/**
 * The canary's version, else the newest. Throws TRAFFIC_INVALID where one that is newer than the canary has no part yet, or
 * the canary is not there.
 */
export function canaryMeant(now: TrafficNow): number {
  const { stable, traffic, versions } = now;
  const version = canaryThere(now);
  if (traffic === undefined || version === undefined) return newestBeside(now);
  const [newest = version] = versions;
  if ([version, stable, ...traffic.shadow].includes(newest)) return version;
  throw unclear(now, `version ${version} is the canary and version ${newest} is newer`);
}

/**
 * The canary's version, else the newest. Throws TRAFFIC_INVALID where the newest was rolled back from, the canary is not
 * there, or there is no version.
 */
export function promotionMeant(now: TrafficNow): number {
  const { model, stable, traffic, versions } = now;
  const version = canaryThere(now);
  if (version !== undefined) return version;
  const [newest] = versions;
  if (newest === undefined) throw new HeadgateError("TRAFFIC_INVALID", `Model "${model}" has no version.`);
  // What was stable before is older, unless it went backwards.
  if (newest === traffic?.previous && stable !== undefined && newest > stable) throw rolledBack(now, newest);
  return newest;
}

function canaryThere(now: TrafficNow): number | undefined {
  const version = now.traffic?.canary?.version;
  if (version === undefined || now.versions.includes(version)) return version;
  throw unclear(now, `version ${version} is the canary and is not there any more`);
}

/** The newest version. Throws TRAFFIC_INVALID where it answers already, or did until it was rolled back from. */
export function newestBeside(now: TrafficNow): number {
  const stable = stableOf(now);
  const [newest = stable] = now.versions;
  if (newest === stable) throw unclear(now, `version ${newest}, the newest, is stable already`);
  if (newest === now.traffic?.canary?.version) {
    throw unclear(now, `version ${newest}, the newest, is the canary already`);
  }
  if (newest === now.traffic?.previous) throw rolledBack(now, newest);
  return newest;
}

/** The only shadow's version. Throws TRAFFIC_INVALID where there are several, or none. */
export function onlyShadow(now: TrafficNow): number {
  const shadows = now.traffic?.shadow ?? [];
  if (shadows.length === 1) return shadows[0]!;
  if (shadows.length > 1) throw unclear(now, `versions ${shadows.join(", ")} are shadows`);
  throw new HeadgateError("TRAFFIC_INVALID", `Model "${now.model}" has no shadow that could be taken out.`);
}

function rolledBack(now: TrafficNow, newest: number): HeadgateError {
  return unclear(now, `version ${newest}, the newest, is what was rolled back from`);
}

function unclear({ model }: TrafficNow, why: string): HeadgateError {
  return new HeadgateError(
    "TRAFFIC_INVALID",
    `Which version of model "${model}" is meant is not clear: ${why}. Name one.`,
  );
}
