/** What is known of a model's versions as requests see it: one snapshot, which is replaced whole. */

import type { LoadedModel } from "./loaded-model.ts";
import type { ModelListing } from "./model-listing.ts";
import type { ServedModel, VersionStatus } from "./served-model.ts";
import { absentParts } from "./traffic.ts";

/** What is known of a version. */
export interface Version {
  /** Loaded, and what its files were then. */
  readonly model: LoadedModel | undefined;
  readonly fingerprint: string | undefined;
  /** Why the files that `failed` stands for did not load; of a loaded version, why newer files under its number did not. */
  readonly reason: string | undefined;
  readonly failed: string | undefined;
  /** Loads of those files that ended with their worker. */
  readonly workersEnded: number;
}

/** What a snapshot is taken of. */
export interface KnownModel {
  readonly name: string;
  readonly listing: ModelListing;
  readonly versions: ReadonlyMap<number, Version>;
  /** The version that answers. */
  readonly stable: LoadedModel | undefined;
  /** The versions that are wanted, loaded or not. */
  readonly kept: ReadonlySet<number>;
}

/** Takes the snapshot; `problem` is why nothing could be told of the model, if so. */
export function servedModel(known: KnownModel, problem?: string): ServedModel {
  const { kept, listing, name, stable, versions } = known;
  const { traffic, trafficEtag, trafficFileEtag } = listing;
  const ready = new Map<number, LoadedModel>();
  for (const [version, { model }] of versions) {
    if (model !== undefined && (kept.has(version) || model === stable)) ready.set(version, model);
  }
  const partOf = (version: number) => (version === stable?.version ? undefined : ready.get(version));
  const canary = traffic?.canary && partOf(traffic.canary.version);
  const shadows = (traffic?.shadow ?? []).flatMap((version) => partOf(version) ?? []);
  const reason = problem ?? reasonFor(known);
  return Object.freeze({
    name,
    stable,
    canary: canary && Object.freeze({ model: canary, percent: traffic!.canary!.percent }),
    shadows: Object.freeze(shadows),
    ready,
    traffic,
    trafficEtag,
    trafficFileEtag,
    versions: Object.freeze(statuses(known)),
    get reason() {
      return stable?.failure === undefined ? reason : [reason, stable.failure].filter(Boolean).join(" ");
    },
  });
}

function statuses({ listing, stable, versions }: KnownModel): VersionStatus[] {
  const { fingerprints, traffic } = listing;
  const serves = stable === undefined ? "no version serves" : `version ${stable.version} serves`;
  const why = traffic !== undefined ? "it has no part in the traffic" : serves;
  return [...fingerprints.keys()].map((version) => {
    const known = versions.get(version);
    if (known?.model !== undefined) return statusOf(known.model, known.reason);
    if (known?.reason !== undefined) return Object.freeze({ version, state: "UNAVAILABLE", reason: known.reason });
    return Object.freeze({ version, state: "UNKNOWN", reason: `Not loaded: ${why}.` });
  });
}

/** Why there is no stable version, or another one than there should be, or what the traffic names that is not there. */
function reasonFor({ listing, name, stable, versions }: KnownModel): string | undefined {
  const { fingerprints, problem, traffic } = listing;
  const serves = stable === undefined ? "" : ` Version ${stable.version} serves.`;
  if (problem !== undefined) return `${problem}${serves}`;
  if (fingerprints.size === 0) {
    return `${name}/model.json has no version beside it; put the model into ${name}/1/model.onnx.`;
  }
  if (traffic === undefined) {
    const [newest] = fingerprints.keys();
    return stable === undefined ? versions.get(newest!)?.reason : undefined;
  }
  const reasons = [...absentParts(name, traffic, [...fingerprints.keys()])];
  if (stable?.version !== traffic.stable && fingerprints.has(traffic.stable)) {
    const known = versions.get(traffic.stable)?.reason ?? "it is not loaded.";
    reasons.push(`Version ${traffic.stable}, which is to be stable, is not ready: ${known}`);
  }
  return reasons.length === 0 ? undefined : `${reasons.join(" ")}${serves}`;
}

/** Live: a version that is closed, or fails, later shows it. */
function statusOf(model: LoadedModel, reason: string | undefined): VersionStatus {
  return Object.freeze({
    version: model.version,
    get state() {
      return model.state;
    },
    get reason() {
      return model.failure ?? reason;
    },
  });
}
