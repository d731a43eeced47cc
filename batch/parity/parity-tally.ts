/**
 * What a comparison of a view adds up to: outcomes, causes with an example each, and per feature how often and how far
 * the sides differ. Memory is fixed whatever is counted.
 */

import { STATUS } from "../../features/feature-status.ts";
import type { FeatureView } from "../../features/feature-view.ts";
import { type FieldType, type Schema, typeName } from "../../features/field.ts";
import { type JsonValue, toJson } from "../../features/json-value.ts";
import { viewJoinKeys } from "../../features/registry.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { GrowingHistograms } from "./growing-histogram.ts";
import { CAUSE_MEANING } from "./parity-cause.ts";
import type { PairVerdict, ParityPair } from "./parity-pair.ts";
import type {
  CauseCount,
  FeatureParity,
  ParityCause,
  ParityExample,
  ParityOutcome,
  ViewParity,
} from "./parity-result.ts";
import { entityOfKey, rowCommand } from "./shown-command.ts";

/** Examples of each cause. More make a report that nobody reads. */
const CAUSE_EXAMPLES = 5;

/** The counts of a view's comparison. */
export type ViewTally = Pick<
  ViewParity,
  "offline_entities" | "checked" | "compared" | "outcomes" | "causes" | "features" | "freshness_seconds" | "examples"
>;

/** Counts pairs. */
export interface ParityTally {
  /** `cause` is a mismatch's. */
  add(pair: ParityPair, verdict: PairVerdict, cause: ParityCause | undefined, nowMs: number): void;
  finish(): ViewTally;
}

const ONLINE = 0;
const OFFLINE = 1;

interface FeatureCounts {
  readonly name: string;
  readonly type: FieldType;
  readonly histograms: GrowingHistograms | undefined;
  compared: number;
  mismatched: number;
  readonly nulls: [number, number];
}

interface CauseTally {
  entities: number;
  readonly exampleKey: string;
}

/** An empty tally of a view. */
export function createParityTally(view: FeatureView): ParityTally {
  const joinKeys = viewJoinKeys(view);
  const features = Object.entries(view.schema).map(([name, type]): FeatureCounts => {
    const histograms = isNumeric(type) ? new GrowingHistograms(2) : undefined;
    return { name, type, histograms, compared: 0, mismatched: 0, nulls: [0, 0] };
  });
  const ages = new GrowingHistograms(1);
  const outcomes: Record<ParityOutcome, number> = { match: 0, newer: 0, different: 0, stale: 0, missing: 0, extra: 0 };
  const causes = new Map<ParityCause, CauseTally>();
  const examples: ParityExample[] = [];
  let [offlineEntities, compared] = [0, 0];

  function addCause(pair: ParityPair, verdict: PairVerdict, cause: ParityCause): void {
    const known = causes.get(cause);
    if (known === undefined) causes.set(cause, { entities: 1, exampleKey: pair.key });
    else known.entities++;
    if ((known?.entities ?? 1) <= CAUSE_EXAMPLES) examples.push(exampleOf(pair, verdict, cause, view.schema, joinKeys));
  }

  return Object.freeze({
    add: (pair: ParityPair, verdict: PairVerdict, cause: ParityCause | undefined, nowMs: number) => {
      const { offline, served } = pair;
      const { status, eventTimestampUs } = served.views[0]!;
      outcomes[verdict.outcome]++;
      if (offline !== undefined) offlineEntities++;
      if (verdict.isCompared) compared++;
      if (status === STATUS.PRESENT) ages.add(0, nowMs / 1_000 - eventTimestampUs! / 1_000_000);
      addValues(features, pair, verdict);
      for (const i of verdict.differing) features[i]!.mismatched++;
      if (cause !== undefined) addCause(pair, verdict, cause);
    },
    finish: () => ({
      offline_entities: offlineEntities,
      checked: Object.values(outcomes).reduce((sum, count) => sum + count, 0),
      compared,
      outcomes,
      causes: [...causes]
        .map((entry) => causeCount(view.name, joinKeys, ...entry))
        .sort((a, b) => b.entities - a.entities),
      features: features.map(featureParity),
      freshness_seconds: ages.finish()?.[0] ?? null,
      examples,
    }),
  });
}

function isNumeric({ kind, list }: FieldType): boolean {
  return !list && (kind === "int32" || kind === "int64" || kind === "float32" || kind === "float64");
}

function addValues(
  features: readonly FeatureCounts[],
  { offline, served }: ParityPair,
  { isCompared }: PairVerdict,
): void {
  const isServed = served.views[0]!.status === STATUS.PRESENT;
  for (let i = 0; i < features.length; i++) {
    const feature = features[i]!;
    if (isServed) addValue(feature, ONLINE, served.values[i]!);
    if (offline !== undefined) addValue(feature, OFFLINE, offline.values[i]!);
    if (isCompared) feature.compared++;
  }
}

function addValue(feature: FeatureCounts, side: number, value: unknown): void {
  if (value === null) feature.nulls[side]!++;
  else if (typeof value === "number") feature.histograms?.add(side, value);
  else if (typeof value === "bigint") feature.histograms?.add(side, Number(value));
}

function featureParity({ name, type, histograms, compared, mismatched, nulls }: FeatureCounts): FeatureParity {
  const [online, offline] = histograms?.finish() ?? [];
  return {
    feature: name,
    type: typeName(type),
    ...{ compared, mismatched },
    online_nulls: nulls[ONLINE],
    offline_nulls: nulls[OFFLINE],
    online: online ?? null,
    offline: offline ?? null,
  };
}

function causeCount(
  view: string,
  joinKeys: Schema,
  cause: ParityCause,
  { entities, exampleKey }: CauseTally,
): CauseCount {
  return {
    ...{ cause, entities },
    example: entityOfKey(exampleKey, joinKeys),
    shown_by: rowCommand(view, exampleKey),
    meaning: CAUSE_MEANING[cause],
  };
}

function exampleOf(
  { key, served, offline }: ParityPair,
  { outcome, differing }: PairVerdict,
  cause: ParityCause,
  schema: Schema,
  joinKeys: Schema,
): ParityExample {
  const place = differing[0];
  const named = place === undefined ? undefined : Object.entries(schema)[place]!;
  const shown = (values: ParityPair["served"]["values"] | undefined): JsonValue =>
    named === undefined || values === undefined ? null : toJson(named[1], values[place!] ?? null);
  const onlineUs = served.views[0]!.eventTimestampUs;
  return {
    entity: entityOfKey(key, joinKeys),
    ...{ outcome, cause },
    feature: named?.[0] ?? null,
    online: shown(served.values),
    offline: shown(offline?.values as ParityPair["served"]["values"] | undefined),
    online_event_timestamp: onlineUs === undefined ? null : formatTimestampUs(onlineUs),
    offline_event_timestamp: offline === undefined ? null : formatTimestampUs(offline.eventTimestampUs),
  };
}
