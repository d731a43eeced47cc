/**
 * A request's entities by the version that answers them. Nearly always one version answers all and the request is its
 * own only part; while a canary has its share, each entity goes where its key puts it.
 */

import type { EntityKeys } from "../features/reader.ts";
import { askedVersion, stableVersion } from "../models/alias.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { isInShare } from "../models/traffic.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import type { JoinedModel } from "./joined-model.ts";

/** The entities of a request that one version answers. */
export interface RequestPart {
  readonly joined: JoinedModel;
  readonly entities: readonly EntityKeys[];
  /** Where the entities are in the request; undefined: they are all of it. */
  readonly positions: readonly number[] | undefined;
  /** The version that answers when this one fails: a canary's failures are its own, not its entities'. */
  readonly fallback: JoinedModel | undefined;
  /** A tester asked for the version: it is none of the model's traffic, and counted nowhere. */
  readonly isAsked: boolean;
}

/** What decides the parts. */
export interface PartOptions {
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly canaries: Pick<CanaryWatch, "sharing">;
}

/**
 * The parts of a request, none of them empty. `asked` is the version that a tester wants; `requestId` stands for the
 * key of a service without entities. Throws ENTITY_KEY_INVALID, MODEL_UNAVAILABLE or VERSION_NOT_FOUND.
 */
export function partsOf(
  served: ServedModel,
  entities: readonly EntityKeys[],
  asked: string | undefined,
  requestId: string,
  { canaries, join }: PartOptions,
): readonly RequestPart[] {
  const isAsked = asked !== undefined;
  const stable = join(isAsked ? askedVersion(served, asked) : stableVersion(served));
  stable.checkEntities(entities);
  const canary = isAsked ? undefined : canaries.sharing(served);
  if (canary === undefined) return [{ joined: stable, entities, positions: undefined, fallback: undefined, isAsked }];
  const isCanarys = entities.map((entity) =>
    isInShare(served.name, stable.entityKey(entity) || requestId, canary.percent),
  );
  const parts = [
    partOf(stable, entities, isCanarys, false, undefined),
    partOf(canary.joined, entities, isCanarys, true, stable),
  ];
  return parts.filter((part) => part.entities.length > 0);
}

function partOf(
  joined: JoinedModel,
  entities: readonly EntityKeys[],
  isCanarys: readonly boolean[],
  wanted: boolean,
  fallback: JoinedModel | undefined,
): RequestPart {
  const positions = entities.flatMap((_, i) => (isCanarys[i] === wanted ? [i] : []));
  const isAsked = false;
  if (positions.length === entities.length) return { joined, entities, positions: undefined, fallback, isAsked };
  return { joined, entities: positions.map((i) => entities[i]!), positions, fallback, isAsked };
}
