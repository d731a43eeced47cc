/**
 * One model's versions: which of them should be loaded, which are, and what is served of them. A refresh loads beside
 * what serves and swaps the snapshot whole; a version that does not load leaves what serves as it is and keeps its reason,
 * and is tried again when its files have changed. Versions that are no longer wanted are closed once nobody holds them.
 */

import { reasonOf } from "../errors.ts";
import { type LoadedModel, loadModel } from "./loaded-model.ts";
import { isUnreachable, type ModelListing, NOTHING_LISTED, publishNoticed, readListing } from "./model-listing.ts";
import { servedModel, type Version } from "./model-snapshot.ts";
import { belongsInline } from "./placement.ts";
import type { ModelsOptions, RefreshedUntil, ServedModel } from "./served-model.ts";
import type { SpareWorker } from "./spare-worker.ts";
import type { Traffic } from "./traffic.ts";
import { WorkerEndedError } from "./worker-session.ts";

/** Loads of the same files whose worker ends before it is the files' fault: the system may have been short of memory. */
const WORKER_TRIES = 3;

/** What the repository said when it was looked at; of two looks the one with the higher number began later. */
interface Look {
  readonly number: number;
  readonly listing: ModelListing;
}

/** The versions of one model. */
export class ModelVersions {
  readonly #name: string;
  readonly #options: ModelsOptions;
  readonly #spare: SpareWorker;
  readonly #publish: (served: ServedModel | undefined) => void;
  readonly #versions = new Map<number, Version>();
  readonly #closing = new Set<Promise<void>>();
  #listing = NOTHING_LISTED;
  /** Looks at the repository that were begun, and the number of the one that `#listing` is from. */
  #looks = 0;
  #noticed = 0;
  #stable: LoadedModel | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Looks at the traffic while a refresh is under way, one after the other. */
  #ahead: Promise<unknown> = Promise.resolve();
  #aheadNext: Promise<boolean> | undefined;
  /** Why a version that this refresh was to load has to be tried again. */
  #again: unknown;
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
  refresh(isServing: boolean, until: RefreshedUntil = "loaded"): Promise<void> {
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
    const next = this.#next;
    next.catch(() => {});
    return this.#lookAhead().then((isAnswering) => (isAnswering && until === "answering" ? undefined : next));
  }

  /** One look after the other; those that are asked for before one begins are one. */
  #lookAhead(): Promise<boolean> {
    if (this.#aheadNext === undefined) {
      this.#aheadNext = this.#ahead.then(() => {
        this.#aheadNext = undefined;
        return this.#showAhead();
      });
      // What fails here is told by the refresh that follows.
      this.#ahead = this.#aheadNext = this.#aheadNext.catch(() => false);
    }
    return this.#aheadNext;
  }

  /**
   * Shows what needs no load while a refresh is loading, so that a rollback waits for none; whether all that are to answer
   * or to shadow are shown. What has to be loaded, or let go of, is the next refresh's.
   */
  async #showAhead(): Promise<boolean> {
    if (this.#running === undefined || this.#closed) return false;
    const look = await this.#look();
    const { problem, traffic } = this.#newest(look);
    // Closed or over meanwhile: the next refresh is about to read what there is.
    if (this.#running === undefined || this.#closed) return false;
    if (problem !== undefined || traffic === undefined || !this.#isLoaded(traffic.stable)) return false;
    this.#notice(look);
    this.#showSoFar();
    const parts = [
      traffic.stable,
      ...(traffic.canary === undefined ? [] : [traffic.canary.version]),
      ...traffic.shadow,
    ];
    return parts.every((version) => this.#isSettled(version, traffic));
  }

  /** Whether nothing can be done for a version: it is loaded as it should be, failed as it is, or is not there. */
  #isSettled(version: number, traffic: Traffic | undefined): boolean {
    const known = this.#versions.get(version);
    const fingerprint = this.#listing.fingerprints.get(version);
    if (fingerprint === undefined || known?.failed === fingerprint) return true;
    const isAside = traffic?.shadow.includes(version) === true;
    return known?.model !== undefined && known.fingerprint === fingerprint && isPlaced(known.model, isAside);
  }

  /** Ends what is under way and closes every version. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => {});
    await this.#ahead;
    for (const { model } of this.#versions.values()) if (model !== undefined) this.#retire(model);
    await Promise.all(this.#closing);
  }

  async #refresh(isServing: boolean): Promise<void> {
    this.#again = undefined;
    try {
      this.#notice(await this.#look());
      const listing = this.#listing;
      const kept = await this.#loadWanted(isServing);
      if (this.#listing === listing) {
        this.#show(kept);
        this.#letGo(kept);
      } else {
        // What was seen ahead is newer, and it is the next refresh's to let go of what that does not want.
        this.#showSoFar();
      }
    } catch (thrown) {
      if (this.#stable === undefined) this.#publish(this.#snapshot(new Set(), reasonOf(thrown)));
      throw thrown;
    }
    if (this.#again !== undefined) throw this.#again;
  }

  async #look(): Promise<Look> {
    const number = ++this.#looks;
    return { number, listing: await readListing(this.#options.repository, this.#name, () => this.#listing) };
  }

  /** What a look has found, unless what is known is from one that began later. */
  #newest({ listing, number }: Look): ModelListing {
    return number < this.#noticed ? this.#listing : listing;
  }

  #notice(look: Look): void {
    const listing = this.#newest(look);
    if (listing === this.#listing) return;
    publishNoticed(this.#name, this.#listing, listing);
    this.#listing = listing;
    this.#noticed = look.number;
  }

  #letGo(kept: ReadonlySet<number>): void {
    for (const [version, { model }] of [...this.#versions]) {
      const isThere = this.#listing.fingerprints.has(version);
      if (model === undefined ? isThere : kept.has(version) || model === this.#stable) continue;
      this.#versions.delete(version);
      if (model !== undefined) this.#retire(model);
    }
  }

  #wanted({ fingerprints }: ModelListing, traffic: Traffic): ReadonlySet<number> {
    return wantedVersions(traffic, [...fingerprints.keys()], this.#options.versionsReady ?? 0);
  }

  /** Loads what is to be loaded and is not; returns the versions that are wanted. Rejects when one can't be reached. */
  async #loadWanted(isServing: boolean): Promise<ReadonlySet<number>> {
    const listing = this.#listing;
    const { fingerprints, problem, traffic } = listing;
    const kept = new Set<number>();
    if (fingerprints.size === 0) return kept;
    if (traffic === undefined) {
      // A traffic file that can't be read pins something that is not known: nothing new is begun.
      if (problem !== undefined) return new Set(this.#versions.keys());
      for (const version of fingerprints.keys()) {
        if ((await this.#ensure(version, isServing)) && kept.add(version)) break;
      }
      return kept;
    }
    const wanted = this.#wanted(listing, traffic);
    this.#showSoFar();
    for (const version of wanted) {
      await this.#ensure(version, isServing, traffic);
      this.#showSoFar();
    }
    return wanted;
  }

  /** What needs nothing but versions that are loaded waits for no load. */
  #showSoFar(): void {
    const { traffic } = this.#listing;
    if (traffic !== undefined && this.#isLoaded(traffic.stable)) this.#show(this.#wanted(this.#listing, traffic));
  }

  #isLoaded(version: number): boolean {
    return this.#versions.get(version)?.model !== undefined;
  }

  /** Loads a version unless it is loaded as it should be, or failed as it is; whether it is loaded then. */
  async #ensure(version: number, isServing: boolean, traffic?: Traffic): Promise<boolean> {
    const known = this.#versions.get(version);
    const fingerprint = this.#listing.fingerprints.get(version);
    if (this.#closed || this.#isSettled(version, traffic)) return known?.model !== undefined;
    const aside = traffic?.shadow.includes(version) === true;
    try {
      const model = await loadModel({
        ...{ ...this.#options, name: this.#name, version, aside, isServing },
        spare: this.#spare,
        isMove: known?.model?.state === "READY" && known.fingerprint === fingerprint,
      });
      this.#versions.set(version, { model, fingerprint, reason: undefined, failed: undefined, workersEnded: 0 });
      if (known?.model === undefined) return true;
      if (this.#stable === known.model) this.#stable = model;
      this.#show(new Set(this.#versions.keys()));
      this.#retire(known.model);
      return true;
    } catch (thrown) {
      const reason = reasonOf(thrown);
      const workersEnded = isWorkers(thrown) ? (known?.workersEnded ?? 0) + 1 : 0;
      const isToBeTried = isUnreachable(thrown) || (workersEnded > 0 && workersEnded < WORKER_TRIES);
      const failed = isToBeTried ? undefined : fingerprint;
      const loaded = { model: known?.model, fingerprint: known?.fingerprint };
      this.#versions.set(version, { ...loaded, reason, failed, workersEnded: isToBeTried ? workersEnded : 0 });
      if (isUnreachable(thrown)) throw thrown;
      if (isToBeTried) this.#again = thrown;
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
    this.#publish(isGone ? undefined : this.#snapshot(kept));
  }

  #snapshot(kept: ReadonlySet<number>, problem?: string): ServedModel {
    const known = { name: this.#name, listing: this.#listing, versions: this.#versions, stable: this.#stable, kept };
    return servedModel(known, problem);
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

/** Whether it is a worker process that failed, and not the model; a warm-up tells of it in its own words. */
function isWorkers(thrown: unknown): boolean {
  return thrown instanceof WorkerEndedError || (thrown instanceof Error && thrown.cause instanceof WorkerEndedError);
}
