/**
 * Notices that the store has lost the applied registry under a running process: Redis was flushed, or came back without
 * its rows. A process that starts then is refused; one that runs would find nothing and say that all is well.
 *
 * When the registry is applied again to an emptied store, the ids of schemas are given anew. Where one of them is another
 * schema's now, rows would be read by the wrong one and written under the wrong one: then the process has to be started
 * again, and says so for as long as it runs. So it is where the store came back in an older state, which the process would
 * not be started on. An ordinary apply changes none of them, and is no problem.
 */

import { channel } from "node:diagnostics_channel";
import { type AppliedRegistry, type AppliedView, appliedRegistryReader, requireApplied } from "./applied-registry.ts";
import type { FeatureView } from "./feature-view.ts";
import type { Registry } from "./registry.ts";
import type { ControlStore } from "./store/online-store.ts";
import { StoredSchemas } from "./stored-schema.ts";

/** What a process reads and writes by, as the store held it when the process started. */
export interface HeldRegistry {
  /** What the process was started with. */
  readonly registry: Registry;
  /** The store's records as the looks read them. */
  readonly watched: ControlStore;
  /** From `watched`. Gives the same object while the record is the same; see appliedRegistryReader. */
  readonly read: () => Promise<AppliedRegistry | undefined>;
  readonly applied: AppliedRegistry | undefined;
  /** The line of each view that the process reads and writes by. */
  readonly lines: ReadonlyMap<string, AppliedView>;
  /** Of the process; the schemas of the lines must have been fetched. */
  readonly schemas: StoredSchemas;
}

/** How it is watched. */
export interface AppliedRegistryWatchOptions extends HeldRegistry {
  /**
   * Called after a look that found another record than the one before: lost, or applied anew, by ids of its own perhaps;
   * with the problem there is now.
   */
  readonly onChange?: (problem: string | undefined) => void;
}

/** Published on "headgate:applied-registry" when there is another problem than before, or none any more. */
export interface AppliedRegistryEvent {
  readonly problem: string | undefined;
}

/** Between two looks, ms: a read of one record. Longer spares the store, and tells later. */
const CHECK_MS = 1_000;
/** The same while there is no record, ms: an apply is to be seen before the load that follows it has begun to write. */
const CHECK_WHILE_GONE_MS = 100;

const GONE =
  'The online store holds no applied registry any more: it was emptied, or came back without its rows. Run "headgate apply", then "headgate materialize-incremental now"; or restore the store.';
const BEGUN_ANEW =
  "The online store was emptied or set back, and applied to anew, since this process started: ids that it reads and writes rows by may mean others now. Restart it.";
const NOT_APPLIED =
  'The online store holds another state of the registry than this process started with, an older one perhaps: look with "headgate plan", run "headgate apply", then restart this process.';

const registryChannel = channel("headgate:applied-registry");

/**
 * Reads what work with these views needs. Throws REGISTRY_NOT_APPLIED, as requireApplied does, and what the store throws.
 * `watched` is the same records for the looks, where a look that fails must not count as a failure of the work.
 */
export async function readHeldRegistry(
  control: ControlStore,
  registry: Registry,
  views: Iterable<FeatureView>,
  watched = control,
): Promise<HeldRegistry> {
  const read = appliedRegistryReader(watched);
  const applied = await read();
  const lines = requireApplied(applied, registry, views);
  const schemas = new StoredSchemas(control);
  await schemas.fetch([...lines.values()].map(({ schemaId }) => schemaId));
  return { registry, watched, read, applied, lines, schemas };
}

/** The applied registry as it is in the store while a process runs. */
export class AppliedRegistryWatch {
  readonly #options: AppliedRegistryWatchOptions;
  readonly #ending = new AbortController();
  #applied: AppliedRegistry | undefined;
  /** Why the process has to be started again; once it has to, it has to for good. */
  #ended: string | undefined;
  #watching: Promise<void> | undefined;

  constructor(options: AppliedRegistryWatchOptions) {
    this.#options = options;
    this.#applied = options.applied;
  }

  /** As it was when the store was last asked. */
  get applied(): AppliedRegistry | undefined {
    return this.#applied;
  }

  /** Why rows can't be trusted to be there or to be read right, with the next step; undefined while they can. */
  get problem(): string | undefined {
    if (this.#applied === undefined && this.#options.lines.size > 0) return GONE;
    return this.#ended;
  }

  /** Looks now. Rejects with what the store throws; nothing has changed then. */
  async check(): Promise<void> {
    const applied = await this.#options.read();
    if (applied === this.#applied) return;
    const before = this.problem;
    // Each is compared, though the process has to be started again: by then it may mean still other things by its ids.
    if (applied !== undefined && (!(await this.#isSuccessor(applied)) || this.#ended !== undefined)) {
      this.#ended = this.#isStartable(applied) ? BEGUN_ANEW : NOT_APPLIED;
    }
    this.#applied = applied;
    const { problem } = this;
    if (problem !== before && registryChannel.hasSubscribers) {
      registryChannel.publish({ problem } satisfies AppliedRegistryEvent);
    }
    this.#options.onChange?.(problem);
  }

  /** Looks every second until it is closed. `wait` waits, ms, or until the signal. */
  start(wait: (ms: number, signal: AbortSignal) => Promise<void>): void {
    this.#watching ??= this.#watch(wait, this.#ending.signal);
  }

  /** Ends it; resolves when nothing is asked of the store any more. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#watching;
  }

  async #watch(wait: (ms: number, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(this.#applied === undefined ? CHECK_WHILE_GONE_MS : CHECK_MS, signal).catch(() => {});
      // A store that is away is told of by those who need it; it may come back as it was.
      if (!signal.aborted) await this.check().catch(() => {});
    }
  }

  /** An apply to a store that was not emptied takes no view and no schema from it, and no generation back. */
  async #isSuccessor(applied: AppliedRegistry): Promise<boolean> {
    const { lines, schemas, watched } = this.#options;
    const areKept = await schemas.areKept(watched);
    return areKept && [...lines].every(([view, line]) => (applied.views[view]?.generation ?? 0) >= line.generation);
  }

  /** Whether this process would be started on it, or be refused. */
  #isStartable(applied: AppliedRegistry): boolean {
    const { lines, registry } = this.#options;
    const views = [...lines.keys()].map((view) => registry.views.get(view)!);
    try {
      requireApplied(applied, registry, views);
      return true;
    } catch {
      return false;
    }
  }
}
