/**
 * A model's signature: its manifest, its graph and its feature service checked against one another, once, at load, and
 * compiled into what a request walks: which columns of a feature row go into which tensor, and which tensors come back.
 * A mismatch is refused with both sides named, because fed in silence it would be a wrong prediction.
 *
 * What may be fed into what is decided by kind, not by value: integers, bools and timestamps into every numeric
 * tensor (a value that a narrow integer tensor can't hold is refused when it comes), floats into float tensors (they
 * round as floats do), bools into bool tensors, texts into string tensors. Lists and bytes are not fed.
 */

import { HeadgateError } from "../errors.ts";
import { type FeatureValue, type FieldType, REFUSED, type ScalarKind, typeName } from "../features/field.ts";
import { compileFromJson } from "../features/json-value.ts";
import type { FeatureColumn } from "../features/read-plan.ts";
import type { Manifest, ManifestInput, ManifestValue } from "./manifest.ts";

/** The tensor types that can be fed and read, in the runtime's words. */
export const TENSOR_TYPES = [
  "float16",
  "float32",
  "float64",
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "bool",
  "string",
] as const;

/** A tensor type that can be fed and read. */
export type TensorType = (typeof TENSOR_TYPES)[number];

/** An input or output as the graph declares it. */
export interface GraphPort {
  readonly name: string;
  /** Undefined for what is not a tensor, or a tensor of a type that can't be fed or read. */
  readonly type: TensorType | undefined;
  /** Sizes, or names of symbolic axes; empty when the graph declares none. */
  readonly shape: readonly (number | string)[];
}

/** What a graph takes and gives. */
export interface Graph {
  readonly file: string;
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

/** How one tensor is filled. */
export interface InputPlan {
  readonly input: string;
  readonly type: TensorType;
  /** Positions in a feature row, in the order of the tensor's columns. */
  readonly columns: readonly number[];
  /** `view:field` of each column, for messages. */
  readonly features: readonly string[];
  /** The tensor's axes after the first: none for [N], [columns] for a matrix, [2, 3] for two steps of three columns. */
  readonly rowShape: readonly number[];
}

/** Which tensor a member of the answer comes from. */
export interface OutputPlan {
  readonly name: string;
  readonly output: string;
  readonly type: TensorType;
}

/** A checked and compiled signature. */
export interface Signature {
  readonly inputs: readonly InputPlan[];
  readonly outputs: readonly OutputPlan[];
  /** How many rows one run of the graph takes: as many as its batch axis is fixed to, or Infinity for any number. */
  readonly rowsPerRun: number;
  /** Positions of the features that the model takes, ascending; the service's other features can be missing. */
  readonly columns: readonly number[];
  /** By position in a feature row; given for every one of `columns` when the manifest's policy is "default". */
  readonly defaults: readonly (FeatureValue | undefined)[];
}

const FLOATS: readonly TensorType[] = ["float16", "float32", "float64"];
const NUMERIC: readonly TensorType[] = TENSOR_TYPES.filter((type) => type !== "bool" && type !== "string");

const FED_INTO: Readonly<Record<ScalarKind, readonly TensorType[]>> = {
  int32: NUMERIC,
  int64: NUMERIC,
  timestamp: NUMERIC,
  float32: FLOATS,
  float64: FLOATS,
  bool: ["bool", ...NUMERIC],
  string: ["string"],
  bytes: [],
};

/** Whether a feature of a type can become an element of a tensor. */
export function canFeed({ kind, list }: FieldType, type: TensorType): boolean {
  return !list && FED_INTO[kind].includes(type);
}

/**
 * Compiles the signature. `columns` are the service's, in its order. Throws SIGNATURE_MISMATCH naming both sides, and
 * MANIFEST_INVALID for a default that its feature can't have.
 */
export function compileSignature(manifest: Manifest, graph: Graph, columns: readonly FeatureColumn[]): Signature {
  checkInputNames(manifest, graph);
  const inputs = manifest.inputs.map((mapped) => compileInput(manifest, mapped, graph, columns));
  const used = new Set(inputs.flatMap((input) => input.columns));
  return Object.freeze({
    inputs: Object.freeze(inputs),
    outputs: Object.freeze(manifest.outputs.map((mapped) => compileOutput(manifest, mapped, graph))),
    rowsPerRun: rowsPerRun(manifest, graph),
    columns: Object.freeze([...used].sort((a, b) => a - b)),
    defaults: Object.freeze(compileDefaults(manifest, columns)),
  });
}

/** The position of the feature that a manifest names. Throws SIGNATURE_MISMATCH when there is none, or two. */
export function columnOf(manifest: Manifest, feature: string, columns: readonly FeatureColumn[]): number {
  const found = columns.flatMap(({ view, field }, i) =>
    feature === field || feature === `${view}:${field}` ? [i] : [],
  );
  if (found.length === 1) return found[0]!;
  const names = (found.length === 0 ? columns : found.map((i) => columns[i]!)).map(referenceOf).join(", ");
  throw mismatch(
    manifest,
    found.length === 0
      ? `the feature "${feature}" is not in feature service "${manifest.service}", which has ${names}; add it there or name one of these`
      : `the feature "${feature}" is a field of several views in feature service "${manifest.service}"; write one of ${names}`,
  );
}

/** A feature's value as the manifest writes it. Throws MANIFEST_INVALID naming `path`. */
export function featureValueOf(
  manifest: Manifest,
  path: string,
  column: FeatureColumn,
  written: ManifestValue,
): FeatureValue {
  // JSON.parse rounds integers past 2^53, so the manifest writes those as texts.
  const digits = column.type.kind === "int64" && typeof written === "string" && /^-?\d{1,19}$/.test(written);
  const taken = compileFromJson(column.type)(digits ? BigInt(written) : written);
  if (taken !== REFUSED) return taken;
  throw new HeadgateError(
    "MANIFEST_INVALID",
    `${manifest.file}: ${path} is ${JSON.stringify(written)}, but ${referenceOf(column)} is of type ${typeName(column.type)}; ` +
      "write a value of that type (an integer past 2^53 as a text).",
  );
}

function checkInputNames(manifest: Manifest, graph: Graph): void {
  const mapped = manifest.inputs.map(({ input }) => input);
  const declared = graph.inputs.map(({ name }) => name);
  const unmapped = declared.filter((name) => !mapped.includes(name));
  const unknown = mapped.filter((name) => !declared.includes(name));
  if (unmapped.length + unknown.length === 0) return;
  const sentences = [
    unmapped.length > 0 ? `the graph needs ${quoted(unmapped)}, which the manifest does not map` : "",
    unknown.length > 0 ? `the manifest maps ${quoted(unknown)}, which the graph does not have` : "",
  ];
  throw mismatch(
    manifest,
    `inputs: ${sentences.filter((sentence) => sentence !== "").join(", and ")}; the inputs of ${graph.file} are ${quoted(declared)}`,
  );
}

function compileInput(
  manifest: Manifest,
  mapped: ManifestInput,
  graph: Graph,
  columns: readonly FeatureColumn[],
): InputPlan {
  const port = graph.inputs.find(({ name }) => name === mapped.input)!;
  const positions = mapped.features.map((feature) => columnOf(manifest, feature, columns));
  if (port.type === undefined) {
    throw mismatch(
      manifest,
      `input "${port.name}" of ${graph.file} is not a tensor of numbers, bools or strings; export the model with tensor inputs`,
    );
  }
  const rowShape = rowShapeOf(manifest, mapped, graph, port);
  for (const position of positions) checkFeeding(manifest, columns[position]!, port.name, port.type);
  if (manifest.missing === "null" && !FLOATS.includes(port.type)) {
    throw mismatch(
      manifest,
      `missing.policy is "null", which feeds NaN, but input "${port.name}" of ${graph.file} is ${port.type} and has no NaN; use "reject" or "default"`,
    );
  }
  const features = positions.map((position) => referenceOf(columns[position]!));
  return Object.freeze({
    input: port.name,
    type: port.type,
    columns: Object.freeze(positions),
    features: Object.freeze(features),
    rowShape: Object.freeze(rowShape),
  });
}

/** The axes of one row, which its features fill in order, the last axis first; one axis may be left open. */
function rowShapeOf(manifest: Manifest, mapped: ManifestInput, graph: Graph, port: GraphPort): number[] {
  const count = mapped.features.length;
  const [batch, ...axes] = port.shape;
  if (batch === undefined) return [count];
  const open = axes.filter((size) => typeof size === "string").length;
  const known = axes.reduce<number>((product, size) => (typeof size === "number" ? product * size : product), 1);
  const rest = count / known;
  if (open === 0 ? rest === 1 : open === 1 && Number.isInteger(rest)) {
    return axes.map((size) => (typeof size === "number" ? size : rest));
  }
  throw mismatch(
    manifest,
    `inputs.${mapped.input} maps ${count} feature${count === 1 ? "" : "s"} (${mapped.features.join(", ")}), ` +
      `but input "${port.name}" of ${graph.file} has the shape ${shapeText(port.shape)}; ` +
      "the first axis is the batch, and a row must be as many values as the axes after it hold",
  );
}

function checkFeeding(manifest: Manifest, column: FeatureColumn, input: string, type: TensorType): void {
  const { kind, list } = column.type;
  if (canFeed(column.type, type)) return;
  const why = list ? "lists can't be fed" : `a ${kind} can't become ${type} without guessing`;
  throw mismatch(
    manifest,
    `feature ${referenceOf(column)} is ${typeName(column.type)}, but input "${input}" is ${type}: ${why}; ` +
      "change the view's type, compute the feature in an on-demand view, or export the model with another input type",
  );
}

function compileOutput(
  manifest: Manifest,
  mapped: { readonly name: string; readonly output: string },
  graph: Graph,
): OutputPlan {
  const port = graph.outputs.find(({ name }) => name === mapped.output);
  if (port === undefined) {
    const names = quoted(graph.outputs.map(({ name }) => name));
    throw mismatch(
      manifest,
      `outputs.${mapped.name} is "${mapped.output}", which ${graph.file} does not give; its outputs are ${names}`,
    );
  }
  if (port.type === undefined) {
    throw mismatch(
      manifest,
      `outputs.${mapped.name}: output "${port.name}" of ${graph.file} is not a tensor of numbers, bools or strings; map another output or export the model with tensor outputs`,
    );
  }
  return Object.freeze({ name: mapped.name, output: mapped.output, type: port.type });
}

/** Only inputs are asked: exporters are known to declare a first axis of 1 on outputs that follow the batch. */
function rowsPerRun(manifest: Manifest, graph: Graph): number {
  const fixed = graph.inputs.filter(({ shape: [batch] }) => typeof batch === "number");
  const sizes = new Set(fixed.map(({ shape }) => shape[0] as number));
  if (sizes.size <= 1 && !sizes.has(0)) return [...sizes][0] ?? Number.POSITIVE_INFINITY;
  const shapes = fixed.map(({ name, shape }) => `"${name}" ${shapeText(shape)}`).join(", ");
  throw mismatch(
    manifest,
    `the inputs of ${graph.file} are fixed to different numbers of rows or to none (${shapes}); export the model with a symbolic batch axis`,
  );
}

function compileDefaults(manifest: Manifest, columns: readonly FeatureColumn[]): (FeatureValue | undefined)[] {
  const defaults: (FeatureValue | undefined)[] = columns.map(() => undefined);
  for (const [feature, written] of Object.entries(manifest.defaults)) {
    const position = columnOf(manifest, feature, columns);
    defaults[position] = featureValueOf(manifest, `missing.defaults.${feature}`, columns[position]!, written);
  }
  return defaults;
}

const shapeText = (shape: GraphPort["shape"]): string =>
  `[${shape.map((size) => (size === "" ? "?" : size)).join(", ")}]`;
const referenceOf = ({ view, field }: FeatureColumn): string => `${view}:${field}`;
const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

function mismatch(manifest: Manifest, sentence: string): HeadgateError {
  return new HeadgateError("SIGNATURE_MISMATCH", `${manifest.file}: ${sentence}.`);
}
