/**
 * The request that `headgate serve` prints to be tried: for an entity that is really stored, a prediction where a model
 * can be asked with one entity's key, else features alone. It is looked for within bounds, since a Redis that Feast fills
 * may hold any number of keys, none of them ours, and serve is silent meanwhile.
 */

import { type Config, SETTINGS } from "../config.ts";
import { parseEntityKey } from "../features/entity-key.ts";
import type { FeatureView } from "../features/feature-view.ts";
import { type JsonValue, toJson, writeJson } from "../features/json-value.ts";
import { viewsOf } from "../features/read-plan.ts";
import { viewJoinKeys } from "../features/registry.ts";
import { isTombstone } from "../features/row-order.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { Gateway } from "../gateway/main.ts";
import { exampleValues } from "../gateway/openapi/example-project.ts";

/** A request that works as it stands. */
export interface ExampleRequest {
  readonly route: "/predict" | "/get-online-features";
  /** JSON. */
  readonly body: string;
}

/** What an example is made of. */
interface Served extends Pick<Gateway, "registry" | "store"> {
  readonly models: { list(): readonly ServedModel[] };
}

interface ServedModel {
  readonly name: string;
  readonly stable: { readonly manifest: { readonly service: string } } | undefined;
}

/** Join keys of an entity, as JSON has them. */
type EntityJson = Readonly<Record<string, JsonValue>>;

/** Some entity that a view has a row of; undefined where none is met within the bounds. */
type StoredEntity = (view: FeatureView) => Promise<EntityJson | undefined>;

/** Views that are looked through for a row, those of models and others together, each once. */
const VIEWS_MAX = 10;
/** Pages that are looked through of a view: on a Redis a page holds whatever entities it meets, of other views too. */
const PAGES_MAX = 100;
const PAGE_ROWS = 100;
/** Features that an example asks for. */
const FEATURES_MAX = 3;

/** Makes one; undefined where no row is met within the bounds. Rejects with what the store throws. */
export async function exampleRequest(served: Served): Promise<ExampleRequest | undefined> {
  const storedEntity = entityLookup(served.store);
  return (await predictionExample(served, storedEntity)) ?? (await featuresExample(served, storedEntity));
}

function entityLookup(store: OnlineStore): StoredEntity {
  const found = new Map<string, EntityJson | undefined>();
  return async (view) => {
    if (!found.has(view.name) && found.size < VIEWS_MAX) found.set(view.name, await anyEntity(store, view));
    return found.get(view.name);
  };
}

async function predictionExample(
  { models, registry }: Served,
  storedEntity: StoredEntity,
): Promise<ExampleRequest | undefined> {
  for (const { name, stable } of models.list()) {
    const service = stable === undefined ? undefined : registry.services.get(stable.manifest.service);
    if (service === undefined || service.features.some(({ from }) => from.kind !== "featureView")) continue;
    const [view, ...others] = viewsOf(service);
    const joinKeys = viewJoinKeys(view!);
    if (others.some((other) => Object.keys(viewJoinKeys(other)).some((key) => !Object.hasOwn(joinKeys, key)))) continue;
    const entities = await storedEntity(view!);
    if (entities !== undefined) return { route: "/predict", body: writeJson({ model: name, entities }) };
  }
  return undefined;
}

async function featuresExample({ registry }: Served, storedEntity: StoredEntity): Promise<ExampleRequest | undefined> {
  for (const view of registry.views.values()) {
    const entity = await storedEntity(view);
    if (entity !== undefined) return featuresRequest(view, entity);
  }
  return undefined;
}

/** A request for features whose keys are to be replaced by those of an entity; undefined where no view has one. */
export function requestToFillIn({ registry }: Pick<Served, "registry">): ExampleRequest | undefined {
  const view = [...registry.views.values()].find(({ entities }) => entities.length > 0);
  if (view === undefined) return undefined;
  return featuresRequest(view, exampleValues(viewJoinKeys(view)));
}

function featuresRequest(view: FeatureView, entity: EntityJson): ExampleRequest {
  const features = Object.keys(view.schema).slice(0, FEATURES_MAX);
  const entities = Object.fromEntries(Object.entries(entity).map(([key, value]) => [key, [value]]));
  const body = writeJson({ features: features.map((feature) => `${view.name}:${feature}`), entities });
  return { route: "/get-online-features", body };
}

async function anyEntity(store: OnlineStore, view: FeatureView): Promise<EntityJson | undefined> {
  const joinKeys = viewJoinKeys(view);
  const key = await anyKey(store, view.name);
  const entity = key === undefined ? undefined : parseEntityKey(key, joinKeys);
  if (entity === undefined) return undefined;
  return Object.fromEntries(Object.entries(entity).map(([name, value]) => [name, toJson(joinKeys[name]!, value)]));
}

async function anyKey(store: OnlineStore, view: string): Promise<string | undefined> {
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await store.scan(view, PAGE_ROWS, cursor);
    const row = page.rows.find(({ bytes }) => !isTombstone(bytes));
    if (row !== undefined || page.cursor === undefined) return row?.key;
    cursor = page.cursor;
  }
  return undefined;
}

/**
 * The request as a shell takes it. An admin token that it needs is never in it: the shell takes it from the environment,
 * and where it is not there but in headgate.config.ts, a line before says to put it there.
 */
export function curlOf(
  url: string,
  { adminToken, feastReads }: Pick<Config, "adminToken" | "feastReads">,
  environment: NodeJS.ProcessEnv,
  { route, body }: ExampleRequest,
): string {
  const variable = SETTINGS.adminToken.environment;
  const isGuarded = route !== "/predict" && adminToken !== "" && feastReads !== "open";
  const token = isGuarded ? ` -H "authorization: Bearer $${variable}"` : "";
  const put = isGuarded && !environment[variable] ? `export ${variable}='<adminToken of headgate.config.ts>'\n  ` : "";
  return `${put}curl -s ${url}${route} -H 'content-type: application/json'${token} -d '${body.replaceAll("'", "'\\''")}'`;
}
