/**
 * Changes of a model's traffic: who is stable, who gets a share, who shadows. Each is computed from the traffic file as
 * it is, checked, and put under the ETag it was read with, so that of two changes at once one wins and the other is told.
 *
 * A version that is given requests for the first time must load and take what the stable version takes; going back to
 * one that has served asks for nothing, so that it is at once.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import { compileReadPlan, type ReadPlan, requestDifference } from "../features/read-plan.ts";
import type { DeployTools } from "./deploy.ts";
import { parseManifest } from "./manifest.ts";
import {
  canaryMeant,
  newestBeside,
  onlyShadow,
  partsThere,
  promotionMeant,
  stableOf,
  type TrafficNow,
} from "./meant-version.ts";
import { checkModelName, type ModelRepository, type TrafficFile } from "./repository.ts";
import { requireAnswer } from "./repository-answer.ts";
import {
  type CanaryGuard,
  checkTraffic,
  formatTraffic,
  parseStoredTraffic,
  parseTraffic,
  type Traffic,
  trafficJson,
} from "./traffic.ts";

/** What changes of traffic need. */
export interface TrafficTools extends Pick<DeployTools, "repository" | "registry" | "load" | "servingVersion"> {
  /** True for a version that is loaded and serves in this process: it need not be loaded to see that it can be. */
  readonly isReady: (model: string, version: number) => boolean;
}

/** A model's versions and traffic as they are in the repository. */
export interface TrafficState {
  /** Newest first. */
  readonly versions: readonly number[];
  /** Undefined: the newest version that loads serves. */
  readonly traffic: Traffic | undefined;
  readonly etag: string | undefined;
}

/** Reads them, and never from a copy; the traffic file by `parse`. Throws MODEL_NOT_FOUND, TRAFFIC_INVALID and REPOSITORY_UNREACHABLE. */
export async function readTrafficState(
  repository: ModelRepository,
  model: string,
  parse: (file: TrafficFile) => Traffic | undefined = (file) => parseStoredTraffic(model, file),
): Promise<TrafficState> {
  checkModelName(model);
  await requireAnswer(repository);
  const versions = await repository.versions(model);
  const found = await repository.readTraffic(model);
  const traffic = found === undefined ? undefined : parse(found);
  return { versions, traffic, etag: found?.etag };
}

/** A change of traffic. */
export interface TrafficChange {
  readonly next: (now: TrafficNow) => Traffic;
  /** True where the versions have served before and are not asked to prove anything. */
  readonly isReturn?: (now: TrafficNow) => boolean;
  /** True: what the file says now does not matter, not even whether it can be understood. */
  readonly isWhole?: boolean;
}

/** What the traffic is after a change. */
export interface ChangedTraffic {
  readonly traffic: Traffic;
  readonly etag: string;
  /** False where it was so already and nothing was written. */
  readonly changed: boolean;
}

/**
 * Changes a model's traffic. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND, TRAFFIC_INVALID, DEPLOY_CONFLICT, and for a
 * version that does not load what its load throws.
 */
export async function changeTraffic(
  tools: TrafficTools,
  model: string,
  change: TrafficChange,
): Promise<ChangedTraffic> {
  const { repository } = tools;
  const parse = change.isWhole === true ? understood : undefined;
  const { etag, traffic, versions } = await readTrafficState(repository, model, parse);
  const stable = traffic?.stable ?? (await tools.servingVersion(model));
  const now: TrafficNow = { model, versions, traffic, etag, stable };
  const wanted = change.next(now);
  const next = checkTraffic(trafficJson(wanted), `the traffic of model "${model}"`);
  const content = formatTraffic(next);
  const answering = [next.stable, ...(next.canary === undefined ? [] : [next.canary.version]), ...next.shadow];
  for (const version of new Set([...answering, ...(next.previous === undefined ? [] : [next.previous])])) {
    requireVersion(model, version, versions);
  }
  if (traffic !== undefined && etag !== undefined && formatTraffic(traffic) === content) {
    return { traffic: next, etag, changed: false };
  }
  if (change.isReturn?.(now) !== true) await requireServing(tools, model, answering);
  return { traffic: next, etag: await repository.putTraffic(model, content, etag), changed: true };
}

/** Makes a version stable: the one given, else the canary's, else the newest. The one before stays ready to go back to. */
export function promote(version: number | undefined): TrafficChange {
  return {
    next: (now) => {
      const promoted = version ?? promotionMeant(now);
      const { previous, shadow, stable } = partsThere(now);
      const before = [stable, previous].find((one) => one !== undefined && one !== promoted);
      return {
        ...{ stable: promoted, canary: undefined, previous: before },
        shadow: shadow.filter((one) => one !== promoted),
      };
    },
  };
}

/**
 * Gives a version a share of the entities: the one given, else the one that is canary, else the newest. Without a guard
 * the canary that there is keeps its own.
 */
export function canary(given: number | undefined, percent: number, newGuard: CanaryGuard | undefined): TrafficChange {
  return {
    next: (now) => {
      const version = given ?? canaryMeant(now);
      const { canary: before, previous, shadow } = partsThere(now);
      const guard = newGuard ?? (before?.version === version ? before.guard : undefined);
      return {
        ...{ stable: stableOf(now), canary: { version, percent, guard }, previous },
        shadow: shadow.filter((one) => one !== version),
      };
    },
  };
}

/**
 * Lets a version see the same features off the answer's path: the one given, else the newest; or, with `isOn` false, no
 * longer: the one given, else the only shadow.
 */
export function shadow(given: number | undefined, isOn: boolean): TrafficChange {
  return {
    next: (now) => {
      const version = given ?? (isOn ? newestBeside(now) : onlyShadow(now));
      const { canary, previous, shadow } = partsThere(now);
      const others = shadow.filter((one) => one !== version);
      return { stable: stableOf(now), canary, shadow: isOn ? [...others, version] : others, previous };
    },
    isReturn: () => !isOn,
  };
}

/** Ends the canary; where there is none, goes back to the version that was stable before. */
export function rollback(): TrafficChange {
  return {
    next: (now) => {
      const { model, versions } = now;
      const { previous, shadow, stable: leaving } = partsThere(now);
      if (now.traffic?.canary !== undefined && leaving !== undefined) {
        return { stable: leaving, canary: undefined, shadow, previous };
      }
      const stable = now.stable ?? stableOf(now);
      // A canary whose stable version is gone is what is rolled back, too.
      const back = previous ?? versions.find((version) => version < stable && version !== now.traffic?.canary?.version);
      if (back === undefined) {
        throw new HeadgateError(
          "TRAFFIC_INVALID",
          `Model "${model}" has no version to go back to: there is none before version ${stable}.`,
        );
      }
      const left = shadow.filter((version) => version !== back);
      return { stable: back, canary: undefined, shadow: left, previous: leaving };
    },
    // The version below the first that was ever promoted has not served.
    isReturn: (now) => endsCanary(now) || partsThere(now).previous !== undefined,
  };
}

/** Without a stable version that could answer in the canary's place there is more to take back. */
function endsCanary(now: TrafficNow): boolean {
  return now.traffic?.canary !== undefined && partsThere(now).stable !== undefined;
}

/** The traffic as somebody wrote it. */
export function replaceTraffic(traffic: Traffic): TrafficChange {
  return { next: () => traffic, isWhole: true };
}

/** The traffic of a file; undefined where it can't be understood. */
function understood({ content, file }: TrafficFile): Traffic | undefined {
  try {
    return parseTraffic(content, file);
  } catch {
    return undefined;
  }
}

/**
 * Deletes a version for good, or what a deploy that died left of one; its number is never used again. Throws
 * VERSION_NOT_FOUND, VERSION_IN_USE while it answers or shadows, and TRAFFIC_INVALID where the stable version is not there,
 * so that nobody knows who answers. One that is only kept to go back to is let go of first. The traffic is not held
 * meanwhile: a promote of the same version at the same moment names one that is gone.
 */
export async function retire(
  tools: Pick<TrafficTools, "repository" | "servingVersion">,
  model: string,
  version: number,
): Promise<void> {
  const { repository, servingVersion } = tools;
  const { etag, traffic, versions } = await readTrafficState(repository, model);
  const stable =
    traffic === undefined
      ? await servingVersion(model)
      : stableOf({ model, versions, traffic, etag, stable: traffic.stable });
  const part = partOf(version, stable, traffic);
  if (part !== undefined) {
    throw new HeadgateError("VERSION_IN_USE", `Version ${version} of model "${model}" is ${part}.`);
  }
  if (traffic?.previous === version) {
    await repository.putTraffic(model, formatTraffic({ ...traffic, previous: undefined }), etag);
  }
  await repository.deleteVersion(model, version);
}

/**
 * Deletes a model with all of its versions, whoever they answer; the one that is stable goes last, so that none that is
 * not meant to answers meanwhile. Throws MODEL_NOT_FOUND. Broken off, it can be done again.
 */
export async function retireModel(
  { repository, servingVersion }: Pick<TrafficTools, "repository" | "servingVersion">,
  model: string,
): Promise<void> {
  const { traffic } = await readTrafficState(repository, model, understood);
  const stable = traffic?.stable ?? (await servingVersion(model));
  await repository.deleteModel(model, stable);
}

function partOf(version: number, stable: number | undefined, traffic: Traffic | undefined): string | undefined {
  if (version === stable) return "the stable one; promote another first, or retire the whole model (--all)";
  if (version === traffic?.canary?.version) return "the canary; take it out of the traffic first";
  return traffic?.shadow.includes(version) ? "a shadow; take it out of the traffic first" : undefined;
}

function requireVersion(model: string, version: number, versions: readonly number[]): void {
  if (versions.includes(version)) return;
  throw new HeadgateError(
    "VERSION_NOT_FOUND",
    `Model "${model}" has no version ${version}; there is ${versions.slice(0, VERSIONS_SHOWN).join(", ") || "none"}.`,
  );
}

/** The most versions that a refusal lists. */
const VERSIONS_SHOWN = 20;

/** Every version must load, and those beside the stable one must take what it takes. */
async function requireServing(tools: TrafficTools, model: string, versions: readonly number[]): Promise<void> {
  const [stable, ...others] = versions;
  for (const version of versions) await requireLoads(tools, model, version);
  const plan = await planOf(tools, model, stable!);
  for (const version of others) {
    const why = requestDifference(plan, await planOf(tools, model, version));
    if (why === undefined) continue;
    throw new HeadgateError(
      "TRAFFIC_INVALID",
      `Version ${version} of model "${model}" can't run beside version ${stable}: ${why}. Requests that one answers the other would refuse; promote it instead.`,
    );
  }
}

async function requireLoads(
  { isReady, load, repository }: TrafficTools,
  model: string,
  version: number,
): Promise<void> {
  if (isReady(model, version)) return;
  try {
    const loaded = await load({ repository, name: model, version });
    await loaded.close();
  } catch (thrown) {
    if (!(thrown instanceof HeadgateError)) throw thrown;
    throw new HeadgateError(
      thrown.code,
      `Version ${version} of model "${model}" does not load, so it is given no requests: ${reasonOf(thrown)}`,
      thrown,
    );
  }
}

async function planOf({ registry, repository }: TrafficTools, model: string, version: number): Promise<ReadPlan> {
  const { content, file } = await repository.readManifest(model, version);
  // That the version loads has shown that its service is there.
  return compileReadPlan(registry.services.get(parseManifest(content, file).service)!);
}
