/**
 * What the comparison of a view's served rows adds up to: outcomes, and per feature how often it differs, why, and the
 * worst of it. Memory is fixed whatever is counted.
 */

import { STATUS, STATUS_NAMES } from "../../features/feature-status.ts";
import { type FeatureValue, type FieldType, typeName } from "../../features/field.ts";
import { toJson } from "../../features/json-value.ts";
import { compileDecodeValues, type DecodeValues } from "../../features/row-codec.ts";
import { readEventTimestampUs } from "../../features/row-order.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { isSameValue } from "./parity-pair.ts";
import type { JoinedRow, JoinedView } from "./served-history.ts";
import type { ComparedView, ServedRow } from "./served-line.ts";
import { comparisonOf } from "./served-pair.ts";
import type { ServedExample, ServedFeatureParity, ServedOutcome, ServedViewParity } from "./served-result.ts";
import { rowCommand } from "./shown-command.ts";

/** Examples kept of a feature. */
const EXAMPLES_MAX = 5;

/** No row was joined; in the order that people read them. */
export const NO_OUTCOMES: Readonly<Record<ServedOutcome, number>> = Object.freeze({
  ...{ match: 0, different: 0, stale: 0, missing: 0 },
  ...{ absent: 0, newer: 0, offline_later: 0, no_history: 0 },
});

/** The counts of a view's joined rows. */
export function tallyView(view: ComparedView, joined: JoinedView): ServedViewParity {
  const decode = compileDecodeValues(Object.values(view.schema));
  const features = Object.entries(view.schema).map(([name, type]) => newTally(view.name, name, type));
  const outcomes: Record<ServedOutcome, number> = { ...NO_OUTCOMES };
  for (const row of joined.rows) outcomes[addJoined(features, row, joined.firstEventUs, decode)]++;
  return {
    view: view.name,
    served: joined.rows.length,
    outcomes,
    offline_rows_read: joined.rowsRead,
    offline_rows_bad: joined.rowsBad,
    features: features.filter(({ isServed }) => isServed).map(featureOf),
  };
}

interface FeatureTally {
  readonly view: string;
  readonly feature: string;
  readonly type: FieldType;
  isServed: boolean;
  compared: number;
  readonly causes: Record<MismatchCause, number>;
  /** The worst first. */
  readonly worst: Mismatch[];
}

type MismatchCause = ServedExample["outcome"];

interface Mismatch {
  readonly served: ServedRow;
  readonly cause: MismatchCause;
  readonly servedValue: FeatureValue;
  readonly offlineValue: FeatureValue;
  readonly offlineUs: number;
  readonly distance: number;
}

function newTally(view: string, field: string, type: FieldType): FeatureTally {
  const causes = { different: 0, stale: 0, missing: 0 };
  return { view, feature: `${view}:${field}`, type, isServed: false, compared: 0, causes, worst: [] };
}

function addJoined(
  features: readonly FeatureTally[],
  { served, offline, isOffline }: JoinedRow,
  firstEventUs: number,
  decode: DecodeValues,
): ServedOutcome {
  const comparison = comparisonOf({ served, offline, isOffline }, firstEventUs);
  const isCompared = comparison === "different" || comparison === "stale" || comparison === "missing";
  const offlineValues = isCompared ? decode(offline!) : [];
  const isServed = served.status === STATUS.PRESENT;
  let differs = false;
  for (let i = 0; i < features.length; i++) {
    const [tally, servedValue] = [features[i]!, served.values[i]];
    if (servedValue === undefined) continue;
    tally.isServed = true;
    if (!isCompared) continue;
    tally.compared++;
    const offlineValue = offlineValues[i]!;
    if (isServed && isSameValue(servedValue, offlineValue)) continue;
    differs = true;
    tally.causes[comparison]++;
    const distance = isServed ? distanceOf(servedValue, offlineValue) : Number.POSITIVE_INFINITY;
    const offlineUs = readEventTimestampUs(offline!);
    keepWorst(tally.worst, { served, cause: comparison, servedValue, offlineValue, offlineUs, distance });
  }
  return isCompared && !differs ? "match" : comparison;
}

/** How far apart; Infinity for what has no distance. */
function distanceOf(a: FeatureValue, b: FeatureValue): number {
  const isNumber = (value: FeatureValue) => typeof value === "number" || typeof value === "bigint";
  if (!isNumber(a) || !isNumber(b)) return Number.POSITIVE_INFINITY;
  const distance = typeof a === typeof b ? Number((a as number) - (b as number)) : Number(a) - Number(b);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.abs(distance);
}

/** Of equal ones the first that came, which is the newest. */
function keepWorst(worst: Mismatch[], mismatch: Mismatch): void {
  if (worst.length === EXAMPLES_MAX && worst.at(-1)!.distance >= mismatch.distance) return;
  const before = worst.findIndex(({ distance }) => distance < mismatch.distance);
  worst.splice(before < 0 ? worst.length : before, 0, mismatch);
  if (worst.length > EXAMPLES_MAX) worst.pop();
}

function featureOf({ view, feature, type, compared, causes, worst }: FeatureTally): ServedFeatureParity {
  const mismatched = causes.different + causes.stale + causes.missing;
  return {
    feature,
    type: typeName(type),
    compared,
    mismatched,
    mismatch_share: compared === 0 ? 0 : mismatched / compared,
    causes,
    examples: worst.map((mismatch) => exampleOf(view, type, mismatch)),
  };
}

function exampleOf(view: string, type: FieldType, mismatch: Mismatch): ServedExample {
  const { served, cause, servedValue, offlineValue, offlineUs } = mismatch;
  const { request, status, eventTimestampUs } = served;
  return {
    request_id: request.requestId,
    served_at: formatTimestampUs(request.servedAtUs),
    model: request.model,
    version: request.version,
    entity: request.entity,
    outcome: cause,
    served: toJson(type, servedValue),
    served_status: statusName(status, servedValue),
    offline: toJson(type, offlineValue),
    offline_status: statusName(STATUS.PRESENT, offlineValue),
    served_event_timestamp: eventTimestampUs === undefined ? null : formatTimestampUs(eventTimestampUs),
    offline_event_timestamp: formatTimestampUs(offlineUs),
    shown_by: rowCommand(view, served.key),
  };
}

/** A feature's status, by its view's. */
function statusName(status: ServedRow["status"], value: FeatureValue): string {
  return STATUS_NAMES[status === STATUS.PRESENT && value === null ? STATUS.NULL_VALUE : status]!;
}
