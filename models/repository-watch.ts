/**
 * Notices what changes in a model repository: one list call now and then, and a refresh of the models whose listing is
 * another than before, also while an earlier refresh is loading: a rollback waits for no load. No model waits for another's,
 * but for the bound on how many are refreshed at once. A model whose refresh fails, and a repository that does not
 * answer, are asked less often the longer it lasts, so that many gateways do not hold a store down that is coming back.
 */

import type { Models } from "./lifecycle.ts";
import { isUnreachable } from "./model-listing.ts";
import type { ModelRepository } from "./repository.ts";

/** The most intervals that are left out after failures. */
const MAX_SKIPPED = 7;

/** Models refreshed at once: each may be opening a version in a process of its own. Beyond it looks wait. */
const REFRESHES_AT_ONCE = 8;

/** How a repository is watched. */
export interface WatchOptions {
  readonly repository: Pick<ModelRepository, "snapshot">;
  /** Between the end of one look and the next, ms. */
  readonly intervalMs: number;
  /** Waits, ms, or until the signal. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A watch under way. */
export interface RepositoryWatch {
  /** Ends it; resolves when nothing is under way any more. */
  close(): Promise<void>;
}

/** Watches a repository. */
export function watchModels(models: Pick<Models, "refresh">, options: WatchOptions): RepositoryWatch {
  const ending = new AbortController();
  const watching = watch(models, options, ending.signal);
  return Object.freeze({
    close: async () => {
      ending.abort();
      await watching;
    },
  });
}

async function watch(
  models: Pick<Models, "refresh">,
  { intervalMs, repository, wait }: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  const failures = new Failures();
  const refreshes = new Refreshes((name, now) => refreshed(models, name, now, failures));
  for (;;) {
    await wait(intervalMs, signal).catch(() => {});
    if (signal.aborted) break;
    if (!failures.isDue(undefined)) continue;
    let snapshot: ReadonlyMap<string, string>;
    try {
      snapshot = await repository.snapshot();
      failures.ended(undefined);
    } catch (thrown) {
      // repository-store.ts tells that it does not answer; a folder that is not there yet is an answer.
      if (isUnreachable(thrown)) failures.began(undefined);
      continue;
    }
    for (const name of refreshes.changed(snapshot)) {
      if (signal.aborted) break;
      if (refreshes.isUnderWay(name) || failures.isDue(name)) await refreshes.begin(name, snapshot.get(name));
    }
  }
  await refreshes.ended();
}

/** The refreshes under way, and what each model's listing was when the last one began. */
class Refreshes {
  readonly #refresh: (name: string, now: string | undefined) => Promise<string | undefined>;
  /** What the model was refreshed to; a model that is gone is none. */
  readonly #known = new Map<string, string | undefined>();
  /** By name the latest that is under way, and what it is to bring. */
  readonly #latest = new Map<string, { readonly now: string | undefined }>();
  readonly #all = new Set<Promise<void>>();

  /** `refresh` never rejects, and says what is known then. */
  constructor(refresh: (name: string, now: string | undefined) => Promise<string | undefined>) {
    this.#refresh = refresh;
  }

  isUnderWay(name: string): boolean {
    return this.#latest.has(name);
  }

  /** The names whose listing is another than the one they were, or are being, refreshed to. */
  changed(snapshot: ReadonlyMap<string, string>): readonly string[] {
    const names = new Set([...snapshot.keys(), ...this.#known.keys(), ...this.#latest.keys()]);
    return [...names].filter((name) => {
      const latest = this.#latest.get(name);
      if (latest !== undefined) return latest.now !== snapshot.get(name);
      return !this.#known.has(name) || this.#known.get(name) !== snapshot.get(name);
    });
  }

  /** Begins one as soon as there is room; one of a model that is being refreshed already waits for nobody. */
  async begin(name: string, now: string | undefined): Promise<void> {
    while (!this.#latest.has(name) && this.#latest.size >= REFRESHES_AT_ONCE) await Promise.race(this.#all);
    const latest = { now };
    this.#latest.set(name, latest);
    const done = this.#refresh(name, now).then((known) => {
      this.#all.delete(done);
      if (this.#latest.get(name) !== latest) return;
      this.#latest.delete(name);
      if (known === undefined) this.#known.delete(name);
      else this.#known.set(name, known);
    });
    this.#all.add(done);
  }

  /** Resolves when none is under way. */
  async ended(): Promise<void> {
    await Promise.all(this.#all);
  }
}

/** What is known of the model then: what the snapshot says, or nothing that a snapshot can say when it failed. */
async function refreshed(
  models: Pick<Models, "refresh">,
  name: string,
  now: string | undefined,
  failures: Failures,
): Promise<string | undefined> {
  try {
    await models.refresh(name);
    failures.ended(name);
    return now;
  } catch {
    failures.began(name);
    return "";
  }
}

/** What fails, and how many looks are left out before it is tried again: 1, 3, 7 … */
class Failures {
  readonly #failing = new Map<string | undefined, { readonly skip: number; left: number }>();

  isDue(name: string | undefined): boolean {
    const failing = this.#failing.get(name);
    return failing === undefined || failing.left-- <= 0;
  }

  began(name: string | undefined): void {
    const skip = Math.min(MAX_SKIPPED, 2 * (this.#failing.get(name)?.skip ?? 0) + 1);
    this.#failing.set(name, { skip, left: skip });
  }

  ended(name: string | undefined): void {
    this.#failing.delete(name);
  }
}
