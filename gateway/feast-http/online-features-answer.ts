/**
 * The answer of POST /get-online-features: a column for each join key that was sent and one for each feature, in the
 * request's order, each with a value, a status and an event time per row. What does not depend on the rows is written
 * when the plan is compiled.
 */

import { STATUS, STATUS_NAMES } from "../../features/feature-status.ts";
import type { FeatureVector } from "../../features/feature-vector.ts";
import type { FeatureValue } from "../../features/field.ts";
import type { ReadPlan } from "../../features/read-plan.ts";
import type { AskedFeature, KeyColumn } from "./asked-features.ts";
import { compileEventTimeText, compileFeastText, EPOCH_TEXT, type FeastText } from "./feast-json.ts";

/** Writes an answer: `keyValues[i]` are the values of key column i, `vectors` one per row, undefined where nothing was read. */
export type AnswerOnlineFeatures = (
  keyValues: readonly (readonly FeatureValue[])[],
  vectors: readonly FeatureVector[] | undefined,
  rowCount: number,
) => string;

/** What a writer is compiled from. */
export interface OnlineFeaturesAnswerOptions {
  readonly keys: readonly KeyColumn[];
  readonly asked: readonly AskedFeature[];
  /** The features' names in the answer. */
  readonly names: readonly string[];
  /** Undefined where nothing is read. */
  readonly plan: ReadPlan | undefined;
  /** True: every status is PRESENT. */
  readonly presentOnly: boolean;
  /** The views to list in the metadata. */
  readonly views: readonly string[] | undefined;
}

/** A feature's place in the vectors. */
interface FeatureColumn {
  readonly slot: number;
  /** Undefined for what was computed, or came with the request. */
  readonly view: number | undefined;
  readonly text: FeastText;
}

/** Compiles it. */
export function compileOnlineFeaturesAnswer(options: OnlineFeaturesAnswerOptions): AnswerOnlineFeatures {
  const { keys, names, presentOnly, views } = options;
  const columns = columnsOf(options);
  const metadata = {
    feature_names: [...keys.map(({ joinKey }) => joinKey), ...names],
    ...(views === undefined ? {} : { feature_view_metadata: views.map((name) => ({ name })) }),
  };
  const tail = `],"metadata":${JSON.stringify(metadata)}}`;
  const eventTimeText = compileEventTimeText();
  const statusTexts = STATUS_NAMES.map((name) => `"${presentOnly ? "PRESENT" : name}"`);

  function featureText(column: FeatureColumn, vectors: readonly FeatureVector[]): string {
    const { slot, view, text } = column;
    let values = "";
    let statuses = "";
    let times = "";
    for (let row = 0; row < vectors.length; row++) {
      const vector = vectors[row]!;
      const eventTimestampUs = view === undefined ? undefined : vector.views[view]!.eventTimestampUs;
      const separator = row === 0 ? "" : ",";
      values += separator + text(vector.values[slot]!);
      statuses += separator + statusTexts[vector.statuses[slot]!]!;
      times += separator + (eventTimestampUs === undefined ? EPOCH_TEXT : eventTimeText(eventTimestampUs));
    }
    return columnText(values, statuses, times);
  }

  return (keyValues, vectors, rowCount) => {
    let results = "";
    for (let i = 0; i < keys.length; i++) {
      const values = keyValues[i]!.map(keys[i]!.text).join(",");
      results += (i === 0 ? "" : ",") + columnText(values, repeated(PRESENT, rowCount), repeated(EPOCH_TEXT, rowCount));
    }
    for (const column of columns) {
      const text =
        column === undefined
          ? columnText(
              repeated("null", rowCount),
              repeated(statusTexts[STATUS.NOT_FOUND]!, rowCount),
              repeated(EPOCH_TEXT, rowCount),
            )
          : featureText(column, vectors!);
      results += results === "" ? text : `,${text}`;
    }
    return `{"results":[${results}${tail}`;
  };
}

const PRESENT = '"PRESENT"';

function columnText(values: string, statuses: string, times: string): string {
  return `{"values":[${values}],"statuses":[${statuses}],"event_timestamps":[${times}]}`;
}

function repeated(text: string, count: number): string {
  return count === 1 ? text : new Array(count).fill(text).join(",");
}

/** Undefined for a feature that is not read. */
function columnsOf({ asked, plan }: OnlineFeaturesAnswerOptions): readonly (FeatureColumn | undefined)[] {
  const views = new Map(plan?.keys.flatMap((key) => key.views).map(({ name, index }) => [name, index]));
  // Neither name holds a colon.
  const slots = new Map(plan?.columns.map(({ view, field }, slot) => [`${view}:${field}`, slot]));
  return asked.map(({ from, field }) => {
    const slot = slots.get(`${from.name}:${field}`);
    return slot === undefined
      ? undefined
      : { slot, view: views.get(from.name), text: compileFeastText(from.schema[field]!) };
  });
}
