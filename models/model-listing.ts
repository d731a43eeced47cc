/**
 * What the repository says of one model at a moment: the versions that are there, each with a text that is another when
 * its files are, and how its requests are split.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import type { ModelRepository } from "./repository.ts";
import { isModelName } from "./repository-layout.ts";
import { absentParts, parseStoredTraffic, type Traffic, type TrafficJson, trafficJson } from "./traffic.ts";

/** A model as the repository has it. */
export interface ModelListing {
  /** By version, newest first. */
  readonly fingerprints: ReadonlyMap<number, string>;
  /** Where the file can't be understood, or nothing can be listed, what it said before. */
  readonly traffic: Traffic | undefined;
  /** Of the file that `traffic` was read from. */
  readonly trafficEtag: string | undefined;
  /** Of the file as it is, understood or not. */
  readonly trafficFileEtag: string | undefined;
  /** Why the versions or the traffic can't be told. */
  readonly problem: string | undefined;
  /** True: it is no model of the repository any more. */
  readonly isGone: boolean;
}

/** What is known of a model before it was looked at. */
export const NOTHING_LISTED: ModelListing = Object.freeze({
  fingerprints: new Map<number, string>(),
  traffic: undefined,
  trafficEtag: undefined,
  trafficFileEtag: undefined,
  problem: undefined,
  isGone: false,
});

/** Published when a model is another than at the look before, or can't be understood. */
export interface ModelNoticedEvent {
  readonly model: string;
  /** Undefined: it was never looked at before. */
  readonly from: NoticedModel | undefined;
  readonly to: NoticedModel;
  /** Why its files can't be followed as they are and what to do; undefined where they can, or it was told of the same files. */
  readonly problem: string | undefined;
  /** True: its files could not be followed at the look before, and now they can. */
  readonly isMended: boolean;
}

/** What can change of a model under a gateway. */
export interface NoticedModel {
  /** Newest first. */
  readonly versions: readonly number[];
  /** Null: there is no traffic file. */
  readonly traffic: TrafficJson | null;
}

const modelNoticed = channel("headgate:model-noticed");

/** Tells of a model that was looked at after `before` was known of it. */
export function publishNoticed(model: string, before: ModelListing, now: ModelListing): void {
  if (!modelNoticed.hasSubscribers) return;
  const [known, problem] = [before, now].map((listing) => troubleOf(model, listing));
  const isTold = problem === known && now.trafficFileEtag === before.trafficFileEtag;
  const event: ModelNoticedEvent = {
    model,
    from: before === NOTHING_LISTED ? undefined : noticed(before),
    to: noticed(now),
    problem: isTold || now.isGone ? undefined : problem,
    isMended: known !== undefined && !before.isGone && problem === undefined,
  };
  modelNoticed.publish(event);
}

/** Why what the repository says of a model can't be followed as it is. */
function troubleOf(model: string, { fingerprints, problem, traffic }: ModelListing): string | undefined {
  // Where no version is there at all, that is what is told.
  if (problem !== undefined || traffic === undefined || fingerprints.size === 0) return problem;
  return absentParts(model, traffic, [...fingerprints.keys()]).join(" ") || undefined;
}

function noticed({ fingerprints, traffic }: ModelListing): NoticedModel {
  return { versions: [...fingerprints.keys()], traffic: traffic === undefined ? null : trafficJson(traffic) };
}

/** Looks at a model; `known` gives what is known of it when the answer is there. Rejects when the repository does not answer. */
export async function readListing(
  repository: ModelRepository,
  name: string,
  known: () => ModelListing,
): Promise<ModelListing> {
  let fingerprints: ReadonlyMap<number, string>;
  try {
    fingerprints = await repository.fingerprints(name);
    if (fingerprints.size === 0) await repository.readManifest(name);
  } catch (thrown) {
    if (isUnreachable(thrown)) throw thrown;
    const problem = reasonOf(thrown);
    if (await isGone(repository, name, thrown)) return { ...NOTHING_LISTED, problem, isGone: true };
    // The traffic was not read, so it is not known to be another.
    const { traffic, trafficEtag, trafficFileEtag } = known();
    return { ...NOTHING_LISTED, traffic, trafficEtag, trafficFileEtag, problem };
  }
  let trafficFileEtag: string | undefined;
  try {
    const file = await repository.readTraffic(name);
    trafficFileEtag = file?.etag;
    const traffic = file && parseStoredTraffic(name, file);
    return { ...NOTHING_LISTED, fingerprints, traffic, trafficEtag: file?.etag, trafficFileEtag };
  } catch (thrown) {
    if (isUnreachable(thrown)) throw thrown;
    const { traffic, trafficEtag } = known();
    return { ...NOTHING_LISTED, fingerprints, traffic, trafficEtag, trafficFileEtag, problem: reasonOf(thrown) };
  }
}

/** A folder whose name no model can have is shown for as long as it is there. */
async function isGone(repository: ModelRepository, name: string, thrown: unknown): Promise<boolean> {
  if (!hasCode(thrown, "MODEL_NOT_FOUND")) return false;
  return isModelName(name) || !(await repository.models()).includes(name);
}

/** Whether it is the repository that failed, and not the model. */
export function isUnreachable(thrown: unknown): boolean {
  return !(thrown instanceof HeadgateError) || UNREACHABLE.has(thrown.code);
}

const UNREACHABLE: ReadonlySet<string> = new Set(["REPOSITORY_UNREACHABLE", "SOURCE_UNREACHABLE", "SOURCE_DENIED"]);
