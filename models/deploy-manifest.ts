/**
 * The manifest of a version that is being deployed: the one that came with it, else that of the model's newest version,
 * else one made from the graph. Golden examples are one version's answers, so a manifest that is taken over leaves them
 * behind. The stored one says what the version's files are, so that a load notices when they are no longer that.
 */

import { type ErrorCode, HeadgateError, reasonOf } from "../errors.ts";
import { isObject } from "../features/json-value.ts";
import type { InspectedModel } from "./deploy-graph.ts";
import type { FileSum } from "./file-sums.ts";
import { parseManifest } from "./manifest.ts";
import { invalidManifest } from "./manifest-schema.ts";
import { type ServiceColumns, type Skeleton, skeletonOf } from "./manifest-skeleton.ts";
import type { ModelRepository } from "./repository.ts";
import { MANIFEST_MAX_BYTES } from "./repository-reads.ts";

/** A manifest's text and where it is from. */
export interface ManifestText {
  readonly text: string;
  /** For messages. */
  readonly file: string;
}

/** The manifest of a deploy, and a sentence on where it is from. */
export interface ChosenManifest extends ManifestText {
  readonly origin: string;
}

/** There is no manifest that fits, and one has to be written for the model; see `noManifest` and `otherManifest`. */
export class ManifestNeeded extends HeadgateError {
  /** Why, without what could be made. */
  readonly sentence: string;
  /** What could be made of the graph, with the gaps that its author has to fill. */
  readonly skeleton: Skeleton;

  constructor(code: ErrorCode, sentence: string, skeleton: Skeleton, cause?: unknown) {
    const { manifest, unmatched } = skeleton;
    const gaps = unmatched.slice(0, SENTENCES_SHOWN).join(" ");
    const next = unmatched.length > 0 ? "Complete this one" : "Read this one, made from its graph,";
    const shown = JSON.stringify(manifest).slice(0, SKELETON_CHARACTERS);
    super(code, `${sentence} ${gaps === "" ? "" : `${gaps} `}${next} and deploy it with the model: ${shown}`, cause);
    this.sentence = sentence;
    this.skeleton = skeleton;
  }
}

/** MANIFEST_INVALID: a model's first version came without one, and the graph alone does not say what goes where. */
function noManifest(model: string, skeleton: Skeleton): ManifestNeeded {
  const sentence = `Model "${model}" has no manifest yet, and the graph alone does not say what goes where.`;
  return new ManifestNeeded("MANIFEST_INVALID", sentence, skeleton);
}

/** What a version is refused with that came without a manifest and that the newest version's does not fit. */
export function otherManifest(thrown: HeadgateError, skeleton: Skeleton): ManifestNeeded {
  const sentence = `${thrown.message} That is the newest version's manifest, taken since none came with this file; give it its own, with --manifest or as the form's part manifest.`;
  return new ManifestNeeded(thrown.code, sentence, skeleton, thrown);
}

/** The most gaps that a refusal tells, and the most of a skeleton, in characters. */
const SENTENCES_SHOWN = 5;
const SKELETON_CHARACTERS = 4_000;

/** A skeleton as a file's text. */
export function skeletonText({ manifest }: Skeleton): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Chooses the manifest of a model's next version where none came with it. Throws ManifestNeeded. */
export async function chooseManifest(
  repository: ModelRepository,
  model: string,
  { graph, classLabels }: InspectedModel,
  services: readonly ServiceColumns[],
): Promise<ChosenManifest> {
  const newest = await newestManifest(repository, model);
  if (newest !== undefined) {
    return {
      text: withoutWhatIsTheVersions(newest.content, newest.file),
      file: newest.file,
      origin: `${newest.file}, without its examples, which are of that version`,
    };
  }
  const skeleton = skeletonOf(graph, services, classLabels);
  if (skeleton.unmatched.length > 0) throw noManifest(model, skeleton);
  const { inputs, service } = skeleton.manifest;
  const origin = `made from the graph for feature service "${service}": every input has the name of a feature, or fits it alone`;
  return {
    text: skeletonText(skeleton),
    file: "model.json (made from the graph)",
    origin: [origin, ...Object.entries(inputs).flatMap(([input, taken]) => takenOrder(input, taken))].join(". "),
  };
}

/** A matrix's columns in the order they were given, in a sentence: only who trained the model knows whether it is that. */
function takenOrder(input: string, taken: string | readonly string[]): readonly string[] {
  if (typeof taken === "string") return [];
  return [
    `Input "${input}" takes ${taken.join(", ")}: the graph does not name its columns, so that is the service's order; where the model was trained in another, deploy it with a manifest that has that one`,
  ];
}

/** What a model without a manifest throws when it is asked for one. */
const NO_MANIFEST: ReadonlySet<string> = new Set(["MODEL_NOT_FOUND", "VERSION_NOT_FOUND", "MANIFEST_INVALID"]);

async function newestManifest(repository: ModelRepository, model: string) {
  try {
    const [newest = 1] = await repository.versions(model);
    return await repository.readManifest(model, newest);
  } catch (thrown) {
    if (thrown instanceof HeadgateError && NO_MANIFEST.has(thrown.code)) return undefined;
    throw thrown;
  }
}

function withoutWhatIsTheVersions(text: string, file: string): string {
  const { class_labels: labels, examples, files, ...rest } = parsed(text, file);
  return `${JSON.stringify(rest, null, 2)}\n`;
}

/**
 * A manifest as it is stored: with the checksums of the version's files, and with the class labels that the graph has for
 * its outputs, unless its author gave others; in lines where that leaves it small enough to be read again. Throws
 * MANIFEST_INVALID, also for one that is too large.
 */
export function storedManifest(
  given: ManifestText,
  sums: ReadonlyMap<string, FileSum>,
  classLabels: InspectedModel["classLabels"],
): string {
  const { outputs } = parseManifest(given.text, given.file);
  const written = parsed(given.text, given.file);
  const found = outputs.flatMap(({ name, output }) =>
    Object.hasOwn(classLabels, output) ? [[name, classLabels[output]!.map(writtenLabel)] as const] : [],
  );
  const labels = { ...Object.fromEntries(found), ...(written.class_labels as object | undefined) };
  const stored = {
    ...written,
    ...(Object.keys(labels).length === 0 ? {} : { class_labels: labels }),
    files: Object.fromEntries(sums),
  };
  return writtenWithin(stored, given.file);
}

function writtenWithin(stored: object, file: string): string {
  const inLines = `${JSON.stringify(stored, null, 2)}\n`;
  if (Buffer.byteLength(inLines) <= MANIFEST_MAX_BYTES) return inLines;
  const inOneLine = `${JSON.stringify(stored)}\n`;
  const bytes = Buffer.byteLength(inOneLine);
  if (bytes <= MANIFEST_MAX_BYTES) return inOneLine;
  throw invalidManifest(
    file,
    `has ${bytes} bytes with the checksums of the version's files, more than the ${MANIFEST_MAX_BYTES} that can be read; take examples out`,
  );
}

/** Integers past 2^53 are texts in a manifest. */
const writtenLabel = (label: number | bigint | string): number | string =>
  typeof label === "bigint" ? label.toString() : label;

function parsed(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new HeadgateError("MANIFEST_INVALID", `${file}: is not JSON (${reasonOf(thrown)}).`);
  }
  if (isObject(value)) return value;
  throw new HeadgateError("MANIFEST_INVALID", `${file}: must be an object with service, inputs and outputs.`);
}
