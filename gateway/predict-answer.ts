/**
 * The answer of POST /predict as text. Written by hand because it is written on every request: names are quoted once
 * when a model is loaded, and a row costs only its numbers. Floats are exact doubles, integers exact at any size,
 * non-finite numbers the texts "NaN", "Infinity" and "-Infinity".
 */

import { STATUS_NAMES } from "../features/feature-status.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import { type JsonValue, toJson, writeJson } from "../features/json-value.ts";
import type { ReadPlan } from "../features/read-plan.ts";
import { ageSeconds } from "../features/row-inspection.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import type { FedEntity } from "./missing-features.ts";

/** Output values of a run, `outputs[i][row]` in the manifest's order. */
export type OutputColumns = readonly (readonly JsonValue[])[];

/** What one version says of its entities. */
export interface Prediction {
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

/** An entity's members of the answer's two lists. */
export interface EntityTexts {
  readonly prediction: string;
  readonly features: string;
}

/** Writes what a version answers. */
export interface AnswerWriter {
  /** The whole answer, of a request that one version answered. */
  whole(requestId: string, prediction: Prediction): string;
  /** Entity by entity, for an answer that several versions have a part in. */
  each(prediction: Prediction): readonly EntityTexts[];
}

/** An answer of entities that several versions answered, in the request's order. */
export function answerOf(requestId: string, model: string, entities: readonly EntityTexts[]): string {
  const predictions = entities.map(({ prediction }) => prediction).join(",");
  const features = entities.map(({ features }) => features).join(",");
  return textOf(requestId, JSON.stringify(model), predictions, features);
}

function textOf(requestId: string, quotedModel: string, predictions: string, features: string): string {
  return `{"request_id":${JSON.stringify(requestId)},"model":${quotedModel},"predictions":[${predictions}],"features":[${features}]}`;
}

/** Compiles the writer of a model's answers. */
export function compileAnswer(model: string, outputNames: readonly string[], plan: ReadPlan): AnswerWriter {
  const heads = outputNames.map((name) => `,${JSON.stringify(name)}:`);
  const quotedModel = JSON.stringify(model);
  const ageText = compileAgeText();

  function predictionText(version: number, outputs: OutputColumns, row: number): string {
    let text = `{"version":${version}`;
    for (let i = 0; i < heads.length; i++) text += heads[i]! + writeJson(outputs[i]![row]!);
    return `${text}}`;
  }

  function featuresText(entity: FedEntity, vector: FeatureVector, { explain, stale, nowMs }: Prediction): string {
    const oldestUs = oldestEventTimestampUs(vector);
    const defaulted = entity.defaulted.length === 0 ? "[]" : JSON.stringify(entity.defaulted);
    const values = explain ? `,"values":${writeJson(explainedValues(plan, vector))}` : "";
    return `{"status":"${STATUS_NAMES[entity.status]}",${ageText(oldestUs, nowMs)},"defaulted":${defaulted}${stale ? STALE : ""}${values}}`;
  }

  /** Walks the entities beside the rows of those that were not rejected. */
  function walk(prediction: Prediction, take: (prediction: string, features: string) => void): void {
    const { version, fed, vectors, outputs } = prediction;
    let row = prediction.firstRow;
    for (let e = 0; e < fed.length; e++) {
      const entity = fed[e]!;
      const rejected = entity.rejection !== undefined;
      const text = rejected ? rejectionText(version, entity.rejection) : predictionText(version, outputs, row++);
      take(text, featuresText(entity, vectors[e]!, prediction));
    }
  }

  return Object.freeze({
    whole(requestId: string, prediction: Prediction): string {
      let predictions = "";
      let features = "";
      let separator = "";
      walk(prediction, (one, itsFeatures) => {
        predictions += separator + one;
        features += separator + itsFeatures;
        separator = ",";
      });
      return textOf(requestId, quotedModel, predictions, features);
    },
    each(prediction: Prediction): readonly EntityTexts[] {
      const texts: EntityTexts[] = [];
      walk(prediction, (one, features) => texts.push({ prediction: one, features }));
      return texts;
    },
  });
}

function rejectionText(version: number, detail: string): string {
  return `{"version":${version},"error":${JSON.stringify({ code: "FEATURES_MISSING", detail })}}`;
}

const STALE = ',"stale":true';

/**
 * Writes an event timestamp and its age. Entities of one load share theirs and those of a request the moment, so the
 * last one's texts are kept.
 */
function compileAgeText(): (timestampUs: number | undefined, nowMs: number) => string {
  let lastUs: number | undefined;
  let lastMs: number | undefined;
  let timestampText = "";
  let text = "";
  return (timestampUs, nowMs) => {
    if (timestampUs === undefined) return NO_AGE;
    if (timestampUs === lastUs && nowMs === lastMs) return text;
    if (timestampUs !== lastUs) timestampText = formatTimestampUs(timestampUs);
    text = `"event_timestamp":"${timestampText}","age_seconds":${ageSeconds(timestampUs, nowMs)}`;
    lastUs = timestampUs;
    lastMs = nowMs;
    return text;
  };
}

const NO_AGE = '"event_timestamp":null,"age_seconds":null';

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
