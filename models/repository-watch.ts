/**
 * Notices what changes in a model repository: one list call now and then, and a refresh of the models whose listing is
 * another than before. No model waits for another's load, but for the bound on how many are refreshed at once. A model whose refresh fails, and a repository that does not answer, are asked less often the longer
 * it lasts, so that many gateways do not hold a store down that is coming back.
 */

import type { Models } from "./lifecycle.ts";
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
  const known = new Map<string, string | undefined>();
  const failures = new Failures();
  const refreshing = new Map<string, Promise<void>>();
  for (;;) {
    await wait(intervalMs, signal).catch(() => {});
    if (signal.aborted) break;
    if (!failures.isDue(undefined)) continue;
    let snapshot: ReadonlyMap<string, string>;
    try {
      snapshot = await repository.snapshot();
      failures.ended(undefined);
    } catch {
      // repository-store.ts tells that it does not answer.
      failures.began(undefined);
      continue;
    }
    const changed = [...new Set([...snapshot.keys(), ...known.keys()])].filter(
      (name) => !known.has(name) || known.get(name) !== snapshot.get(name),
    );
    for (const name of changed) {
      if (refreshing.size >= REFRESHES_AT_ONCE) await Promise.race(refreshing.values());
      if (signal.aborted) break;
      if (refreshing.has(name) || !failures.isDue(name)) continue;
      const done = refreshed(models, name, snapshot.get(name), failures).then((now) => {
        refreshing.delete(name);
        if (now === undefined) known.delete(name);
        else known.set(name, now);
      });
      refreshing.set(name, done);
    }
  }
  await Promise.all(refreshing.values());
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
