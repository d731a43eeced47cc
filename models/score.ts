/**
 * The score of an answer: the one number that drift is measured by. A manifest may say which (`"probabilities[1]"`);
 * else it is the first output of floats, and of a list its last number: a classifier's last class, a regressor's value.
 */

import { SCORE } from "./manifest-schema.ts";
import type { OutputPlan, TensorType } from "./signature.ts";
import type { OutputValue, RunResult } from "./tensor.ts";

/** Takes the score of a row from a run's outputs; NaN where there is none. */
export type ScoreOf = (outputs: RunResult["outputs"], row: number) => number;

const FLOATS: readonly TensorType[] = ["float16", "float32", "float64"];

/** Compiles the score of a model. A name that is none of `outputs` is manifest.ts's to refuse. */
export function compileScore(score: string | undefined, outputs: readonly OutputPlan[]): ScoreOf {
  const [, name, position] = SCORE.exec(score ?? "") ?? [];
  const named = outputs.findIndex((output) => output.name === name);
  const floats = outputs.findIndex(({ type }) => FLOATS.includes(type));
  const numbers = outputs.findIndex(({ type }) => type !== "string" && type !== "bool");
  const at = [named, floats, numbers].find((found) => found >= 0);
  if (at === undefined) return () => Number.NaN;
  const element = position === undefined ? undefined : Number(position);
  return (answers, row) => numberIn(answers[at]![row]!, element);
}

/** The name of the output that a manifest's score is in. */
export const scoreOutput = (score: string): string | undefined => SCORE.exec(score)?.[1];

function numberIn(value: OutputValue | undefined, element: number | undefined): number {
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return numberIn(value[element ?? value.length - 1], undefined);
  return typeof value === "bigint" ? Number(value) : Number.NaN;
}
