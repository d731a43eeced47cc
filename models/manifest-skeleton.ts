/**
 * A first manifest for a model that comes without one, from its graph and the feature services that there are: inputs
 * matched to features by name, a matrix to a service that has just as many columns for it. What could not be matched is
 * told, never guessed: a feature in the wrong column is a wrong prediction that nothing else would notice.
 *
 * The service taken is the one that leaves the fewest inputs unmatched, and of those the one with the fewest features
 * to spare.
 */

import type { FeatureColumn } from "../features/read-plan.ts";
import { RESERVED_OUTPUTS } from "./manifest.ts";
import { canFeed, type Graph, type GraphPort } from "./signature.ts";
import type { ClassLabels } from "./zipmap.ts";

/** A feature service and its columns, in order. */
export interface ServiceColumns {
  readonly service: string;
  readonly columns: readonly FeatureColumn[];
}

/** A manifest as it is written down. An input that nothing was found for has an empty list, which no load accepts. */
export interface ManifestSkeleton {
  /** Empty when there is no feature service at all. */
  readonly service: string;
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  readonly outputs: Readonly<Record<string, string>>;
}

/** A skeleton, and a sentence for each thing that its author has to see to. */
export interface Skeleton {
  readonly manifest: ManifestSkeleton;
  readonly unmatched: readonly string[];
}

/**
 * Writes a manifest for a graph as session.ts tells it. `classLabels` are the outputs whose ZipMap was taken out. With
 * nothing in `unmatched` the manifest loads; what it maps is still for its author to read.
 */
export function skeletonOf(
  graph: Graph,
  services: readonly ServiceColumns[],
  classLabels: Readonly<Record<string, ClassLabels>> = {},
): Skeleton {
  const matches = services.map((service) => matchService(graph, service)).sort(byFit);
  const [best, second] = matches;
  const unmatched = best === undefined ? ["There is no feature service; declare one, and name it in service."] : [];
  if (best !== undefined && second !== undefined && byFit(best, second) === 0) {
    unmatched.push(`Feature services "${best.service}" and "${second.service}" fit alike; "${best.service}" is taken.`);
  }
  unmatched.push(...(best?.unmatched ?? []));
  const outputs = nameOutputs(graph, classLabels, unmatched);
  const empty = graph.inputs.map(({ name }) => [name, []]);
  return Object.freeze({
    manifest: Object.freeze({
      service: best?.service ?? "",
      inputs: Object.freeze(best?.inputs ?? Object.fromEntries(empty)),
      outputs: Object.freeze(outputs),
    }),
    unmatched: Object.freeze(unmatched),
  });
}

interface ServiceMatch {
  readonly service: string;
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  readonly unmatched: readonly string[];
  readonly spareColumns: number;
}

const byFit = (a: ServiceMatch, b: ServiceMatch): number =>
  a.unmatched.length - b.unmatched.length || a.spareColumns - b.spareColumns;

function matchService(graph: Graph, { service, columns }: ServiceColumns): ServiceMatch {
  const found = new Map<GraphPort, readonly FeatureColumn[]>();
  for (const port of graph.inputs) {
    const named = rowWidth(port) === 1 || rowWidth(port) === undefined ? columnsNamed(port, columns) : [];
    if (named.length === 1 && feeds(named[0]!, port)) found.set(port, named);
  }
  const left = graph.inputs.filter((port) => !found.has(port));
  const used = new Set([...found.values()].flat());
  const spare = columns.filter((column) => !used.has(column));
  const [matrix] = left;
  if (matrix !== undefined && left.length === 1) {
    const feedable = spare.filter((column) => feeds(column, matrix));
    if (fillsMatrix(matrix, feedable.length, graph.inputs.length === 1)) found.set(matrix, feedable);
  }
  const unmatched = left.filter((port) => !found.has(port));
  return {
    service,
    inputs: Object.fromEntries(graph.inputs.map((port) => [port.name, spell(found.get(port) ?? [], columns)])),
    unmatched: unmatched.map((port) => whyNot(port, service, columns, spare)),
    spareColumns: columns.length - new Set([...found.values()].flat()).size,
  };
}

const feeds = ({ type }: FeatureColumn, port: GraphPort): boolean =>
  port.type !== undefined && canFeed(type, port.type);

/** How many values a row of an input is; undefined when the graph leaves it open. */
function rowWidth({ shape }: GraphPort): number | undefined {
  const [batch, ...axes] = shape;
  if (batch === undefined) return undefined;
  return axes.reduce<number | undefined>(
    (product, size) => (product === undefined || typeof size === "string" ? undefined : product * size),
    1,
  );
}

/**
 * The one input that no name matched takes the columns that are left if they are as many as it holds. One value alone
 * is matched so only where it is the whole graph's: beside named inputs its own name would have to mean something.
 */
function fillsMatrix(port: GraphPort, columnCount: number, onlyInput: boolean): boolean {
  const width = rowWidth(port);
  if (columnCount === 0) return false;
  if (width === undefined) return onlyInput;
  return width === columnCount && (width > 1 || onlyInput);
}

/** By exact name first, then without regard to case and punctuation; "view:field" and "view__field" name one too. */
function columnsNamed({ name }: GraphPort, columns: readonly FeatureColumn[]): readonly FeatureColumn[] {
  const exact = columns.filter(({ view, field }) => name === field || name === `${view}:${field}`);
  if (exact.length > 0) return exact;
  const sought = lettersOf(name);
  const alike = columns.filter(({ field }) => lettersOf(field) === sought);
  return alike.length > 0 ? alike : columns.filter(({ view, field }) => lettersOf(view + field) === sought);
}

/** Without what TensorFlow puts around a name: "serving_default_" before it and ":0" after it. */
const withoutWrapping = (name: string): string => name.replace(/^serving_default_/, "").replace(/:\d+$/, "");

const lettersOf = (name: string): string =>
  withoutWrapping(name)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");

function spell(found: readonly FeatureColumn[], columns: readonly FeatureColumn[]): string | readonly string[] {
  const names = found.map(({ view, field }) =>
    columns.filter((column) => column.field === field).length === 1 ? field : `${view}:${field}`,
  );
  return names.length === 1 ? names[0]! : names;
}

function whyNot(
  port: GraphPort,
  service: string,
  columns: readonly FeatureColumn[],
  spare: readonly FeatureColumn[],
): string {
  const subject = `Input "${port.name}"`;
  if (port.type === undefined) return `${subject} is not a tensor of numbers, bools or strings.`;
  const width = rowWidth(port);
  const named = width === undefined || width === 1 ? columnsNamed(port, columns) : [];
  const references = named.map(({ view, field }) => `${view}:${field}`).join(" and ");
  if (named.length > 1) return `${subject} could be ${references} of feature service "${service}".`;
  if (named.length === 1)
    return `${subject} is ${port.type}, which ${references} (${named[0]!.type.kind}) can't become.`;
  if (width === 1) return `${subject} (${port.type}) has the name of no feature in feature service "${service}".`;
  const feedable = spare.filter((column) => feeds(column, port)).length;
  return `${subject} takes ${width ?? "an open number of"} values a row (${port.type}), and feature service "${service}" has ${feedable} left for it.`;
}

function nameOutputs(
  graph: Graph,
  classLabels: Readonly<Record<string, ClassLabels>>,
  unmatched: string[],
): Record<string, string> {
  const outputs: Record<string, string> = {};
  const readable = graph.outputs.filter(({ type }) => type !== undefined);
  for (const { name } of graph.outputs.filter(({ type }) => type === undefined)) {
    unmatched.push(`Output "${name}" is not a tensor of numbers, bools or strings and can't be answered.`);
  }
  for (const { name } of readable) {
    const wanted = Object.hasOwn(classLabels, name) ? "probabilities" : nameOf(name, readable.length === 1);
    outputs[freeName(wanted, outputs)] = name;
  }
  return outputs;
}

/** What exporters call the same thing by, in letters alone. */
const KNOWN_OUTPUTS: readonly (readonly [RegExp, string])[] = [
  [/^(output|predicted)?(labels?|class(es)?)$/, "label"],
  [/^(output|predict)?proba(bility|bilities)?$/, "probabilities"],
  [/^(output)?scores?$|^decisionfunction$/, "score"],
  [/^(output)?predictions?$|^variable$/, "prediction"],
];

function nameOf(output: string, alone: boolean): string {
  const letters = lettersOf(output);
  const known = KNOWN_OUTPUTS.find(([spelling]) => spelling.test(letters));
  if (known !== undefined) return known[1];
  if (alone) return "prediction";
  const cleaned = withoutWrapping(output)
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(cleaned) && !RESERVED_OUTPUTS.includes(cleaned) ? cleaned : `output_${cleaned}`;
}

/** At most as long as a name may be, and no name twice. */
function freeName(wanted: string, taken: Readonly<Record<string, string>>): string {
  const cut = wanted.slice(0, 60);
  for (let i = 2; ; i++) {
    const name = i === 2 ? cut : `${cut.slice(0, 56)}_${i - 1}`;
    if (!Object.hasOwn(taken, name)) return name;
  }
}
