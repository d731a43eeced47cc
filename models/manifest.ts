/**
 * A model's manifest, `model.json`: which feature service feeds it, which features go into which ONNX input, which
 * ONNX outputs go into the answer under which name, what happens when a feature is missing, and golden examples.
 *
 * Strict, because a misspelt key that is ignored becomes a wrong prediction: unknown keys are refused by name. What
 * can be said from the text alone is said here; what needs the graph or the feature service is signature.ts's.
 */

import { z } from "zod";
import { HeadgateError, reasonOf } from "../errors.ts";
import { parseDurationMs } from "../features/duration.ts";

/** What is done for an entity whose feature is missing or too old. */
export type MissingPolicy = "reject" | "default" | "null";

/** A feature's value as the manifest writes it: "NaN", "Infinity" and "-Infinity" stand for themselves. */
export type ManifestValue = number | string | boolean | null;

/** An output's value as the manifest writes it; lists nest as the tensor's axes after the first do. */
export type ManifestOutputValue = number | string | boolean | readonly ManifestOutputValue[];

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
}

/** Most examples in a manifest. Each is run twice at every load; more belong in a test. */
export const EXAMPLES_MAX = 1_000;

/** Mistakes told at once; the rest show when these are mended. */
const MISTAKES_SHOWN = 5;

/** Names that the answer needs for itself. */
export const RESERVED_OUTPUTS: readonly string[] = ["version", "error"];

const FEATURE = /^(?:[A-Za-z][A-Za-z0-9_]{0,62}:)?[A-Za-z][A-Za-z0-9_]{0,62}$/;
const OUTPUT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

const text = (sentence: string) => z.string(sentence).min(1, sentence);
const feature = z.string("must name a feature").regex(FEATURE, 'must name a feature, as "field" or "view:field"');
const value = z.union(
  [z.number(), z.string(), z.boolean()],
  'must be a number, a text, true, false, "NaN" or "Infinity"',
);
const outputValue: z.ZodType<ManifestOutputValue> = z.lazy(() =>
  z.union([value, z.array(outputValue)], "must be a number, a text, true, false or a list of these"),
);
const listOfFeatures = z
  .array(feature, "must be a feature or a list of features")
  .min(1, "must name at least one feature");

/** A strict object whose refusals list the keys that there are. */
function strict<Shape extends z.ZodRawShape>(shape: Shape, what: string) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has the unknown key "${issue.keys.join('", "')}"; the keys here are ${keys}`
        : `must be ${what} with ${keys}`,
  });
}

const record = <Value extends z.ZodType>(of: Value, sentence: string) => z.record(z.string(), of, sentence);

const ManifestSchema = strict(
  {
    service: text('must name a feature service, such as "churn_v1"'),
    inputs: record(
      z.union(
        [feature.transform((name) => [name]), listOfFeatures],
        'must be a feature ("field" or "view:field") or a list of them',
      ),
      "must map each ONNX input to a feature or a list of features",
    ),
    outputs: record(text("must name an ONNX output"), "must map each name in the answer to an ONNX output"),
    missing: strict(
      {
        policy: z.enum(["reject", "default", "null"], 'must be "reject", "default" or "null"'),
        defaults: record(value, "must map features to values").optional(),
      },
      "an object",
    ).optional(),
    max_age: z.string('must be a length such as "2d" or "36h"').optional(),
    stale_if_error: z.string('must be a length such as "10m"').optional(),
    examples: z
      .array(
        strict(
          {
            inputs: record(value.nullable(), "must map features to values"),
            outputs: record(outputValue, "must map names of the answer to values"),
          },
          "an object",
        ),
        "must be a list of { inputs, outputs }",
      )
      .max(EXAMPLES_MAX, `must hold at most ${EXAMPLES_MAX} examples`)
      .optional(),
  },
  "an object",
);

/** Parses a manifest. Throws MANIFEST_INVALID naming the file, the path in the JSON and what to write there. */
export function parseManifest(text: string, file: string): Manifest {
  const parsed = ManifestSchema.safeParse(parseJson(text, file));
  if (!parsed.success) throw invalid(file, parsed.error.issues.slice(0, MISTAKES_SHOWN).map(sentenceOf).join("; "));
  const {
    service,
    inputs,
    outputs,
    missing,
    max_age: maxAge,
    stale_if_error: staleIfError,
    examples = [],
  } = parsed.data;
  const manifest: Manifest = {
    file,
    service,
    inputs: Object.entries(inputs).map(([input, features]) =>
      Object.freeze({ input, features: Object.freeze(features) }),
    ),
    outputs: Object.entries(outputs).map(([name, output]) => Object.freeze({ name, output })),
    missing: missing?.policy ?? "reject",
    defaults: missing?.defaults ?? {},
    maxAgeMs: maxAge === undefined ? undefined : durationMs(maxAge, "max_age", file),
    staleIfErrorMs: staleIfError === undefined ? undefined : durationMs(staleIfError, "stale_if_error", file),
    examples,
  };
  checkNames(manifest);
  checkDefaults(manifest);
  for (const [i, example] of examples.entries()) checkExample(manifest, example, `examples[${i}]`);
  return Object.freeze(manifest);
}

/** Every feature that the inputs name, once each, as spelt. */
export function featuresOf(manifest: Manifest): readonly string[] {
  return [...new Set(manifest.inputs.flatMap((input) => input.features))];
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text, (key, member) => {
      // Such a member would be dropped or become a prototype further on, either way without a word.
      if (key === "__proto__") throw new SyntaxError(`"__proto__" can't be a key`);
      return member;
    });
  } catch (thrown) {
    throw invalid(file, `is not JSON (${reasonOf(thrown)}); write an object with at least service, inputs and outputs`);
  }
}

function checkNames(manifest: Manifest): void {
  if (manifest.inputs.length === 0)
    throw invalid(manifest.file, "inputs is empty; map each ONNX input to its features");
  if (manifest.outputs.length === 0) throw invalid(manifest.file, "outputs is empty; name at least one ONNX output");
  for (const { name } of manifest.outputs) {
    if (RESERVED_OUTPUTS.includes(name)) {
      throw invalid(manifest.file, `outputs: "${name}" is a name that the answer itself uses; choose another`);
    }
    if (!OUTPUT_NAME.test(name)) {
      throw invalid(
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
    throw invalid(
      manifest.file,
      `missing.defaults is given but missing.policy is "${manifest.missing}"; make it "default" or take the defaults out`,
    );
  }
  const lacking = features.filter((name) => !Object.hasOwn(manifest.defaults, name));
  if (lacking.length > 0) {
    throw invalid(
      manifest.file,
      `missing.defaults has no value for ${quoted(lacking)}; policy "default" needs one for every feature in inputs`,
    );
  }
  refuseUnknown(manifest, "missing.defaults", given, features, "a feature in inputs");
}

function checkExample(manifest: Manifest, example: ManifestExample, path: string): void {
  const features = featuresOf(manifest);
  refuseUnknown(manifest, `${path}.inputs`, Object.keys(example.inputs), features, "a feature in inputs");
  for (const name of features) {
    if (!Object.hasOwn(example.inputs, name))
      throw invalid(manifest.file, `${path}.inputs has no value for "${name}"; add one`);
    if (example.inputs[name] === null && manifest.missing !== "null") {
      throw invalid(
        manifest.file,
        `${path}.inputs."${name}" is null, which only missing.policy "null" gives to the model; write a value`,
      );
    }
  }
  const answers = Object.keys(example.outputs);
  if (answers.length === 0) throw invalid(manifest.file, `${path}.outputs is empty; say what the model must answer`);
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
  throw invalid(manifest.file, `${path} has ${quoted(unknown)}, which is not ${what}; there are ${quoted(known)}`);
}

function durationMs(text: string, path: string, file: string): number {
  try {
    return parseDurationMs(text, path);
  } catch (thrown) {
    throw new HeadgateError("MANIFEST_INVALID", `${file}: ${reasonOf(thrown)}`);
  }
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.reduce<string>((sofar, step) => {
    if (typeof step === "number") return `${sofar}[${step}]`;
    return sofar === "" ? String(step) : `${sofar}.${String(step)}`;
  }, "");
  return path === "" ? issue.message : `${path} ${issue.message}`;
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

function invalid(file: string, sentence: string): HeadgateError {
  return new HeadgateError("MANIFEST_INVALID", `${file}: ${sentence}.`);
}
