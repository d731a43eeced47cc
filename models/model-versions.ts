/**
 * One model's versions: which of them should be loaded, which are, and what is served of them. A refresh loads beside
 * what serves and swaps the snapshot whole; a version that does not load leaves what serves as it is and keeps its reason,
 * and is tried again when its files have changed. Versions that are no longer wanted are closed once nobody holds them.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import { type LoadedModel, loadModel } from "./loaded-model.ts";
import { belongsInline } from "./placement.ts";
import { isModelName } from "./repository-layout.ts";
import type { ModelsOptions, ServedModel, VersionStatus } from "./served-model.ts";
import type { SpareWorker } from "./spare-worker.ts";
import { parseTraffic, type Traffic } from "./traffic.ts";

/** What is known of a version. */
interface Version {
  /** Loaded, and what its files were then. */
  readonly model: LoadedModel | undefined;
  readonly fingerprint: string | undefined;
  /** Why the files that `failed` stands for did not load; of a loaded version, why newer files under its number did not. */
  readonly reason: string | undefined;
  readonly failed: string | undefined;
}

/** What the repository says of a model. */
interface Listing {
  /** Newest first. */
  readonly fingerprints: ReadonlyMap<number, string>;
  readonly traffic: Traffic | undefined;
  readonly trafficEtag: string | undefined;
  /** Why the versions or the traffic can't be told. */
  readonly problem: string | undefined;
  /** True: it is no model of the repository any more. */
  readonly isGone: boolean;
}

const NOTHING: Listing = {
  fingerprints: new Map(),
  ...{ traffic: undefined, trafficEtag: undefined, problem: undefined, isGone: false },
};

/** The versions of one model. */
export class ModelVersions {
  readonly #name: string;
  readonly #options: ModelsOptions;
  readonly #spare: SpareWorker;
  readonly #publish: (served: ServedModel | undefined) => void;
  readonly #versions = new Map<number, Version>();
  readonly #closing = new Set<Promise<void>>();
  #listing = NOTHING;
  #stable: LoadedModel | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #closed = false;

  /** `publish` takes each snapshot, in the turn in which it becomes what serves; undefined: there is no such model. */
  constructor(
    name: string,
    options: ModelsOptions,
    spare: SpareWorker,
    publish: (served: ServedModel | undefined) => void,
  ) {
    this.#name = name;
    this.#spare = spare;
    this.#options = options;
    this.#publish = publish;
  }

  /** Does what the repository says; see Models.refresh. `isServing` proves new versions off this thread. */
  refresh(isServing: boolean): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#running === undefined) {
      this.#running = this.#refresh(isServing).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    // What is under way may have read the repository before the change that this one is asked for.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.refresh(isServing);
      });
    return this.#next;
  }

  /** Ends what is under way and closes every version. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => {});
    for (const { model } of this.#versions.values()) if (model !== undefined) this.#retire(model);
    await Promise.all(this.#closing);
  }

  async #refresh(isServing: boolean): Promise<void> {
    try {
      this.#listing = await this.#read();
      const kept = await this.#loadWanted(isServing);
      this.#show(kept);
      for (const [version, { model }] of [...this.#versions]) {
        const isThere = this.#listing.fingerprints.has(version);
        if (model === undefined ? isThere : kept.has(version) || model === this.#stable) continue;
        this.#versions.delete(version);
        if (model !== undefined) this.#retire(model);
      }
    } catch (thrown) {
      if (this.#stable === undefined) this.#publish(this.#snapshot(new Set(), reasonOf(thrown)));
      throw thrown;
    }
  }

  async #read(): Promise<Listing> {
    const { repository } = this.#options;
    const name = this.#name;
    let fingerprints: ReadonlyMap<number, string>;
    try {
      fingerprints = await repository.fingerprints(name);
      if (fingerprints.size === 0) await repository.readManifest(name);
    } catch (thrown) {
      if (isUnreachable(thrown)) throw thrown;
      return { ...NOTHING, problem: reasonOf(thrown), isGone: await this.#isGone(thrown) };
    }
    try {
      const file = await repository.readTraffic(name);
      const traffic = file && parseTraffic(file.content, file.file);
      return { ...NOTHING, fingerprints, traffic, trafficEtag: file?.etag };
    } catch (thrown) {
      if (isUnreachable(thrown)) throw thrown;
      const { traffic, trafficEtag } = this.#listing;
      return { ...NOTHING, fingerprints, traffic, trafficEtag, problem: reasonOf(thrown) };
    }
  }

  /** A folder whose name no model can have is shown for as long as it is there. */
  async #isGone(thrown: unknown): Promise<boolean> {
    if (!(thrown instanceof HeadgateError) || thrown.code !== "MODEL_NOT_FOUND") return false;
    return isModelName(this.#name) || !(await this.#options.repository.models()).includes(this.#name);
  }

  /** Loads what is to be loaded and is not; returns the versions that are wanted. Rejects when one can't be reached. */
  async #loadWanted(isServing: boolean): Promise<ReadonlySet<number>> {
    const { fingerprints, problem, traffic } = this.#listing;
    const kept = new Set<number>();
    if (traffic === undefined) {
      // A traffic file that can't be read pins something that is not known: nothing new is begun.
      if (problem !== undefined) return new Set(fingerprints.size === 0 ? [] : this.#versions.keys());
      for (const version of fingerprints.keys()) {
        if ((await this.#ensure(version, false, isServing)) && kept.add(version)) break;
      }
      return kept;
    }
    for (const version of wantedVersions(traffic, [...fingerprints.keys()], this.#options.versionsReady ?? 0)) {
      kept.add(version);
    }
    // What needs nothing but versions that are loaded, as a rollback does, waits for no load.
    if (this.#isLoaded(traffic.stable)) this.#show(kept);
    for (const version of kept) {
      await this.#ensure(version, traffic.shadow.includes(version), isServing);
      if (this.#isLoaded(traffic.stable)) this.#show(kept);
    }
    return kept;
  }

  #isLoaded(version: number): boolean {
    return this.#versions.get(version)?.model !== undefined;
  }

  /** Loads a version unless it is loaded as it should be, or failed as it is; whether it is loaded then. */
  async #ensure(version: number, aside: boolean, isServing: boolean): Promise<boolean> {
    const known = this.#versions.get(version);
    const fingerprint = this.#listing.fingerprints.get(version);
    if (fingerprint === undefined || this.#closed) return known?.model !== undefined;
    if (known?.model !== undefined && known.fingerprint === fingerprint && isPlaced(known.model, aside)) return true;
    if (known?.failed === fingerprint) return known.model !== undefined;
    try {
      const model = await loadModel({
        ...{ ...this.#options, name: this.#name, version, aside, isServing },
        spare: this.#spare,
      });
      this.#versions.set(version, { model, fingerprint, reason: undefined, failed: undefined });
      if (known?.model === undefined) return true;
      if (this.#stable === known.model) this.#stable = model;
      this.#show(new Set(this.#versions.keys()));
      this.#retire(known.model);
      return true;
    } catch (thrown) {
      const reason = reasonOf(thrown);
      const failed = isUnreachable(thrown) ? undefined : fingerprint;
      this.#versions.set(version, { model: known?.model, fingerprint: known?.fingerprint, reason, failed });
      if (failed === undefined) throw thrown;
      return known?.model !== undefined;
    }
  }

  /** Makes what is loaded what is served. */
  #show(kept: ReadonlySet<number>): void {
    const { fingerprints, isGone, traffic } = this.#listing;
    const loaded = (version: number | undefined) =>
      version === undefined ? undefined : this.#versions.get(version)?.model;
    if (fingerprints.size === 0) this.#stable = undefined;
    else if (traffic === undefined) this.#stable = loaded([...kept].find((one) => this.#isLoaded(one))) ?? this.#stable;
    else this.#stable = loaded(traffic.stable) ?? this.#stable ?? loaded(traffic.previous);
    this.#publish(isGone ? undefined : this.#snapshot(kept, this.#reason()));
  }

  #snapshot(kept: ReadonlySet<number>, reason: string | undefined): ServedModel {
    const { traffic, trafficEtag } = this.#listing;
    const stable = this.#stable;
    const ready = new Map<number, LoadedModel>();
    for (const [version, { model }] of this.#versions) {
      if (model !== undefined && (kept.has(version) || model === stable)) ready.set(version, model);
    }
    const partOf = (version: number) => (version === stable?.version ? undefined : ready.get(version));
    const canary = traffic?.canary && partOf(traffic.canary.version);
    const shadows = (traffic?.shadow ?? []).flatMap((version) => partOf(version) ?? []);
    return Object.freeze({
      name: this.#name,
      stable,
      canary: canary && Object.freeze({ model: canary, percent: traffic!.canary!.percent }),
      shadows: Object.freeze(shadows),
      ready,
      traffic,
      trafficEtag,
      versions: Object.freeze(this.#statuses()),
      reason,
    });
  }

  #statuses(): VersionStatus[] {
    const { fingerprints, traffic } = this.#listing;
    const why =
      traffic !== undefined ? "it has no part in the traffic" : `version ${this.#stable?.version ?? "none"} serves`;
    return [...fingerprints.keys()].map((version) => {
      const known = this.#versions.get(version);
      if (known?.model !== undefined) return statusOf(known.model, known.reason);
      return Object.freeze({ version, state: "UNAVAILABLE", reason: known?.reason ?? `Not loaded: ${why}.` });
    });
  }

  /** Why there is no stable version, or another one than there should be. */
  #reason(): string | undefined {
    const { fingerprints, problem, traffic } = this.#listing;
    const serves = this.#stable === undefined ? "" : ` Version ${this.#stable.version} serves.`;
    if (problem !== undefined) return `${problem}${serves}`;
    const name = this.#name;
    if (fingerprints.size === 0) {
      return `${name}/model.json has no version beside it; put the model into ${name}/1/model.onnx.`;
    }
    if (traffic === undefined) {
      const [newest] = fingerprints.keys();
      return this.#stable === undefined ? this.#versions.get(newest!)?.reason : undefined;
    }
    if (this.#stable?.version === traffic.stable) return undefined;
    const known = this.#versions.get(traffic.stable)?.reason ?? "there is no such version.";
    return `Version ${traffic.stable}, which is to be stable, is not ready: ${known}${serves}`;
  }

  #retire(model: LoadedModel): void {
    const closing = model.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** The versions that are kept loaded, what answers first. */
export function wantedVersions(
  { canary, previous, shadow, stable }: Traffic,
  versions: readonly number[],
  versionsReady: number,
): ReadonlySet<number> {
  const newer = versions.filter((version) => version > stable).slice(0, versionsReady);
  const named = [stable, canary?.version, previous, ...newer, ...shadow];
  return new Set(named.filter((version) => version !== undefined));
}

/** Whether a loaded version runs where its part in the traffic wants it. */
const isPlaced = (model: LoadedModel, aside: boolean): boolean =>
  (model.placement === "inline") === belongsInline(model, aside) && model.state === "READY";

/** Whether it is the repository that failed, and not the model. */
function isUnreachable(thrown: unknown): boolean {
  return !(thrown instanceof HeadgateError) || UNREACHABLE.has(thrown.code);
}

const UNREACHABLE: ReadonlySet<string> = new Set(["REPOSITORY_UNREACHABLE", "SOURCE_UNREACHABLE", "SOURCE_DENIED"]);

/** Live: a version that is closed later shows it. */
function statusOf(model: LoadedModel, reason: string | undefined): VersionStatus {
  return Object.freeze({
    version: model.version,
    get state() {
      return model.state;
    },
    reason,
  });
}
