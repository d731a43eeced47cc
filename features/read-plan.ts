/**
 * A feature service compiled once: which keys to make of an entity, which rows to read under them, and where each value
 * goes. A request only walks these arrays.
 *
 * Every value has a slot. The service's features take the first slots, in their order, so a vector's head is what the
 * model is fed; inputs that only an on-demand view needs take the slots behind them.
 */

import { compileEntityKey, type EntityKeyOf, sortedJoinKeys } from "./entity-key.ts";
import type { FeatureOrigin, FeatureService } from "./feature-service.ts";
import type { FeatureView } from "./feature-view.ts";
import { type Accept, compileAccept, type FeatureValue, type FieldType, type RowOf, type Schema } from "./field.ts";
import { compileFromJson } from "./json-value.ts";
import type { OnDemandFeatureView } from "./on-demand-view.ts";
import { viewJoinKeys } from "./registry.ts";
import type { RequestSource } from "./source.ts";

/** One feature of a service. */
export interface FeatureColumn {
  /** The feature view, on-demand view or request source it is of. */
  readonly view: string;
  readonly field: string;
  readonly type: FieldType;
}

/** Views that share their join keys: one key, one read for all of them. */
export interface PlannedKey {
  /** In the order of the key. */
  readonly joinKeys: readonly string[];
  readonly keyOf: EntityKeyOf;
  /** Names of the views, which are the store's fields. */
  readonly fields: readonly string[];
  readonly views: readonly PlannedView[];
}

/** A stored view to read. */
export interface PlannedView {
  readonly name: string;
  /** The fields wanted of its rows. */
  readonly wanted: readonly { readonly name: string; readonly type: FieldType }[];
  /** Where each goes. */
  readonly slots: readonly number[];
  /** How old a row may be, µs; Infinity: any age. */
  readonly maxAgeUs: number;
  /** Its place among all stored views of the plan. */
  readonly index: number;
}

/** A feature that arrives in the request's context. */
export interface PlannedRequestField {
  readonly source: string;
  readonly name: string;
  readonly type: FieldType;
  readonly accept: Accept;
  readonly slot: number;
}

/** An on-demand view to compute, after everything it reads. */
export interface PlannedTransform {
  readonly name: string;
  readonly transform: (row: Record<string, FeatureValue>) => RowOf<Schema>;
  readonly inputs: readonly { readonly name: string; readonly slot: number }[];
  /** Every field of the view; slot undefined: computed, checked, and not asked for. */
  readonly outputs: readonly {
    readonly name: string;
    readonly accept: Accept;
    readonly type: FieldType;
    readonly slot: number | undefined;
  }[];
}

/** The compiled service. */
export interface ReadPlan {
  readonly service: string;
  /** The service's features, in order; column i is slot i. */
  readonly columns: readonly FeatureColumn[];
  readonly slotCount: number;
  readonly viewCount: number;
  /** Every join key a request's entity must carry, and no other. */
  readonly joinKeys: Schema;
  readonly keys: readonly PlannedKey[];
  readonly requestFields: readonly PlannedRequestField[];
  /** The names of requestFields. */
  readonly requestNames: ReadonlySet<string>;
  readonly transforms: readonly PlannedTransform[];
}

/** Compiles a service. `maxAgeMs` is the model's, which can only tighten the views' ttl. */
export function compileReadPlan(service: FeatureService, maxAgeMs = Number.POSITIVE_INFINITY): ReadPlan {
  const slots = new Slots(service);
  const transforms = onDemandViewsOf(service).map((view) => planTransform(view, slots));
  const views = [...slots.originsOf("featureView")] as FeatureView[];
  const sources = [...slots.originsOf("requestSource")] as RequestSource[];
  const planned = views.map((view, index) => planView(view, index, maxAgeMs, slots));
  const requestFields = sources.flatMap((source) => planRequestFields(source, slots));
  return Object.freeze({
    service: service.name,
    columns: Object.freeze(
      service.features.map(({ from, field }) => Object.freeze({ view: from.name, field, type: from.schema[field]! })),
    ),
    slotCount: slots.count,
    viewCount: views.length,
    joinKeys: Object.freeze(Object.assign({}, ...views.map(viewJoinKeys))),
    keys: planKeys(views, planned),
    requestFields,
    requestNames: new Set(requestFields.map((field) => field.name)),
    transforms,
  });
}

/** The stored views a service reads, for asking whether they are applied. */
export function viewsOf(service: FeatureService): readonly FeatureView[] {
  const reached = service.features.flatMap(({ from }) => (from.kind === "onDemandFeatureView" ? from.inputs : [from]));
  return [...new Set(reached.filter((origin): origin is FeatureView => origin.kind === "featureView"))];
}

/**
 * Why requests of one plan can't be answered by another as well, in words: it takes other join keys or request features.
 * Undefined where they can.
 */
export function requestDifference(stable: ReadPlan, other: ReadPlan): string | undefined {
  const listed = (names: Iterable<string>) => [...names].sort().join(", ") || "none";
  const [keys, itsKeys] = [stable, other].map(({ joinKeys }) => listed(sortedJoinKeys(joinKeys)));
  if (keys !== itsKeys) return `it takes the join keys ${itsKeys}, not ${keys}`;
  const [context, itsContext] = [stable, other].map(({ requestNames }) => listed(requestNames));
  return context === itsContext ? undefined : `it takes the request features ${itsContext}, not ${context}`;
}

/** Hands out slots: the service's features first, then whatever else is asked for. */
class Slots {
  private readonly taken = new Map<FeatureOrigin, Map<string, number>>();
  count = 0;

  constructor(service: FeatureService) {
    for (const { from, field } of service.features) this.of(from, field);
  }

  of(origin: FeatureOrigin, field: string): number {
    const fields = this.taken.get(origin) ?? new Map<string, number>();
    this.taken.set(origin, fields);
    const slot = fields.get(field) ?? this.count++;
    fields.set(field, slot);
    return slot;
  }

  find(origin: FeatureOrigin, field: string): number | undefined {
    return this.taken.get(origin)?.get(field);
  }

  fieldsOf(origin: FeatureOrigin): readonly [string, number][] {
    return [...(this.taken.get(origin) ?? [])];
  }

  originsOf(kind: FeatureOrigin["kind"]): readonly FeatureOrigin[] {
    return [...this.taken.keys()].filter((origin) => origin.kind === kind);
  }
}

function onDemandViewsOf(service: FeatureService): readonly OnDemandFeatureView[] {
  const origins = new Set(service.features.map((feature) => feature.from));
  return [...origins].filter((origin): origin is OnDemandFeatureView => origin.kind === "onDemandFeatureView");
}

function planTransform(view: OnDemandFeatureView, slots: Slots): PlannedTransform {
  const inputs = view.inputs.flatMap((input) =>
    Object.keys(input.schema).map((name) => ({ name, slot: slots.of(input, name) })),
  );
  const outputs = Object.entries(view.schema).map(([name, type]) => ({
    name,
    type,
    accept: compileAccept(type),
    slot: slots.find(view, name),
  }));
  return Object.freeze({
    name: view.name,
    transform: view.transform as unknown as PlannedTransform["transform"],
    inputs,
    outputs,
  });
}

function planView(view: FeatureView, index: number, maxAgeMs: number, slots: Slots): PlannedView {
  const fields = slots.fieldsOf(view);
  return Object.freeze({
    name: view.name,
    wanted: fields.map(([name]) => ({ name, type: view.schema[name]! })),
    slots: fields.map(([, slot]) => slot),
    maxAgeUs: Math.min(view.ttlMs ?? Number.POSITIVE_INFINITY, maxAgeMs) * 1_000,
    index,
  });
}

function planKeys(views: readonly FeatureView[], planned: readonly PlannedView[]): readonly PlannedKey[] {
  const byKey = new Map<string, { joinKeys: Schema; views: PlannedView[] }>();
  for (const [i, view] of views.entries()) {
    const joinKeys = viewJoinKeys(view);
    const id = sortedJoinKeys(joinKeys).join("&");
    const group = byKey.get(id);
    if (group === undefined) byKey.set(id, { joinKeys, views: [planned[i]!] });
    else group.views.push(planned[i]!);
  }
  return [...byKey.values()].map((group) =>
    Object.freeze({
      joinKeys: sortedJoinKeys(group.joinKeys),
      keyOf: compileEntityKey(group.joinKeys, compileFromJson),
      fields: group.views.map((view) => view.name),
      views: group.views,
    }),
  );
}

function planRequestFields(source: RequestSource, slots: Slots): readonly PlannedRequestField[] {
  return slots.fieldsOf(source).map(([name, slot]) => {
    const type = source.schema[name]!;
    return Object.freeze({ source: source.name, name, type, accept: compileFromJson(type), slot });
  });
}
