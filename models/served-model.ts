/** A model as requests find it: which version answers whom, as of one moment. */

import type { LoadedModel, LoadOptions, ModelState } from "./loaded-model.ts";
import type { Traffic } from "./traffic.ts";

/** What a version is doing. */
export interface VersionStatus {
  readonly version: number;
  /** UNKNOWN while nobody has asked it to be loaded. */
  readonly state: ModelState;
  /** Why it is not READY; of one that is, why newer files under its number are not. */
  readonly reason: string | undefined;
}

/** A model of the repository, whether it can serve or not: a snapshot, which never changes and is replaced whole. */
export interface ServedModel {
  readonly name: string;
  /** The version that answers all that the canary does not; undefined when none loads. */
  readonly stable: LoadedModel | undefined;
  /** Undefined, too, when the canary does not load: the stable version answers for it. */
  readonly canary: { readonly model: LoadedModel; readonly percent: number } | undefined;
  /** Those that load. */
  readonly shadows: readonly LoadedModel[];
  /** Every loaded version, by number. */
  readonly ready: ReadonlyMap<number, LoadedModel>;
  /** As the traffic file has it; undefined without one: the newest version that loads is stable. */
  readonly traffic: Traffic | undefined;
  /** Of the file that `traffic` was read from: the condition of whoever decides by it. */
  readonly trafficEtag: string | undefined;
  /** Of the traffic file as it is; another one while it can't be understood. */
  readonly trafficFileEtag: string | undefined;
  /** Newest first. */
  readonly versions: readonly VersionStatus[];
  /** Why there is no stable version, or another one than there should be, or what the traffic names that is not there. */
  readonly reason: string | undefined;
}

/**
 * What a refresh is waited for: that all wanted versions are loaded, or only those that answer or shadow; who rolls back
 * does not want to wait for the load of the version that he is leaving.
 */
export type RefreshedUntil = "loaded" | "answering";

/** What models are opened with. */
export interface ModelsOptions extends LoadOptions {
  /** Versions above the stable one that are kept loaded besides those with a part in the traffic; 0 unless given. */
  readonly versionsReady?: number;
}
