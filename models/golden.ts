/**
 * What a model has to show before it is READY: it answers the manifest's golden examples, each alone and all of them in
 * one batch (an export whose batch axis is only declared answers wrongly there), and it is warm. A model that passes
 * has run on this machine, with this runtime, the way requests will run it.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import type { FeatureValue, ScalarKind } from "../features/field.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import type { FeatureColumn } from "../features/read-plan.ts";
import type { Manifest, ManifestOutputValue } from "./manifest.ts";
import { invalidManifest } from "./manifest-schema.ts";
import { compileScore, scoreOutput } from "./score.ts";
import type { RunModel } from "./session.ts";
import { columnOf, featureValueOf, type Signature, type TensorType } from "./signature.ts";
import type { FeatureRow, OutputValue } from "./tensor.ts";

/** How far a float may be from an example's, as numpy.allclose has it: |got − expected| ≤ absolute + relative · |expected|. */
const GOLDEN_TOLERANCE = Object.freeze({ relative: 1e-4, absolute: 1e-6 });

/** Rows of the larger warm-up batch, and of those of the examples, unless the manifest allows only fewer. */
export const WARM_UP_ROWS = 64;
/** Runs of one row that are timed. More find a steadier least time and delay the load by as many runs. */
export const WARM_UP_RUNS = 20;
/** No further run is timed after this long, ms: a slow model is known to be slow after a few. */
export const WARM_UP_MAX_MS = 200;

/** What the warm-up took. */
export interface WarmUp {
  /** The least that a run of one row took, µs. */
  readonly runMicros: number;
  /** What the larger batch took, ms. */
  readonly batchMs: number;
}

/** An example as a feature row, and what each output must answer; undefined where the example does not say. */
export interface GoldenExample {
  readonly row: FeatureRow;
  readonly expected: readonly (ManifestOutputValue | undefined)[];
}

/** Takes the manifest's examples as rows in the service's order. Throws MANIFEST_INVALID naming example and feature. */
export function compileExamples(manifest: Manifest, columns: readonly FeatureColumn[]): readonly GoldenExample[] {
  return manifest.examples.map((example, i) => {
    const row: FeatureValue[] = columns.map(() => null);
    for (const [feature, written] of Object.entries(example.inputs)) {
      const position = columnOf(manifest, feature, columns);
      row[position] = featureValueOf(manifest, `examples[${i}].inputs.${feature}`, columns[position]!, written);
    }
    const told = (name: string) => (Object.hasOwn(example.outputs, name) ? example.outputs[name] : undefined);
    return Object.freeze({ row, expected: manifest.outputs.map(({ name }) => told(name)) });
  });
}

/** The rows of a batch that proves a model: no more than requests could ever be run in. */
export const provingRows = ({ maxBatchRows = WARM_UP_ROWS }: Pick<Manifest, "maxBatchRows">): number =>
  Math.min(WARM_UP_ROWS, maxBatchRows);

/**
 * Runs the examples and compares. Throws GOLDEN_MISMATCH naming the example, the output, expected and got, and the
 * signal's reason between two runs.
 */
export async function checkExamples(
  run: RunModel,
  examples: readonly GoldenExample[],
  signature: Signature,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<void> {
  if (examples.length === 0) return;
  for (const [i, example] of examples.entries()) {
    signal?.throwIfAborted();
    const { outputs } = await run(() => [example.row]);
    for (const [o, answers] of outputs.entries()) compare(manifest, signature, example, i, o, answers[0]!, "");
  }
  const batchRows = provingRows(manifest);
  if (batchRows === 1) return;
  const all = repeated(examples, Math.max(batchRows, examples.length));
  for (let start = 0; start < all.length; start += batchRows) {
    signal?.throwIfAborted();
    const batch = all.slice(start, start + batchRows);
    const { outputs } = await run(() => batch.map(({ row }) => row));
    const where = ` in a batch of ${batch.length} rows (alone it is right: the export's batch axis is wrong)`;
    for (const [at, example] of batch.entries()) {
      const index = (start + at) % examples.length;
      for (const [o, answers] of outputs.entries())
        compare(manifest, signature, example, index, o, answers[at]!, where);
    }
  }
}

/**
 * Runs the model until it is warm, over the examples or, without any, over a row of zeros and empty texts (defaults
 * where there are), and times it. `now` is monotonic milliseconds, `batchRows` the larger batch's. Rejects with MODEL_FAILED.
 */
export async function warmUp(
  run: RunModel,
  examples: readonly GoldenExample[],
  signature: Signature,
  columns: readonly FeatureColumn[],
  now: () => number,
  batchRows = WARM_UP_ROWS,
): Promise<WarmUp> {
  const rows = rowsOf(examples, signature, columns);
  let leastMs = Number.POSITIVE_INFINITY;
  try {
    const startMs = now();
    const batch = repeated(rows, batchRows);
    let batchMs = await timed(run, batch, now);
    if (now() - startMs < WARM_UP_MAX_MS) batchMs = await timed(run, batch, now);
    const singlyMs = now();
    for (let i = 0; i < WARM_UP_RUNS && (i === 0 || now() - singlyMs < WARM_UP_MAX_MS); i++) {
      leastMs = Math.min(leastMs, await timed(run, [rows[i % rows.length]!], now));
    }
    return { runMicros: Math.round(leastMs * 1_000), batchMs };
  } catch (thrown) {
    if (examples.length > 0) throw thrown;
    throw new HeadgateError(
      "MODEL_FAILED",
      `${reasonOf(thrown)} That was a row of zeros and empty texts; give the manifest an example, so that it is warmed up with real values.`,
      thrown,
    );
  }
}

/** Throws MANIFEST_INVALID where the manifest's score is no number of the answer, whatever the number is. */
export async function checkScore(
  run: RunModel,
  examples: readonly GoldenExample[],
  signature: Signature,
  columns: readonly FeatureColumn[],
  { file, score }: Manifest,
): Promise<void> {
  if (score === undefined) return;
  const { outputs } = await run(() => rowsOf(examples, signature, columns).slice(0, 1));
  const shown = outputs.map((answers) => answers.map(withoutNaN));
  if (!Number.isNaN(compileScore(score, signature.outputs)(shown, 0))) return;
  const at = signature.outputs.findIndex(({ name }) => name === scoreOutput(score));
  const { name, type } = signature.outputs[at]!;
  const answer = shown[at]![0]!;
  const what = Array.isArray(answer) ? `a list of ${answer.length} (${type})` : `one ${type}`;
  throw invalidManifest(file, `score "${score}" is no number of the answer: "${name}" is ${what}; name a number of it`);
}

/** A number that is not one is a number's place all the same. */
function withoutNaN(value: OutputValue): OutputValue {
  if (Array.isArray(value)) return value.map(withoutNaN);
  return Number.isNaN(value) ? 0 : value;
}

function rowsOf(
  examples: readonly GoldenExample[],
  signature: Signature,
  columns: readonly FeatureColumn[],
): readonly FeatureRow[] {
  return examples.length > 0 ? examples.map(({ row }) => row) : [blankRow(signature, columns)];
}

/** How long a run takes, ms, from when it has its rows. */
async function timed(run: RunModel, rows: readonly FeatureRow[], now: () => number): Promise<number> {
  let takenMs = 0;
  const { runMs } = await run(() => {
    takenMs = now();
    return rows;
  });
  return runMs ?? now() - takenMs;
}

function repeated<T>(of: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => of[i % of.length]!);
}

function blankRow(signature: Signature, columns: readonly FeatureColumn[]): FeatureRow {
  const blank: Partial<Record<ScalarKind, FeatureValue>> = { string: "", bool: false };
  return columns.map(({ type }, i) => signature.defaults[i] ?? blank[type.kind] ?? 0);
}

function compare(
  manifest: Manifest,
  signature: Signature,
  { expected }: GoldenExample,
  index: number,
  output: number,
  got: OutputValue,
  where: string,
): void {
  const { name, type } = signature.outputs[output]!;
  const wanted = expected[output];
  const path = wanted === undefined ? undefined : firstDifference(type, wanted, got, "");
  if (path === undefined) return;
  const show = (value: ManifestOutputValue | OutputValue) => writeJson(value as JsonValue).slice(0, 200);
  throw new HeadgateError(
    "GOLDEN_MISMATCH",
    `${manifest.file}: examples[${index}].outputs.${name}${path} expected ${show(at(wanted!, path))}, got ${show(at(got, path))}${where}; ` +
      "deploy the model that the examples were made with, or make them again from this one.",
  );
}

/** The path, as `[1][0]`, to the first place where the two disagree; undefined when they agree. */
function firstDifference(
  type: TensorType,
  expected: ManifestOutputValue,
  got: OutputValue,
  path: string,
): string | undefined {
  if (!Array.isArray(expected) && !Array.isArray(got)) return agree(type, expected, got) ? undefined : path;
  if (!Array.isArray(expected) || !Array.isArray(got) || expected.length !== got.length) return path;
  for (const [i, one] of expected.entries()) {
    const found = firstDifference(type, one, got[i]!, `${path}[${i}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function agree(type: TensorType, expected: ManifestOutputValue, got: OutputValue): boolean {
  if (type === "string" || type === "bool") return expected === got;
  if (type.startsWith("float")) {
    const number = typeof expected === "string" ? NUMBER_TEXTS.get(expected) : expected;
    return typeof number === "number" && close(number, Number(got));
  }
  // Integers exactly; one past 2^53 is written as a text.
  return typeof expected !== "boolean" && String(expected) === String(got);
}

/** The floats that JSON has no number for, as a manifest writes them. */
const NUMBER_TEXTS: ReadonlyMap<string, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function close(expected: number, got: number): boolean {
  if (Object.is(expected, got) || expected === got) return true;
  return Math.abs(got - expected) <= GOLDEN_TOLERANCE.absolute + GOLDEN_TOLERANCE.relative * Math.abs(expected);
}

function at<T>(value: T | readonly T[], path: string): T {
  let found = value as unknown;
  for (const [, index] of path.matchAll(/\[(\d+)\]/g)) found = (found as readonly unknown[])[Number(index)];
  return found as T;
}
