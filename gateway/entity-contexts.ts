/**
 * Request features that are not the same for all entities of a request. Entities that share them are read together, and
 * to whoever counts it stays one request.
 */

import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";

/** Request features by name; undefined: none were sent. */
export type RequestContext = Readonly<Record<string, unknown>> | undefined;

/** The request features of each entity, in the entities' order; those that are the same are one object. */
export type EntityContexts = readonly RequestContext[];

type Reading = FeatureVector[] | Promise<FeatureVector[]>;

/** Reads the entities of each context by `read`; the vectors are in the entities' order. Throws or rejects as `read` does. */
export function readByContext(
  entities: readonly EntityKeys[],
  contexts: EntityContexts,
  read: (entities: readonly EntityKeys[], context: RequestContext) => Reading,
): Reading {
  const vectors = new Array<FeatureVector>(entities.length);
  const waiting: Promise<void>[] = [];
  try {
    for (const [context, positions] of positionsOf(contexts)) {
      const place = (taken: readonly FeatureVector[]) => {
        for (const [i, position] of positions.entries()) vectors[position] = taken[i]!;
      };
      const entitiesOf = positions.map((position) => entities[position]!);
      const reading = read(entitiesOf, context);
      if (reading instanceof Promise) waiting.push(reading.then(place));
      else place(reading);
    }
  } catch (thrown) {
    // What else was begun is nobody's any more, whatever becomes of it.
    for (const one of waiting) one.catch(() => {});
    throw thrown;
  }
  return waiting.length === 0 ? vectors : Promise.all(waiting).then(() => vectors);
}

function positionsOf(contexts: EntityContexts): ReadonlyMap<RequestContext, readonly number[]> {
  const positions = new Map<RequestContext, number[]>();
  for (const [position, context] of contexts.entries()) {
    const known = positions.get(context);
    if (known === undefined) positions.set(context, [position]);
    else known.push(position);
  }
  return positions;
}
