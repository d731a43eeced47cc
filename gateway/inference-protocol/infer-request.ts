/**
 * The request of POST /v2/models/M/infer as it is sent: JSON, or JSON and after it the tensors that it says are binary,
 * in the order of its inputs. What can be said without the model is said here; lengths are checked against one another
 * and against the body before anything is read by them.
 */

import { excerpt, HeadgateError } from "../../errors.ts";
import { isObject } from "../../features/json-value.ts";
import type { TensorElements } from "../../models/tensor-row.ts";
import { parseBody } from "../predict-request.ts";
import { jsonTextOf } from "../request-body.ts";
import { readBinary } from "./binary-tensor.ts";
import { DATATYPE_NAMES, type Datatype, datatypeNamed, refused } from "./datatype.ts";
import { readJsonTensor } from "./json-tensor.ts";

/** An input of a request; its elements are not read yet. */
export interface InferInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Its elements; `binary` is what follows the request's JSON. Throws REQUEST_INVALID for what is not as many of the datatype. */
  read(binary: Buffer): TensorElements;
}

/** An output that a request asks for. */
export interface WantedOutput {
  readonly name: string;
  readonly isBinary: boolean;
}

/** A request whose JSON has the right shape. */
export interface InferRequest {
  /** To be echoed. */
  readonly id: string | undefined;
  /** At least one, each name once. */
  readonly inputs: readonly InferInput[];
  /** Undefined: all that the model has. */
  readonly outputs: readonly WantedOutput[] | undefined;
  /** What follows the JSON is as long. */
  readonly binaryBytes: number;
  /** How outputs are answered that are not asked for by name. */
  readonly isBinary: boolean;
  /** How long the client waits, ms; undefined where it does not say. */
  readonly timeoutMs: number | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

const NOTHING: JsonObject = Object.freeze({});
/** A model's tensors have no more axes than that; a shape is text that a client sends. */
const AXES_MAX = 32;

/** A body taken apart. */
export interface InferBody {
  readonly request: InferRequest;
  /** The binary tensors, one after the other. */
  readonly binary: Buffer;
}

/**
 * Parses a body; `jsonBytes` is the Inference-Header-Content-Length header. Throws BODY_NOT_JSON and REQUEST_INVALID.
 */
export type ParseInfer = (body: Uint8Array, jsonBytes: string | undefined) => InferBody;

/** The longest JSON that is remembered, bytes: longer ones hold tensors, which differ from request to request. */
const REMEMBERED_BYTES = 2_048;

/**
 * Makes a parser. A client that sends its tensors in binary sends the same JSON before them again and again, so that the
 * last one is remembered and only compared.
 */
export function createInferParser(): ParseInfer {
  let lastJson = Buffer.alloc(0);
  let last: InferRequest | undefined;
  return (body, jsonBytes) => {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const end = jsonBytes === undefined ? bytes.length : headerLength(jsonBytes, bytes.length);
    const json = bytes.subarray(0, end);
    let request = last !== undefined && json.equals(lastJson) ? last : undefined;
    if (request === undefined) {
      request = parseRequest(jsonOf(json, bytes.length, jsonBytes));
      if (end <= REMEMBERED_BYTES) {
        // A copy: the body's memory is used again.
        lastJson = Buffer.from(json);
        last = request;
      }
    }
    const binary = bytes.subarray(end);
    if (request.binaryBytes === binary.length) return { request, binary };
    throw refused(
      `The body has ${binary.length} bytes after its JSON, but the inputs say ${request.binaryBytes} (binary_data_size).`,
    );
  };
}

function jsonOf(json: Buffer, bodyBytes: number, jsonBytes: string | undefined): unknown {
  try {
    return parseBody(jsonTextOf(json, bodyBytes));
  } catch (thrown) {
    const why = whereJsonEnds(json, jsonBytes);
    if (why === undefined || !(thrown instanceof HeadgateError)) throw thrown;
    throw new HeadgateError("BODY_NOT_JSON", `${why} ${thrown.message}`);
  }
}

/** What a client forgot, or counted wrongly, whose tensors were taken for JSON; undefined where it sends none after it. */
function whereJsonEnds(json: Buffer, jsonBytes: string | undefined): string | undefined {
  if (jsonBytes !== undefined) {
    return `The first ${jsonBytes} bytes (Inference-Header-Content-Length) must be the request's JSON, all of it and nothing else.`;
  }
  if (!json.includes("binary_data_size")) return undefined;
  return "The body names binary_data_size but came without an Inference-Header-Content-Length header, and so all of it was read as JSON: send the header with the number of bytes that the JSON takes; the binary tensors follow it.";
}

function parseRequest(parsed: unknown): InferRequest {
  const json = objectOf(parsed, "The request");
  const parameters = parametersOf(json, "The request");
  refuseSequence(parameters);
  const isBinary = flagOf(parameters, "binary_data_output", "The request") ?? false;
  return {
    id: idOf(json.id),
    ...inputsOf(json.inputs),
    outputs: json.outputs === undefined ? undefined : outputsOf(json.outputs, isBinary),
    isBinary,
    timeoutMs: timeoutOf(parameters.timeout),
  };
}

function headerLength(header: string, bodyBytes: number): number {
  if (!/^\d{1,12}$/.test(header)) {
    throw refused(
      `Inference-Header-Content-Length is "${excerpt(header)}"; send the number of bytes that the JSON takes.`,
    );
  }
  const length = Number(header);
  if (length === 0) throw refused("Inference-Header-Content-Length is 0: a body without its JSON is not taken.");
  if (length <= bodyBytes) return length;
  throw refused(`Inference-Header-Content-Length is ${length}, but the whole body has ${bodyBytes} bytes.`);
}

function inputsOf(value: unknown): Pick<InferRequest, "inputs" | "binaryBytes"> {
  const given = listOf(value, "inputs");
  if (given.length === 0) throw refused(`"inputs" is empty; send at least one tensor.`);
  const inputs: InferInput[] = [];
  let at = 0;
  for (let i = 0; i < given.length; i++) {
    const { input, binaryBytes } = inputOf(objectOf(given[i], `inputs[${i}]`), i, at);
    inputs.push(input);
    at += binaryBytes;
  }
  refuseTwice(inputs, "inputs");
  return { inputs, binaryBytes: at };
}

/** `at`: where the input's bytes begin, if it has any, after the JSON. */
function inputOf(json: JsonObject, index: number, at: number) {
  const name = nameOf(json, `inputs[${index}]`);
  const where = `Input "${excerpt(name)}"`;
  const datatype = datatypeNamed(json.datatype);
  if (datatype === undefined) throw refused(`${where} has no "datatype" that is one of ${DATATYPE_NAMES}.`);
  const shape = shapeOf(json.shape, where);
  const count = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(count)) throw refused(`${where} has a shape of more elements than there can be.`);
  const parameters = parametersOf(json, where);
  if (parameters.shared_memory_region !== undefined) throw refused(`${where} is in shared memory; send its data.`);
  const size = parameters.binary_data_size;
  if (size === undefined) {
    const read = () => readJsonTensor(datatype, json.data, shape, where);
    return { input: { name, datatype, shape, read }, binaryBytes: 0 };
  }
  if (json.data !== undefined) throw refused(`${where} has both "data" and binary_data_size; send one of them.`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw refused(`${where} has a binary_data_size that is no number of bytes.`);
  }
  const read = (binary: Buffer) => readBinary(datatype, binary.subarray(at, at + size), count, where);
  return { input: { name, datatype, shape, read }, binaryBytes: size };
}

function shapeOf(value: unknown, where: string): readonly number[] {
  const isShape =
    Array.isArray(value) && value.length <= AXES_MAX && value.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (isShape) return value as number[];
  throw refused(`${where} has no "shape" that is a list of whole numbers, such as [1, 4].`);
}

function outputsOf(value: unknown, isBinary: boolean): readonly WantedOutput[] | undefined {
  const wanted = listOf(value, "outputs").map((one, i) => {
    const json = objectOf(one, `outputs[${i}]`);
    const name = nameOf(json, `outputs[${i}]`);
    const where = `Output "${excerpt(name)}"`;
    const parameters = parametersOf(json, where);
    if (parameters.classification !== undefined)
      throw refused(`${where}: classification is not supported; read the tensor.`);
    if (parameters.shared_memory_region !== undefined) throw refused(`${where} can't go into shared memory.`);
    return { name, isBinary: flagOf(parameters, "binary_data", where) ?? isBinary };
  });
  refuseTwice(wanted, "outputs");
  return wanted.length === 0 ? undefined : wanted;
}

function refuseTwice(named: readonly { readonly name: string }[], member: string): void {
  if (named.length < 2) return;
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) throw refused(`"${excerpt(name)}" is in "${member}" twice; send it once.`);
    seen.add(name);
  }
}

/** A model here holds nothing from one request to the next. */
function refuseSequence({ sequence_id }: JsonObject): void {
  if (sequence_id === undefined || sequence_id === 0 || sequence_id === "") return;
  throw refused("sequence_id: no model here keeps a state between requests; leave it out.");
}

/** Triton's: µs. */
function timeoutOf(value: unknown): number | undefined {
  if (value === undefined || value === 0) return undefined;
  if (typeof value === "number" && value > 0) return value / 1_000;
  throw refused("The request's timeout must be a positive number of microseconds.");
}

function idOf(value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw refused(`"id" must be a text.`);
}

function nameOf({ name }: JsonObject, where: string): string {
  if (typeof name === "string" && name !== "") return name;
  throw refused(`${where} has no "name".`);
}

function flagOf(parameters: JsonObject, name: string, where: string): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw refused(`${where} has a parameter ${name} that is neither true nor false.`);
}

function parametersOf({ parameters }: JsonObject, where: string): JsonObject {
  return parameters === undefined ? NOTHING : objectOf(parameters, `The parameters of ${where}`);
}

function listOf(value: unknown, member: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw refused(`"${member}" must be a list.`);
}

function objectOf(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value;
  throw refused(`${what} must be a JSON object.`);
}
