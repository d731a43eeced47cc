/**
 * What a manifest's JSON may look like, member by member: types, spelling and bounds. Strict, because a misspelt key that
 * is ignored becomes a wrong prediction: unknown keys are refused by name. What members say of one another is
 * manifest.ts's.
 */

import { z } from "zod";
import { HeadgateError, reasonOf } from "../errors.ts";

/** A feature's value as the manifest writes it: "NaN", "Infinity" and "-Infinity" stand for themselves. */
export type ManifestValue = number | string | boolean | null;

/** An output's value as the manifest writes it; lists nest as the tensor's axes after the first do. */
export type ManifestOutputValue = number | string | boolean | readonly ManifestOutputValue[];

/** Most examples in a manifest. Each is run twice at every load; more belong in a test. */
export const EXAMPLES_MAX = 1_000;

/** Mistakes told at once; the rest show when these are mended. */
const MISTAKES_SHOWN = 5;

/** The most rows that a manifest may ask for in one run. */
const BATCH_ROWS_MAX = 1_000_000;

/** The longest that a manifest may let a request wait for others, µs. */
const DELAY_US_MAX = 1_000_000;

/** The most worker threads of one model. */
const THREADS_MAX = 64;

/** The parts of `score`: the output's name in the answer and, of a list, which number. */
export const SCORE = /^([A-Za-z][A-Za-z0-9_]*)(?:\[(\d{1,6})\])?$/;

const FEATURE = /^(?:[A-Za-z][A-Za-z0-9_]{0,62}:)?[A-Za-z][A-Za-z0-9_]{0,62}$/;

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

const SCORE_SENTENCE = 'must name a number of the answer, as "score" or "probabilities[1]"';

function whole([least, most]: readonly [number, number], unit: string) {
  const sentence = `must be a whole number of ${unit} from ${least} to ${most}`;
  return z.int(sentence).min(least, sentence).max(most, sentence);
}

function fileSchema() {
  const sha256 = "must be a SHA-256 in 64 hexadecimal digits";
  return strict(
    { sha256: z.string(sha256).regex(/^[0-9a-f]{64}$/, sha256), bytes: whole([0, 2 ** 31 - 1], "bytes") },
    "an object",
  );
}

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
    max_batch: whole([1, BATCH_ROWS_MAX], "rows").optional(),
    max_delay_us: whole([0, DELAY_US_MAX], "microseconds").optional(),
    threads: whole([1, THREADS_MAX], "worker threads").optional(),
    latency_budget: z.string('must be a length such as "5ms" or "300us"').optional(),
    score: z.string(SCORE_SENTENCE).regex(SCORE, SCORE_SENTENCE).optional(),
    require_parity: z.string('must be a length such as "36h"').optional(),
    class_labels: record(
      z.array(z.union([z.number(), z.string()], "must be a number or a text"), "must be a list of labels"),
      "must map names of the answer to lists of labels",
    ).optional(),
    files: record(fileSchema(), "must map names of files to { sha256, bytes }").optional(),
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

/** A manifest as it is written, checked member by member. */
export type WrittenManifest = z.infer<typeof ManifestSchema>;

/** Reads a manifest's text. Throws MANIFEST_INVALID naming the file, the path in the JSON and what to write there. */
export function readManifestText(text: string, file: string): WrittenManifest {
  const parsed = ManifestSchema.safeParse(parseJson(text, file));
  if (parsed.success) return parsed.data;
  throw invalidManifest(file, parsed.error.issues.slice(0, MISTAKES_SHOWN).map(sentenceOf).join("; "));
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text, (key, member) => {
      // Such a member would be dropped or become a prototype further on, either way without a word.
      if (key === "__proto__") throw new SyntaxError(`"__proto__" can't be a key`);
      return member;
    });
  } catch (thrown) {
    throw invalidManifest(
      file,
      `is not JSON (${reasonOf(thrown)}); write an object with at least service, inputs and outputs`,
    );
  }
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.reduce<string>((sofar, step) => {
    if (typeof step === "number") return `${sofar}[${step}]`;
    return sofar === "" ? String(step) : `${sofar}.${String(step)}`;
  }, "");
  return path === "" ? issue.message : `${path} ${issue.message}`;
}

/** MANIFEST_INVALID about a file. */
export function invalidManifest(file: string, sentence: string): HeadgateError {
  return new HeadgateError("MANIFEST_INVALID", `${file}: ${sentence}.`);
}
