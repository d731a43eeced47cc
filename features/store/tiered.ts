/**
 * The online store behind an in-process LRU: a row that many requests read is read from the remote store once, and yet
 * no read returns a row older than a write that was acknowledged more than the stated bound before.
 *
 * The remote store tells of every change (see InvalidationListener). What that leaves to do here:
 * - A read under way when its entity changes may carry the old row. Such a flight is doomed: whoever waits for it gets
 *   what it brings, which was current when they asked, but it is not kept and nobody joins it any more.
 * - While changes may go untold the kept rows are fenced: no read uses them and none is added. They are not thrown away
 *   before the feed works again, because a model may prefer a row of a known age to none (`readFenced`).
 * - Whether the feed works is asked at every read, by how long ago it was proven, and not left to a timer: after a
 *   pause of the process, reads come before timers.
 *
 * All bookkeeping is by entity key; flights are bounded by the requests under way, and the rows by bytes.
 */

import { channel } from "node:diagnostics_channel";
import type {
  ControlStore,
  EntityRows,
  InvalidationListener,
  InvalidationSubscription,
  OnlineStore,
  ReadRequest,
  RowWrite,
  ScanPage,
  StoreTier,
  WriteOutcome,
} from "./online-store.ts";
import { answerOf, type Flight, Flights, type Miss } from "./tiered-flights.ts";
import { KeptRows, MEMORY_TIER } from "./tiered-rows.ts";

/** How to put memory before a store. */
export interface TieredStoreOptions {
  /**
   * Memory for kept rows, in bytes, counting what the reader decodes of them; an entity with one view of four numbers
   * takes some 460. Less sends more reads to the remote store.
   */
  readonly maxBytes: number;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Only for the tests that must fail without it: false keeps rows whatever happened while they were read. */
  readonly discardsRacedFills?: boolean;
}

/** Whether the kept rows may be served as current. */
export interface Coherence {
  readonly state: "armed" | "doubted";
  /** How long it has been so, ms. */
  readonly sinceMs: number;
  /** No read is staler than this, ms. */
  readonly stalenessBoundMs: number;
}

/** Counts since the store was opened, but for the last two. An entity of one request counts once. */
export interface TieredStoreCounts {
  /** Entities answered from memory. */
  readonly hits: number;
  /** Of the hits, those known to have no row. */
  readonly negativeHits: number;
  /** Entities for which the remote store was asked. */
  readonly misses: number;
  /** Of the misses, those that waited for a read that was under way. */
  readonly joined: number;
  /** Entities that had to go for others. */
  readonly evictions: number;
  /** Entities told to have changed, kept here or not. */
  readonly invalidations: number;
  /** Times that everything was dropped, as each time the feed is armed, the first included. */
  readonly drops: number;
  /** Entities read but not kept, because they changed or the feed did meanwhile. */
  readonly discardedFills: number;
  /** Entities kept now. */
  readonly entities: number;
  /** What they take now, as reckoned. */
  readonly bytes: number;
}

/** An online store with memory before it. */
export interface TieredStore extends OnlineStore {
  /**
   * The entities all of whose rows are kept, fenced or not, unless they may be out of date by more than `maxAgeMs`;
   * undefined for the others. For `stale_if_error` and nothing else.
   */
  readFenced(requests: readonly ReadRequest[], maxAgeMs: number): readonly (EntityRows | undefined)[];
  /**
   * Throws away all that is kept, and what reads under way bring once it is answered: for when what was decoded of rows
   * is found to be wrong, though the rows are not.
   */
  drop(): void;
  coherence(): Coherence;
  counts(): TieredStoreCounts;
}

/** Published when the state changes: that of `Coherence`. */
const coherenceChanged = channel("headgate:store-coherence");

/** Puts memory before a store. Closing it closes that store. */
export function createTieredStore(remote: OnlineStore, options: TieredStoreOptions): TieredStore {
  return new LruStore(remote, options);
}

class LruStore implements TieredStore {
  readonly address: string;
  readonly tiers: readonly StoreTier[];
  readonly control: ControlStore;
  readonly #remote: OnlineStore;
  readonly #now: () => number;
  readonly #discardsRacedFills: boolean;
  readonly #rows: KeptRows;
  readonly #flights = new Flights();
  readonly #feed: InvalidationSubscription;
  #isArmed = false;
  #changedMs: number;
  /** Counts the times that the feed was doubted or armed, and the drops. */
  #epoch = 0;
  readonly #counts = { hits: 0, negativeHits: 0, misses: 0, joined: 0, invalidations: 0, drops: 0, discardedFills: 0 };

  constructor(remote: OnlineStore, options: TieredStoreOptions) {
    this.#remote = remote;
    this.#now = options.now;
    this.#discardsRacedFills = options.discardsRacedFills ?? true;
    this.#rows = new KeptRows(options.maxBytes);
    this.#changedMs = options.now();
    this.address = remote.address;
    this.control = remote.control;
    const memory: StoreTier = { name: MEMORY_TIER, read: (requests) => requests.map((one) => this.#peek(one)) };
    this.tiers = Object.freeze([Object.freeze(memory), ...remote.tiers]);
    this.#feed = remote.subscribe(this.#listener());
  }

  read(requests: readonly ReadRequest[]): readonly EntityRows[] | Promise<readonly EntityRows[]> {
    const isCurrent = this.#isCurrent();
    const answers = new Array<EntityRows>(requests.length);
    let misses: Miss[] | undefined;
    let started: Flight[] | undefined;
    let nowMs: number | undefined;
    for (let index = 0; index < requests.length; index++) {
      const request = requests[index]!;
      const kept = isCurrent ? this.#rows.get(request.key) : undefined;
      const answer = kept?.answer(request.fields);
      if (answer !== undefined) {
        answers[index] = answer;
        this.#counts.hits++;
        if (kept!.isAbsent) this.#counts.negativeHits++;
        continue;
      }
      const fields = kept === undefined ? request.fields : kept.unknown(request.fields);
      nowMs ??= this.#now();
      // What an older one brings may be staler than the bound, should the feed be in doubt.
      let flight = this.#flights.joinable(request.key, fields, nowMs - this.#feed.stalenessBoundMs);
      if (flight === undefined) {
        flight = this.#flights.start({ key: request.key, fields }, this.#epoch, nowMs);
        started ??= [];
        started.push(flight);
      } else this.#counts.joined++;
      misses ??= [];
      misses.push({ index, request, kept, flight });
    }
    return misses === undefined ? answers : this.#readMisses(answers, misses, started ?? []);
  }

  /** The keys are forgotten when it is done, whatever came of it: an error does not say that nothing was written. */
  async write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]> {
    for (const { key } of rows) this.#forget(key);
    try {
      return await this.#remote.write(rows);
    } finally {
      for (const { key } of rows) this.#forget(key);
    }
  }

  async replace(row: RowWrite, ifStored: Uint8Array | undefined): Promise<boolean> {
    this.#forget(row.key);
    try {
      return await this.#remote.replace(row, ifStored);
    } finally {
      this.#forget(row.key);
    }
  }

  scan(field: string, limit: number, cursor?: string): Promise<ScanPage> {
    return this.#remote.scan(field, limit, cursor);
  }

  subscribe(listener: InvalidationListener): InvalidationSubscription {
    return this.#remote.subscribe(listener);
  }

  sweep(nowMs: number): Promise<number> {
    return this.#remote.sweep(nowMs);
  }

  history(): Promise<string> {
    return this.#remote.history();
  }

  ping(): Promise<void> {
    return this.#remote.ping();
  }

  async close(): Promise<void> {
    this.#feed.stop();
    this.#isArmed = false;
    this.#rows.clear();
    await this.#remote.close();
  }

  readFenced(requests: readonly ReadRequest[], maxAgeMs: number): readonly (EntityRows | undefined)[] {
    const isTooOld = this.#feed.lagMs() > maxAgeMs;
    return requests.map(({ key, fields }) => (isTooOld ? undefined : this.#rows.peek(key)?.answer(fields)));
  }

  drop(): void {
    this.#rows.clear();
    this.#counts.drops++;
    this.#epoch++;
  }

  coherence(): Coherence {
    return {
      state: this.#isCurrent() ? "armed" : "doubted",
      sinceMs: this.#now() - this.#changedMs,
      stalenessBoundMs: this.#feed.stalenessBoundMs,
    };
  }

  counts(): TieredStoreCounts {
    const { bytes, entities, evictions } = this.#rows;
    return { ...this.#counts, evictions, entities, bytes };
  }

  #listener(): InvalidationListener {
    return {
      invalidated: (keys) => {
        this.#counts.invalidations += keys.length;
        for (const key of keys) this.#forget(key);
      },
      doubted: () => this.#change(false),
      armed: () => {
        this.drop();
        this.#change(true);
      },
    };
  }

  #change(isArmed: boolean): void {
    this.#epoch++;
    if (isArmed === this.#isArmed) return;
    this.#isArmed = isArmed;
    this.#changedMs = this.#now();
    if (coherenceChanged.hasSubscribers) coherenceChanged.publish(isArmed ? "armed" : "doubted");
  }

  #isCurrent(): boolean {
    return this.#isArmed && this.#feed.lagMs() <= this.#feed.stalenessBoundMs;
  }

  #peek({ key, fields }: ReadRequest): EntityRows {
    return this.#rows.peek(key)?.known(fields) ?? { tier: MEMORY_TIER, rows: fields.map(() => undefined) };
  }

  /** Drops what is kept of an entity and dooms the flights that may bring it again. */
  #forget(key: string): void {
    this.#rows.delete(key);
    if (this.#discardsRacedFills) this.#flights.doom(key);
  }

  #readMisses(
    answers: EntityRows[],
    misses: readonly Miss[],
    started: readonly Flight[],
  ): readonly EntityRows[] | Promise<readonly EntityRows[]> {
    this.#counts.misses += misses.length;
    if (started.length > 0) {
      this.#flights.launch(started, this.#remote, (flight, entity) =>
        this.#mayKeep(flight) ? this.#rows.put(flight.request, entity) : entity,
      );
    }
    const landings = new Set<Promise<void>>();
    for (const { flight } of misses) if (flight.landing !== undefined) landings.add(flight.landing);
    const completed = () => {
      for (const miss of misses) answers[miss.index] = answerOf(miss);
      return answers;
    };
    return landings.size === 0 ? completed() : Promise.all(landings).then(completed);
  }

  #mayKeep(flight: Flight): boolean {
    if (!this.#isArmed) return false;
    if (!this.#discardsRacedFills || (!flight.isDoomed && flight.epoch === this.#epoch)) return true;
    this.#counts.discardedFills++;
    return false;
  }
}
