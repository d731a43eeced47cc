/**
 * A model file as exporters write it, made into what the runtime's Node binding takes. Some things that exporters do
 * by default stand in its way, and each is dealt with once, at load, without touching the file itself: ZipMap
 * (zipmap.ts), sequences of tensors (sequence-output.ts), a locale that servers don't have, and weights in files of
 * their own.
 *
 * The rest of the model is not understood here and survives as unknown fields (see onnx-subset.proto).
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HeadgateError, reasonOf } from "../errors.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
} from "./onnx_pb.ts";
import { splitSequences } from "./sequence-output.ts";
import { type ClassLabels, replaceZipMaps } from "./zipmap.ts";

/** A model that the runtime can take. */
export interface OnnxFile {
  /** The very bytes given when there was nothing to change. */
  readonly bytes: Uint8Array;
  /** By ONNX output whose ZipMap was taken out. */
  readonly classLabels: Readonly<Record<string, ClassLabels>>;
  /** Names of the files beside the model that hold weights, sorted. */
  readonly weightFiles: readonly string[];
}

/** Identity is in every operator set since the first; this one is the oldest that the runtime's releases vouch for. */
const IDENTITY_OPSET = 7n;

/** The locale whose case mapping is Unicode's and which a Linux without language packs has too. */
const LOCALE_EVERYWHERE = "C.UTF-8";

/** TensorProto.DataLocation.EXTERNAL. */
const EXTERNAL = 1;

/** A file's name: what could lead out of the version's folder is refused. */
const WEIGHT_FILE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;

/** The most files of weights: some exporters write one for each tensor. */
export const WEIGHT_FILES_MAX = 10_000;

/** Reads a model file. Throws MODEL_FILE_INVALID when it is not an ONNX model; `file` names it in the message. */
export function readOnnxFile(bytes: Uint8Array, file: string): OnnxFile {
  const model = parseModel(bytes, file);
  const graph = model.graph!;
  const classLabels = replaceZipMaps(graph);
  const relocated = process.platform === "linux" && replaceLocales(graph);
  const split = splitSequences(graph);
  const rewritten = classLabels !== undefined || relocated || split;
  if (classLabels !== undefined) importIdentity(model);
  return Object.freeze({
    bytes: rewritten ? toBinary(ModelProtoSchema, model) : bytes,
    classLabels: Object.freeze(classLabels ?? {}),
    weightFiles: Object.freeze(weightFilesOf(graph, file)),
  });
}

function parseModel(bytes: Uint8Array, file: string): ModelProto {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (thrown) {
    throw invalid(
      `${file} is not an ONNX model or is cut short (${reasonOf(thrown)}); export or upload it again.`,
      thrown,
    );
  }
  if (model.graph !== undefined) return model;
  throw invalid(`${file} holds no ONNX graph; export or upload it again.`);
}

/** A model that imports ai.onnx.ml alone has no Identity to put in ZipMap's place. */
function importIdentity(model: ModelProto): void {
  if (model.opsetImport.some((opset) => (opset.domain ?? "") === "")) return;
  model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: "", version: IDENTITY_OPSET }));
}

/**
 * StringNormalizer, which skl2onnx writes for every text pipeline, names no locale; the runtime then asks the system
 * for en_US.UTF-8, which no slim container has, and refuses the model. Gives it one that is there, with the same
 * letters; a locale that the graph names stays, for Turkish has others. Returns whether there was one to give.
 */
function replaceLocales(graph: GraphProto): boolean {
  const without = graph.node.filter((node) => isStringNormalizer(node) && !node.attribute.some(namesLocale));
  for (const node of without) {
    // 3 is AttributeProto.AttributeType.STRING.
    const attribute = create(AttributeProtoSchema, { name: "locale", s: encoder.encode(LOCALE_EVERYWHERE), type: 3 });
    node.attribute.push(toBinary(AttributeProtoSchema, attribute));
  }
  return without.length > 0;
}

const encoder = new TextEncoder();

const isStringNormalizer = (node: NodeProto): boolean =>
  node.opType === "StringNormalizer" && (node.domain ?? "") === "";

const namesLocale = (attribute: Uint8Array): boolean => fromBinary(AttributeProtoSchema, attribute).name === "locale";

function weightFilesOf(graph: GraphProto, file: string): string[] {
  const found = new Set<string>();
  for (const { name, dataLocation, externalData } of graph.initializer) {
    if (dataLocation !== EXTERNAL) continue;
    const location = externalData.find(({ key }) => key === "location")?.value ?? "";
    if (!WEIGHT_FILE.test(location)) {
      throw invalid(
        `${file} keeps the weight "${name}" in ${JSON.stringify(location.slice(0, 100))}, which is not a file beside it; export the model with its weights inside, or in a file of the same folder.`,
      );
    }
    found.add(location);
  }
  if (found.size <= WEIGHT_FILES_MAX) return [...found].sort();
  throw invalid(
    `${file} keeps its weights in ${found.size} files, more than the ${WEIGHT_FILES_MAX} that are read; export it with all weights in one file.`,
  );
}

function invalid(sentence: string, cause?: unknown): HeadgateError {
  return new HeadgateError("MODEL_FILE_INVALID", sentence, cause);
}
