/**
 * The reads of a tiered store that are under way, by entity: so that those who miss the same entity at once share one
 * read, and so that a change can reach the reads that may bring the row from before it. Bounded by the requests under
 * way: a flight is here from the read's start to its end.
 */

import type { EntityRows, OnlineStore, ReadRequest } from "./online-store.ts";
import type { KeptEntity } from "./tiered-rows.ts";

/** One remote read of one entity. */
export interface Flight {
  readonly request: ReadRequest;
  readonly startedMs: number;
  /** That of the store when it started: what it brings is kept only if it still is. */
  readonly epoch: number;
  /** The entity changed since it started. */
  isDoomed: boolean;
  /** Settles when `found` is set; undefined when that was so at once. */
  landing: Promise<void> | undefined;
  found: EntityRows | undefined;
}

/** An entity of a read that is not wholly in memory. */
export interface Miss {
  readonly index: number;
  readonly request: ReadRequest;
  /** What is known of it already. */
  readonly kept: KeptEntity | undefined;
  readonly flight: Flight;
}

/** What a miss is answered with: from its flight, and from memory what the flight did not have to bring. */
export function answerOf({ request, kept, flight }: Miss): EntityRows {
  const { tier, rows } = flight.found!;
  const brought = flight.request.fields;
  if (brought === request.fields) return flight.found!;
  const rowOf = (field: string) => {
    const at = brought.indexOf(field);
    return at >= 0 ? rows[at] : kept?.rows[kept.fields.indexOf(field)];
  };
  return { tier, rows: request.fields.map(rowOf) };
}

/** The flights. */
export class Flights {
  readonly #byKey = new Map<string, Flight[]>();

  /** A flight that will bring these fields, started no earlier than `leastMs` and not doomed. */
  joinable(key: string, fields: readonly string[], leastMs: number): Flight | undefined {
    return this.#byKey
      .get(key)
      ?.find(
        ({ startedMs, request }) => startedMs >= leastMs && fields.every((field) => request.fields.includes(field)),
      );
  }

  /** Adds a flight that starts now. */
  start(request: ReadRequest, epoch: number, nowMs: number): Flight {
    const { key } = request;
    const flight: Flight = {
      request,
      startedMs: nowMs,
      epoch,
      isDoomed: false,
      landing: undefined,
      found: undefined,
    };
    const others = this.#byKey.get(key);
    if (others === undefined) this.#byKey.set(key, [flight]);
    else others.push(flight);
    return flight;
  }

  /** Dooms the flights of an entity: they go on, but nobody joins them any more. */
  doom(key: string): void {
    const flights = this.#byKey.get(key);
    if (flights === undefined) return;
    for (const flight of flights) flight.isDoomed = true;
    this.#byKey.delete(key);
  }

  /**
   * Reads all of these in one call. `land` takes what each brought, in order, and returns what its waiters get; it is
   * not called when the read fails. Throws when the read does so at once.
   */
  launch(
    flights: readonly Flight[],
    remote: OnlineStore,
    land: (flight: Flight, entity: EntityRows) => EntityRows,
  ): void {
    const landed = (entities: readonly EntityRows[]): void => {
      this.#end(flights);
      for (const [i, flight] of flights.entries()) flight.found = land(flight, entities[i]!);
    };
    let found: ReturnType<OnlineStore["read"]>;
    try {
      found = remote.read(flights.map(({ request }) => request));
    } catch (cause) {
      this.#end(flights);
      throw cause;
    }
    if (!(found instanceof Promise)) {
      landed(found);
      return;
    }
    const landing = found.then(landed, (cause: unknown) => {
      this.#end(flights);
      throw cause;
    });
    for (const flight of flights) flight.landing = landing;
  }

  #end(flights: readonly Flight[]): void {
    for (const flight of flights) {
      const { key } = flight.request;
      const others = this.#byKey.get(key)?.filter((other) => other !== flight);
      if (others === undefined) continue;
      if (others.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, others);
    }
  }
}
