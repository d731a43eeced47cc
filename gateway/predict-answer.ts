/**
 * The answer of POST /predict as text. Written by hand because it is written on every request: names are quoted once
 * when a model is loaded, and a row costs only its numbers. Floats are exact doubles, integers exact at any size,
 * non-finite numbers the texts "NaN", "Infinity" and "-Infinity".
 */

import { STATUS_NAMES } from "../features/feature-status.ts";
import { type JsonValue, toJson, writeJson } from "../features/json-value.ts";
import type { ReadPlan } from "../features/read-plan.ts";
import type { FeatureVector } from "../features/reader.ts";
import { ageSeconds } from "../features/row-inspection.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import type { FedEntity } from "./missing-features.ts";

/** Output values of a run, `outputs[i][row]` in the manifest's order. */
export type OutputColumns = readonly (readonly JsonValue[])[];

/** Everything an answer tells. */
export interface Prediction {
  readonly requestId: string;
  readonly version: number;
  readonly fed: readonly FedEntity[];
  readonly vectors: readonly FeatureVector[];
  /** Rows of the entities that were not rejected, in order; the first is at `firstRow`. */
  readonly outputs: OutputColumns;
  readonly firstRow: number;
  readonly explain: boolean;
  /** The store is away and memory answered, within the model's stale_if_error. */
  readonly stale: boolean;
  readonly nowMs: number;
}

/** Compiles the writer of a model's answers. */
export function compileAnswer(
  model: string,
  outputNames: readonly string[],
  plan: ReadPlan,
): (prediction: Prediction) => string {
  const heads = outputNames.map((name) => `,${JSON.stringify(name)}:`);
  const quotedModel = JSON.stringify(model);
  const timestampText = compileTimestampText();

  function predictionText(version: number, outputs: OutputColumns, row: number): string {
    let text = `{"version":${version}`;
    for (let i = 0; i < heads.length; i++) text += heads[i]! + writeJson(outputs[i]![row]!);
    return `${text}}`;
  }

  function featuresText(entity: FedEntity, vector: FeatureVector, { explain, stale, nowMs }: Prediction): string {
    const oldestUs = oldestEventTimestampUs(vector);
    const age = oldestUs === undefined ? "null" : String(ageSeconds(oldestUs, nowMs));
    const defaulted = entity.defaulted.length === 0 ? "[]" : JSON.stringify(entity.defaulted);
    const values = explain ? `,"values":${writeJson(explainedValues(plan, vector))}` : "";
    return `{"status":"${STATUS_NAMES[entity.status]}","event_timestamp":${timestampText(oldestUs)},"age_seconds":${age},"defaulted":${defaulted}${stale ? STALE : ""}${values}}`;
  }

  return (prediction) => {
    const { requestId, version, fed, vectors, outputs, firstRow } = prediction;
    let predictions = "";
    let features = "";
    let row = firstRow;
    for (let e = 0; e < fed.length; e++) {
      const entity = fed[e]!;
      const separator = e === 0 ? "" : ",";
      const rejected = entity.rejection !== undefined;
      predictions +=
        separator + (rejected ? rejectionText(version, entity.rejection) : predictionText(version, outputs, row++));
      features += separator + featuresText(entity, vectors[e]!, prediction);
    }
    return `{"request_id":${JSON.stringify(requestId)},"model":${quotedModel},"predictions":[${predictions}],"features":[${features}]}`;
  };
}

function rejectionText(version: number, detail: string): string {
  return `{"version":${version},"error":${JSON.stringify({ code: "FEATURES_MISSING", detail })}}`;
}

const STALE = ',"stale":true';

/** Quotes an event timestamp. Entities of one load share theirs, so the last one's text is kept. */
function compileTimestampText(): (timestampUs: number | undefined) => string {
  let lastUs: number | undefined;
  let text = "null";
  return (timestampUs) => {
    if (timestampUs === lastUs) return text;
    text = timestampUs === undefined ? "null" : `"${formatTimestampUs(timestampUs)}"`;
    lastUs = timestampUs;
    return text;
  };
}

function oldestEventTimestampUs(vector: FeatureVector): number | undefined {
  let oldest: number | undefined;
  for (const { eventTimestampUs } of vector.views) {
    if (eventTimestampUs !== undefined && (oldest === undefined || eventTimestampUs < oldest))
      oldest = eventTimestampUs;
  }
  return oldest;
}

function explainedValues(plan: ReadPlan, vector: FeatureVector): JsonValue {
  const views = new Map(plan.keys.flatMap((key) => key.views).map((view) => [view.name, vector.views[view.index]!]));
  const explained = plan.columns.map(({ view, field, type }, i) => {
    const read = views.get(view);
    const eventTimestampUs = read?.eventTimestampUs;
    const told: JsonValue = {
      value: toJson(type, vector.values[i]!),
      status: STATUS_NAMES[vector.statuses[i]!]!,
      event_timestamp: eventTimestampUs === undefined ? null : formatTimestampUs(eventTimestampUs),
      tier: read?.tier ?? "request",
    };
    return [`${view}:${field}`, told];
  });
  return Object.fromEntries(explained);
}
