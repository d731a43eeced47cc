/**
 * All models of a repository and which of their versions are loaded. One bad model takes nothing else down: what loads
 * serves, and what was wrong with the rest is kept beside it and shown. A request takes a model's snapshot once and sees
 * nothing of a swap; the version that it holds is closed after it.
 */

import { hasCode, reasonOf } from "../errors.ts";
import { ModelVersions } from "./model-versions.ts";
import type { ModelsOptions, RefreshedUntil, ServedModel } from "./served-model.ts";
import { SpareWorker } from "./spare-worker.ts";

export type { ModelsOptions, ServedModel };

/** All models of a repository. */
export interface Models {
  get(name: string): ServedModel | undefined;
  /** Sorted by name. */
  list(): readonly ServedModel[];
  /**
   * Reads the repository again, one model or all, and resolves when what it says is served; see RefreshedUntil, which is
   * "loaded" unless given. One at a time a model; asked for during one, what needs no load is served at once, and the rest
   * is done once more. Rejects when the repository does not answer, as one whose folder has vanished, or a worker process
   * ended, and it is to be tried again; what serves stays. After `close` it does nothing.
   */
  refresh(name?: string, until?: RefreshedUntil): Promise<void>;
  /** Closes every loaded version, once nobody holds it. */
  close(): Promise<void>;
}

/** Opens every model of the repository. Throws only when the repository itself can't be read. */
export async function openModels(options: ModelsOptions): Promise<Models> {
  const models = new OpenModels(options);
  await models.open();
  return models;
}

class OpenModels implements Models {
  readonly #options: ModelsOptions;
  readonly #spare = new SpareWorker();
  /** Of every model that ever was: one that goes may come again. */
  readonly #versions = new Map<string, ModelVersions>();
  #served: ReadonlyMap<string, ServedModel> = new Map();
  /** The same, for those who ask at every request. */
  #listed: readonly ServedModel[] = [];
  /** Nobody is served while models are opened for the first time, and this thread is the quickest place for it. */
  #isServing = false;
  #closed = false;

  constructor(options: ModelsOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    // Whether one may start without a folder was asked when it was opened.
    for (const name of (await this.#modelsThere()) ?? []) {
      // What is wrong with a model is in its snapshot.
      await this.#refreshModel(name).catch(reasonOf);
    }
    this.#isServing = true;
  }

  /** Undefined: the folder is not there yet, which is not to say that models were retired. */
  async #modelsThere(): Promise<readonly string[] | undefined> {
    try {
      return await this.#options.repository.models();
    } catch (thrown) {
      if (hasCode(thrown, "SOURCE_NOT_FOUND")) return undefined;
      throw thrown;
    }
  }

  get(name: string): ServedModel | undefined {
    return this.#served.get(name);
  }

  list(): readonly ServedModel[] {
    return this.#listed;
  }

  async refresh(name?: string, until?: RefreshedUntil): Promise<void> {
    if (name !== undefined) return this.#refreshModel(name, until);
    const there = await this.#modelsThere();
    if (there === undefined) return;
    const failures: unknown[] = [];
    for (const one of new Set([...there, ...this.#versions.keys()])) {
      await this.#refreshModel(one).catch((thrown: unknown) => failures.push(thrown));
    }
    if (failures.length > 0) throw failures[0];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#versions.values()].map((versions) => versions.close()));
    await this.#spare.close();
  }

  async #refreshModel(name: string, until?: RefreshedUntil): Promise<void> {
    if (this.#closed) return;
    let versions = this.#versions.get(name);
    if (versions === undefined) {
      versions = new ModelVersions(name, this.#options, this.#spare, (served) => this.#put(name, served));
      this.#versions.set(name, versions);
    }
    return versions.refresh(this.#isServing, until);
  }

  #put(name: string, served: ServedModel | undefined): void {
    const next = new Map(this.#served);
    if (served === undefined) next.delete(name);
    else next.set(name, served);
    this.#served = new Map([...next].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#listed = Object.freeze([...this.#served.values()]);
  }
}
