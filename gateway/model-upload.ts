/**
 * The body of a deploy: an ONNX file alone, or a form of the file, its manifest and its files of weights. It is written
 * to disk as it comes, never more than the bound and never waited for longer than its client sends nothing, and read
 * into memory only when it is all here. The files on disk have no name: whatever ends the upload, the process too,
 * nothing of it stays.
 */

import { createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy } from "@fastify/busboy";
import { excerpt, HeadgateError, reasonOf } from "../errors.ts";
import type { DeployFile } from "../models/deploy-graph.ts";
import type { ManifestText } from "../models/deploy-manifest.ts";
import { MANIFEST_MAX_BYTES } from "../models/repository-reads.ts";
import { UploadSpool } from "./model-upload-spool.ts";
import type { HeaderLookup } from "./request-body.ts";

/** What was uploaded. */
export interface ModelUpload {
  readonly file: DeployFile;
  readonly weights: readonly DeployFile[];
  readonly manifest: ManifestText | undefined;
}

/** A request whose body is an upload. */
export interface UploadRequest extends HeaderLookup {
  readonly raw: { readonly body: ReadableStream<Uint8Array> | null };
}

/** How much is taken, and how long silence is borne. */
export interface UploadBounds {
  /** Of the whole body. */
  readonly maxModelBytes: number;
  /** Longest wait for the next bytes; UPLOAD_SILENCE_MS unless given. */
  readonly silenceMs?: number;
}

/** A client that sends nothing for so long is given up, ms. */
const UPLOAD_SILENCE_MS = 30_000;
/** Parts of a form at most: a model may keep its weights in as many files as onnx-file.ts takes, and two more. */
const PARTS_MAX = 10_002;

/**
 * Receives an upload. Throws UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, REQUEST_ABORTED for a client that went away or
 * silent, REQUEST_INVALID for a form that is none, and CHECKSUM_MISMATCH for a body that is not its content-digest.
 */
export async function receiveModel(request: UploadRequest, bounds: UploadBounds): Promise<ModelUpload> {
  const type = request.header("content-type") ?? "";
  const isForm = /^multipart\/form-data\s*;/i.test(type);
  if (!isForm && !/^application\/octet-stream\s*(;|$)/i.test(type)) {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent as "${excerpt(type)}"; send the ONNX file as application/octet-stream, or a form (multipart/form-data) with the parts model and manifest.`,
    );
  }
  const declared = request.header("content-length");
  if (declared !== undefined && Number(declared) > bounds.maxModelBytes) throw tooLarge(bounds.maxModelBytes);
  const digest = digestOf(request.header("content-digest"));
  const spools: UploadSpool[] = [];
  const openSpool = async () => {
    const spool = await UploadSpool.open();
    spools.push(spool);
    return spool;
  };
  try {
    const chunks = metered(request.raw.body, bounds, digest?.hash);
    const upload = isForm ? await receiveForm(chunks, type, openSpool) : await receiveFile(chunks, openSpool);
    digest?.check();
    return upload;
  } finally {
    await Promise.all(spools.map((spool) => spool.close()));
  }
}

type OpenSpool = () => Promise<UploadSpool>;

async function receiveFile(chunks: AsyncIterable<Uint8Array>, openSpool: OpenSpool): Promise<ModelUpload> {
  const spool = await openSpool();
  for await (const chunk of chunks) await spool.write(chunk);
  return { file: { name: "model.onnx", bytes: await spool.read() }, weights: [], manifest: undefined };
}

/** A part of a form that is being written down. */
interface SpooledPart {
  readonly part: string;
  readonly name: string;
  readonly spool: UploadSpool;
}

async function receiveForm(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
  openSpool: OpenSpool,
): Promise<ModelUpload> {
  const form = formParser(contentType);
  const parts: Promise<SpooledPart>[] = [];
  const streams: Readable[] = [];
  const fail = (reason: HeadgateError) => form.destroy(reason);
  let manifest: string | undefined;
  form.on("file", (part, stream, filename) => {
    const spooling = spoolPart(part, filename || part, stream, openSpool);
    streams.push(stream);
    // A disk that is full ends the form.
    spooling.catch((cause: unknown) => form.destroy(cause as Error));
    parts.push(spooling);
  });
  form.on("field", (part, value, _, isCut) => {
    if (isCut) fail(invalid(`The part "${excerpt(part)}" is larger than ${MANIFEST_MAX_BYTES} bytes.`));
    else if (part === "manifest") manifest = value;
    else fail(invalid(`The part "${excerpt(part)}" has no file name; there are model, manifest and files of weights.`));
  });
  form.on("partsLimit", () => fail(invalid(`The form has more than ${PARTS_MAX} parts.`)));
  try {
    await pipeline(Readable.from(chunks), form);
  } catch (thrown) {
    // A form that broke off never ends the file that it was in.
    for (const stream of streams) stream.destroy();
    await Promise.allSettled(parts);
    throw thrown instanceof HeadgateError ? thrown : invalid(`The form can't be read: ${reasonOf(thrown)}.`);
  }
  return uploadOf(await Promise.all(parts), manifest);
}

function formParser(contentType: string): Busboy {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: { parts: PARTS_MAX, fieldSize: MANIFEST_MAX_BYTES, headerSize: 8_192 },
      // A part with a file name is a file, whatever its type; so is the model.
      isPartAFile: (part, _, filename) => filename !== undefined || part === "model",
    });
  } catch (thrown) {
    throw invalid(`The form can't be read: ${reasonOf(thrown)}.`);
  }
}

async function spoolPart(
  part: string,
  name: string,
  stream: AsyncIterable<Uint8Array>,
  openSpool: OpenSpool,
): Promise<SpooledPart> {
  const spool = await openSpool();
  for await (const chunk of stream) await spool.write(chunk);
  return { part, name, spool };
}

async function uploadOf(parts: readonly SpooledPart[], field: string | undefined): Promise<ModelUpload> {
  const model = only(parts, "model");
  if (model === undefined) throw invalid("The form has no part model; send the ONNX file as that.");
  const sent = only(parts, "manifest");
  // Before it is read: as a part with a file name it is as large as the whole upload may be.
  if ((sent?.spool.bytes ?? 0) > MANIFEST_MAX_BYTES) throw tooLargeManifest();
  const weights: DeployFile[] = [];
  for (const { part, name, spool } of parts) {
    if (part === "model" || part === "manifest") continue;
    if (weights.some((one) => one.name === name)) throw invalid(`The form has two files called ${excerpt(name)}.`);
    weights.push({ name, bytes: await spool.read() });
  }
  const text = field ?? (sent === undefined ? undefined : Buffer.from(await sent.spool.read()).toString("utf8"));
  return {
    file: { name: "model.onnx", bytes: await model.spool.read() },
    weights,
    manifest: text === undefined ? undefined : { text, file: "model.json" },
  };
}

const tooLargeManifest = () => invalid(`The manifest is larger than ${MANIFEST_MAX_BYTES} bytes.`);

function only(parts: readonly SpooledPart[], part: string): SpooledPart | undefined {
  const [first, second] = parts.filter((one) => one.part === part);
  if (second === undefined) return first;
  throw invalid(`The form has two parts called ${part}.`);
}

/** The body's chunks, counted and waited for. */
async function* metered(
  body: ReadableStream<Uint8Array> | null,
  { maxModelBytes, silenceMs = UPLOAD_SILENCE_MS }: UploadBounds,
  hash: Hash | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  let received = 0;
  for (;;) {
    const { done, value } = await withinSilence(reader.read(), silenceMs);
    if (done) return;
    received += value.length;
    if (received > maxModelBytes) throw tooLarge(maxModelBytes);
    hash?.update(value);
    yield value;
  }
}

function withinSilence<T>(reading: Promise<T>, silenceMs: number): Promise<T> {
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () =>
        fail(
          new HeadgateError(
            "REQUEST_ABORTED",
            `Nothing of the upload came for ${silenceMs / 1_000} s, so it was given up; send it again.`,
          ),
        ),
      silenceMs,
    );
    reading.then(
      (read) => {
        clearTimeout(timer);
        done(read);
      },
      (cause: unknown) => {
        clearTimeout(timer);
        fail(new HeadgateError("REQUEST_ABORTED", "The client went away before it had sent the whole upload.", cause));
      },
    );
  });
}

/** RFC 9530's names of algorithms, and Node's. Those that are broken or are no hashes are not taken. */
const DIGESTS: Readonly<Record<string, string>> = { "sha-256": "sha256", "sha-512": "sha512" };

/** Reads Content-Digest, RFC 9530: of the body as it is sent, a form with its boundaries too. */
function digestOf(header: string | undefined): { readonly hash: Hash; check(): void } | undefined {
  if (header === undefined) return undefined;
  const known = [...header.matchAll(/(?:^|,)\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]*):/g)].find(([, name]) => DIGESTS[name!]);
  if (known === undefined) {
    throw invalid(`content-digest is "${excerpt(header)}"; write it as sha-256=:<base64>: or sha-512=:<base64>:.`);
  }
  const [, name, digest] = known;
  const hash = createHash(DIGESTS[name!]!);
  return {
    hash,
    check: () => {
      const found = hash.digest("base64");
      if (found === digest) return;
      throw new HeadgateError(
        "CHECKSUM_MISMATCH",
        `The body's ${name} is ${found}, not the ${excerpt(digest!)} of its content-digest: it was changed or cut on its way; send it again.`,
      );
    },
  };
}

function tooLarge(maxModelBytes: number): HeadgateError {
  return new HeadgateError(
    "BODY_TOO_LARGE",
    `The upload is larger than ${maxModelBytes} bytes (maxModelBytes). Raise HEADGATE_MAX_MODEL_BYTES, or make the model smaller.`,
  );
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("REQUEST_INVALID", sentence);
}
