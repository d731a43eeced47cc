/**
 * A model's manifest, `model.json`: which feature service feeds it, which features go into which ONNX input, which
 * ONNX outputs go into the answer under which name, what happens when a feature is missing, and golden examples.
 *
 * Strict, because a misspelt key that is ignored becomes a wrong prediction: unknown keys are refused by name. What
 * can be said from the text alone is said here; what needs the graph or the feature service is signature.ts's.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import { parseDurationMs } from "../features/duration.ts";
import {
  invalidManifest,
  type ManifestOutputValue,
  type ManifestValue,
  readManifestText,
  SCORE,
  type WrittenManifest,
} from "./manifest-schema.ts";

export { EXAMPLES_MAX } from "./manifest-schema.ts";
export type { ManifestOutputValue, ManifestValue };

/** What is done for an entity whose feature is missing or too old. */
export type MissingPolicy = "reject" | "default" | "null";

/** One ONNX input and the features that go into its columns, in order; each `feature` or `view:feature`. */
export interface ManifestInput {
  readonly input: string;
  readonly features: readonly string[];
}

/** One member of the answer and the ONNX output that it shows. */
export interface ManifestOutput {
  readonly name: string;
  readonly output: string;
}

/** Golden inputs and what the model must answer. */
export interface ManifestExample {
  readonly inputs: Readonly<Record<string, ManifestValue>>;
  readonly outputs: Readonly<Record<string, ManifestOutputValue>>;
}

/** A checked manifest. */
export interface Manifest {
  /** Where it was read, for messages. */
  readonly file: string;
  readonly service: string;
  readonly inputs: readonly ManifestInput[];
  readonly outputs: readonly ManifestOutput[];
  readonly missing: MissingPolicy;
  /** By feature, spelt as in `inputs`; one for every feature when the policy is "default", else empty. */
  readonly defaults: Readonly<Record<string, ManifestValue>>;
  /** How old a feature may be for this model, beyond the views' own ttl; undefined leaves it to the views. */
  readonly maxAgeMs: number | undefined;
  /** How far out of date features from memory may be while the online store is away; undefined: 503 then. */
  readonly staleIfErrorMs: number | undefined;
  readonly examples: readonly ManifestExample[];
  /** The most rows in one run; undefined leaves it to the gateway's setting. */
  readonly maxBatchRows: number | undefined;
  /** How long a request may wait for others to share its run, µs; 0 waits for none but those of the same turn. */
  readonly maxDelayUs: number;
  /** How many worker threads a model that is too slow for the event loop gets. */
  readonly threads: number;
  /** The longest that a run of one row may take in the deploy's dry run; undefined: any. */
  readonly latencyBudgetMs: number | undefined;
  /** Which number of the answer statistics are kept of, as "score" or "probabilities[1]"; undefined: see score.ts. */
  readonly score: string | undefined;
  /** How old the parity verdicts of the views may be for a deploy; undefined asks for none. */
  readonly requireParityMs: number | undefined;
  /** By name in the answer: the classes of an output, in its order. */
  readonly classLabels: Readonly<Record<string, readonly (number | string)[]>>;
  /** What a deployed version's files are, by name; empty for one that was placed by hand. */
  readonly files: Readonly<Record<string, ManifestFile>>;
}

/** What a file of a version is. */
export interface ManifestFile {
  /** Hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Names that the answer needs for itself. */
export const RESERVED_OUTPUTS: readonly string[] = ["version", "error"];

const OUTPUT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

/** Parses a manifest. Throws MANIFEST_INVALID naming the file, the path in the JSON and what to write there. */
export function parseManifest(text: string, file: string): Manifest {
  const written = readManifestText(text, file);
  const { missing } = written;
  const manifest: Manifest = {
    file,
    service: written.service,
    inputs: Object.entries(written.inputs).map(([input, features]) =>
      Object.freeze({ input, features: Object.freeze(features) }),
    ),
    outputs: Object.entries(written.outputs).map(([name, output]) => Object.freeze({ name, output })),
    missing: missing?.policy ?? "reject",
    defaults: missing?.defaults ?? {},
    maxAgeMs: durationMs(written, "max_age", file),
    staleIfErrorMs: durationMs(written, "stale_if_error", file),
    examples: written.examples ?? [],
    maxBatchRows: written.max_batch,
    maxDelayUs: written.max_delay_us ?? 0,
    threads: written.threads ?? 1,
    latencyBudgetMs: durationMs(written, "latency_budget", file),
    score: written.score,
    requireParityMs: durationMs(written, "require_parity", file),
    classLabels: written.class_labels ?? {},
    files: written.files ?? {},
  };
  checkNames(manifest);
  checkDefaults(manifest);
  checkAnswers(manifest);
  for (const [i, example] of manifest.examples.entries()) checkExample(manifest, example, `examples[${i}]`);
  return Object.freeze(manifest);
}

/** Every feature that the inputs name, once each, as spelt. */
export function featuresOf(manifest: Manifest): readonly string[] {
  return [...new Set(manifest.inputs.flatMap((input) => input.features))];
}

function checkNames(manifest: Manifest): void {
  if (manifest.inputs.length === 0)
    throw invalidManifest(manifest.file, "inputs is empty; map each ONNX input to its features");
  if (manifest.outputs.length === 0)
    throw invalidManifest(manifest.file, "outputs is empty; name at least one ONNX output");
  for (const { name } of manifest.outputs) {
    if (RESERVED_OUTPUTS.includes(name)) {
      throw invalidManifest(manifest.file, `outputs: "${name}" is a name that the answer itself uses; choose another`);
    }
    if (!OUTPUT_NAME.test(name)) {
      throw invalidManifest(
        manifest.file,
        `outputs: ${JSON.stringify(name)} can't be used; start with a letter and use letters, digits and "_"`,
      );
    }
  }
}

function checkDefaults(manifest: Manifest): void {
  const features = featuresOf(manifest);
  const given = Object.keys(manifest.defaults);
  if (manifest.missing !== "default") {
    if (given.length === 0) return;
    throw invalidManifest(
      manifest.file,
      `missing.defaults is given but missing.policy is "${manifest.missing}"; make it "default" or take the defaults out`,
    );
  }
  const lacking = features.filter((name) => !Object.hasOwn(manifest.defaults, name));
  if (lacking.length > 0) {
    throw invalidManifest(
      manifest.file,
      `missing.defaults has no value for ${quoted(lacking)}; policy "default" needs one for every feature in inputs`,
    );
  }
  refuseUnknown(manifest, "missing.defaults", given, features, "a feature in inputs");
}

/** What is said of the answer is said of outputs that it has. */
function checkAnswers(manifest: Manifest): void {
  const answers = manifest.outputs.map((output) => output.name);
  const scored = SCORE.exec(manifest.score ?? "")?.[1];
  if (scored !== undefined) refuseUnknown(manifest, "score", [scored], answers, "a name in outputs");
  refuseUnknown(manifest, "class_labels", Object.keys(manifest.classLabels), answers, "a name in outputs");
}

function checkExample(manifest: Manifest, example: ManifestExample, path: string): void {
  const features = featuresOf(manifest);
  refuseUnknown(manifest, `${path}.inputs`, Object.keys(example.inputs), features, "a feature in inputs");
  for (const name of features) {
    if (!Object.hasOwn(example.inputs, name))
      throw invalidManifest(manifest.file, `${path}.inputs has no value for "${name}"; add one`);
    if (example.inputs[name] === null && manifest.missing !== "null") {
      throw invalidManifest(
        manifest.file,
        `${path}.inputs."${name}" is null, which only missing.policy "null" gives to the model; write a value`,
      );
    }
  }
  const answers = Object.keys(example.outputs);
  if (answers.length === 0)
    throw invalidManifest(manifest.file, `${path}.outputs is empty; say what the model must answer`);
  refuseUnknown(
    manifest,
    `${path}.outputs`,
    answers,
    manifest.outputs.map((output) => output.name),
    "a name in outputs",
  );
}

function refuseUnknown(
  manifest: Manifest,
  path: string,
  given: readonly string[],
  known: readonly string[],
  what: string,
): void {
  const unknown = given.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw invalidManifest(
    manifest.file,
    `${path} has ${quoted(unknown)}, which is not ${what}; there are ${quoted(known)}`,
  );
}

/** Undefined where it is left out. */
function durationMs(
  written: WrittenManifest,
  key: "max_age" | "stale_if_error" | "latency_budget" | "require_parity",
  file: string,
): number | undefined {
  const text = written[key];
  if (text === undefined) return undefined;
  // Quick models take less than a millisecond, the least of other lengths.
  const micros = key === "latency_budget" ? /^([1-9]\d{0,8})us$/.exec(text)?.[1] : undefined;
  if (micros !== undefined) return Number(micros) / 1_000;
  try {
    return parseDurationMs(text, key);
  } catch (thrown) {
    throw new HeadgateError("MANIFEST_INVALID", `${file}: ${reasonOf(thrown)}`);
  }
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
