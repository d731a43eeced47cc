/**
 * Which share of a model's entities each version answers: `<name>/traffic.json` of the model repository, kept as code or
 * written by the admin calls.
 *
 * An entity is put into one of 10,000 buckets by its keys alone, and the canary has the lowest buckets: so an entity
 * keeps its version from request to request and from gateway to gateway, and raising the percentage moves entities to
 * the canary and none away from it. The model's name is part of the hash, so that two models' canaries do not share
 * their entities.
 */

import { excerpt, HeadgateError, reasonOf } from "../errors.ts";
import { isObject } from "../features/json-value.ts";
import { FNV_OFFSET, fmix32, fnv1a, fnv1aNext } from "../features/text-hash.ts";

/** How a model's requests are split. */
export interface Traffic {
  /** The version that answers all that the canary does not. */
  readonly stable: number;
  readonly canary: CanaryTraffic | undefined;
  /** Versions that see the same features off the answer's path. */
  readonly shadow: readonly number[];
  /** The version that was stable before, kept loaded so that going back to it takes nothing but this file. */
  readonly previous: number | undefined;
}

/** The canary's share. */
export interface CanaryTraffic {
  readonly version: number;
  /** From 0 to 100, in steps of 0.01. */
  readonly percent: number;
  /** When the canary is taken out of the traffic by itself; undefined: never. */
  readonly guard: CanaryGuard | undefined;
}

/** The rule that ends a canary: any bound that is given and passed over its latest `requests` requests. */
export interface CanaryGuard {
  readonly requests: number;
  /** Share of requests that failed, 0 to 1. */
  readonly errorRate: number | undefined;
  /** 95th percentile of the canary's model time over the stable version's. */
  readonly latencyRatio: number | undefined;
  /** Population stability index of the canary's scores against the stable version's. */
  readonly psi: number | undefined;
}

/** Buckets an entity can fall into: a percentage has two decimals. */
const BUCKETS = 10_000;

/** The most versions that may shadow at once: each costs a run of its own. */
const SHADOWS_MAX = 4;

/** Parses a traffic file. Throws TRAFFIC_INVALID naming the file, the member and what it may be. */
export function parseTraffic(text: string, file: string): Traffic {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not JSON: ${reasonOf(cause)}.`);
  }
  return checkTraffic(parsed, file);
}

/** Parses a model's own traffic file, as the repository has it. Throws TRAFFIC_INVALID, which says how it can be mended, too. */
export function parseStoredTraffic(model: string, { content, file }: { content: string; file: string }): Traffic {
  try {
    return parseTraffic(content, file);
  } catch (thrown) {
    const next = `Mend it, or put another in its place with "headgate models traffic ${model} <file>".`;
    throw new HeadgateError("TRAFFIC_INVALID", `${reasonOf(thrown)} ${next}`, thrown);
  }
}

/** Checks a parsed one; `what` names where it is from. Throws TRAFFIC_INVALID. */
export function checkTraffic(parsed: unknown, what: string): Traffic {
  const { stable, canary, shadow, previous } = membersOf(parsed, ["stable", "canary", "shadow", "previous"], what);
  const traffic: Traffic = {
    stable: versionIn(stable, `${what}: stable`),
    canary: canary === undefined || canary === null ? undefined : canaryIn(canary, `${what}: canary`),
    shadow: shadow === undefined || shadow === null ? [] : shadowsIn(shadow, `${what}: shadow`),
    previous: previous === undefined || previous === null ? undefined : versionIn(previous, `${what}: previous`),
  };
  const named = [traffic.stable, ...(traffic.canary === undefined ? [] : [traffic.canary.version]), ...traffic.shadow];
  const twice = named.find((version, i) => named.indexOf(version) !== i);
  if (twice !== undefined)
    throw invalid(`${what} names version ${twice} twice; a version has one part in the traffic.`);
  if (traffic.previous === traffic.stable)
    throw invalid(`${what}: previous is ${traffic.stable}, which is stable; leave it out.`);
  return Object.freeze(traffic);
}

/** The file's text. */
export function formatTraffic(traffic: Traffic): string {
  return `${JSON.stringify(trafficJson(traffic), null, 2)}\n`;
}

/** Traffic as the file and the admin calls have it. */
export function trafficJson({ stable, canary, shadow, previous }: Traffic): TrafficJson {
  return {
    stable,
    ...(canary === undefined ? {} : { canary: canaryJson(canary) }),
    ...(shadow.length === 0 ? {} : { shadow }),
    ...(previous === undefined ? {} : { previous }),
  };
}

/** What `trafficJson` gives. */
export interface TrafficJson {
  readonly stable: number;
  readonly canary?: {
    readonly version: number;
    readonly percent: number;
    readonly guard?: Readonly<Record<string, number>>;
  };
  readonly shadow?: readonly number[];
  readonly previous?: number;
}

function canaryJson({ version, percent, guard }: CanaryTraffic): NonNullable<TrafficJson["canary"]> {
  if (guard === undefined) return { version, percent };
  const bounds = GUARD_BOUNDS.flatMap(({ member, key }) => (guard[key] === undefined ? [] : [[member, guard[key]]]));
  return { version, percent, guard: { requests: guard.requests, ...Object.fromEntries(bounds) } };
}

/**
 * What a model's traffic file names that is not there, stable first, each in a sentence with the command that mends it.
 * The version before is none of it: nobody is sent there.
 */
export function absentParts(model: string, traffic: Traffic, versions: readonly number[]): readonly string[] {
  const command = `"headgate models`;
  const parts = [
    {
      ...{ part: "stable", version: traffic.stable },
      next: `${command} promote ${model} <version>" puts another in its place`,
    },
    { part: "canary", version: traffic.canary?.version, next: `${command} rollback ${model}" ends it` },
    ...traffic.shadow.map((version) => ({
      ...{ part: "shadow", version },
      next: `${command} shadow ${model} ${version} --remove" takes it out`,
    })),
  ];
  return parts.flatMap(({ next, part, version }) =>
    version === undefined || versions.includes(version)
      ? []
      : [`${model}/traffic.json: ${part} is version ${version}, which is not there; ${next}.`],
  );
}

/** The bucket, from 0 to BUCKETS - 1, of an entity by its canonical key, or of a request without entity by its id. */
export function bucketOf(model: string, key: string): number {
  return fmix32(fnv1a(fnv1aNext(fnv1a(FNV_OFFSET, model)), key)) % BUCKETS;
}

/** Whether the canary's share holds the entity with this canonical key, or the request with this id where there is none. */
export function isInShare(model: string, key: string, percent: number): boolean {
  return bucketOf(model, key) < Math.round(percent * (BUCKETS / 100));
}

function canaryIn(value: unknown, what: string): CanaryTraffic {
  const { version, percent, guard } = membersOf(value, ["version", "percent", "guard"], what);
  const isShare = typeof percent === "number" && percent >= 0 && percent <= 100;
  if (!isShare || !Number.isInteger(Math.round(percent * 1e8) / 1e6)) {
    throw invalid(`${what}.percent is ${shownJson(percent)}; it is a number from 0 to 100 with at most two decimals.`);
  }
  return Object.freeze({
    version: versionIn(version, `${what}.version`),
    percent,
    guard: guard === undefined || guard === null ? undefined : checkGuard(guard, `${what}.guard`),
  });
}

/** The bounds of a guard: what they are called in the file, and the most each may be. */
const GUARD_BOUNDS = [
  { member: "error_rate", key: "errorRate", most: 1 },
  { member: "latency_ratio", key: "latencyRatio", most: 1_000 },
  { member: "psi", key: "psi", most: 100 },
] as const;

/** The most requests a guard looks back: their outcomes are kept. */
const GUARD_REQUESTS_MAX = 100_000;

/** The fewest: under these a share says nothing. */
const GUARD_REQUESTS_MIN = 20;

/** Checks the rule that ends a canary; `what` names where it is from. Throws TRAFFIC_INVALID. */
export function checkGuard(value: unknown, what: string): CanaryGuard {
  const given = membersOf(value, ["requests", ...GUARD_BOUNDS.map(({ member }) => member)], what);
  const { requests } = given;
  const isCount = typeof requests === "number" && Number.isInteger(requests);
  if (!isCount || requests < GUARD_REQUESTS_MIN || requests > GUARD_REQUESTS_MAX) {
    throw invalid(
      `${what}.requests is ${shownJson(requests)}; it is a whole number from ${GUARD_REQUESTS_MIN} to ${GUARD_REQUESTS_MAX}.`,
    );
  }
  const bounds: Partial<Record<"errorRate" | "latencyRatio" | "psi", number>> = {};
  for (const { member, key, most } of GUARD_BOUNDS) {
    const bound = given[member];
    if (bound === undefined || bound === null) continue;
    if (typeof bound !== "number" || !(bound > 0 && bound <= most)) {
      throw invalid(`${what}.${member} is ${shownJson(bound)}; it is a number above 0 and at most ${most}.`);
    }
    bounds[key] = bound;
  }
  if (Object.keys(bounds).length === 0) {
    throw invalid(`${what} has no bound; give at least one of ${GUARD_BOUNDS.map(({ member }) => member).join(", ")}.`);
  }
  const { errorRate, latencyRatio, psi } = bounds;
  return Object.freeze({ requests, errorRate, latencyRatio, psi });
}

function shadowsIn(value: unknown, what: string): readonly number[] {
  if (!Array.isArray(value) || value.length > SHADOWS_MAX) {
    throw invalid(`${what} is ${shownJson(value)}; it is a list of at most ${SHADOWS_MAX} versions.`);
  }
  return Object.freeze(value.map((version, i) => versionIn(version, `${what}[${i}]`)));
}

function versionIn(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 999_999_999) return value;
  throw invalid(`${what} is ${shownJson(value)}; a version is a whole number from 1.`);
}

function membersOf(value: unknown, names: readonly string[], what: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) {
    throw invalid(`${what} is ${shownJson(value)}; it is an object of ${names.join(", ")}.`);
  }
  const extra = Object.keys(value).find((name) => !names.includes(name));
  if (extra !== undefined) throw invalid(`${what} has "${excerpt(extra)}"; there are ${names.join(", ")}.`);
  return value;
}

function shownJson(value: unknown): string {
  return value === undefined ? "missing" : excerpt(JSON.stringify(value));
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("TRAFFIC_INVALID", sentence);
}
