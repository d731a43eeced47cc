/**
 * Tensors as bytes: the protocol's binary tensor extension (triton-inference-server/server,
 * docs/protocol/extension_binary_data.md). Little-endian and row-major; a BOOL is a byte, a text its length as uint32
 * before its UTF-8. Every platform that the runtime has binaries for is little-endian, so elements are copied as they are.
 *
 * Bytes are counted before anything is made of them: a length that lies is refused, and nothing is read out of bounds.
 */

import type { TensorElements } from "../../models/tensor-row.ts";
import { type Datatype, refused } from "./datatype.ts";

const LENGTH_BYTES = 4;

/** Reads `count` elements. Throws REQUEST_INVALID naming `where` for bytes that are not as many, or no such elements. */
export function readBinary(datatype: Datatype, bytes: Uint8Array, count: number, where: string): TensorElements {
  if (datatype.array === undefined) return readTexts(bytes, count, where);
  const wanted = count * datatype.elementBytes;
  if (bytes.length !== wanted) {
    throw refused(
      `${where} has ${bytes.length} bytes, but its shape holds ${count} elements of ${datatype.name}, which are ${wanted}.`,
    );
  }
  // A copy, since elements must begin at a multiple of their size, and the body's memory is not ours for long.
  const buffer = new ArrayBuffer(wanted);
  const copied = new Uint8Array(buffer);
  copied.set(bytes);
  if (datatype.name === "BOOL" && copied.some((byte) => byte > 1)) {
    throw refused(`${where} has a byte that is neither 0 nor 1; send one of these for each BOOL.`);
  }
  return new datatype.array(buffer) as TensorElements;
}

function readTexts(bytes: Uint8Array, count: number, where: string): TensorElements {
  // Each takes four bytes at least, so a shape that lies costs no memory.
  if (count * LENGTH_BYTES > bytes.length) throw wrongTexts(bytes, count, where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const texts = new Array<string>(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const begin = at + LENGTH_BYTES;
    if (begin > bytes.length) throw wrongTexts(bytes, count, where);
    const end = begin + view.getUint32(at, true);
    if (end > bytes.length) throw wrongTexts(bytes, count, where);
    try {
      texts[i] = decoder.decode(bytes.subarray(begin, end));
    } catch {
      throw refused(`${where}[${i}] is not UTF-8, which is all that a string tensor of the model can hold.`);
    }
    at = end;
  }
  if (at !== bytes.length) throw wrongTexts(bytes, count, where);
  return texts;
}

function wrongTexts(bytes: Uint8Array, count: number, where: string) {
  return refused(
    `${where} has ${bytes.length} bytes, which are not ${count} elements of BYTES, each its length as a little-endian uint32 and then as many bytes.`,
  );
}

/** Elements as bytes. */
export function writeBinary(datatype: Datatype, elements: TensorElements): Uint8Array {
  if (datatype.array === undefined) return writeTexts(elements as unknown as readonly string[]);
  const { buffer, byteLength, byteOffset } = elements as unknown as Uint8Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function writeTexts(texts: readonly string[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), 0));
  let at = 0;
  for (const text of texts) {
    const length = bytes.write(text, at + LENGTH_BYTES);
    bytes.writeUInt32LE(length, at);
    at += LENGTH_BYTES + length;
  }
  return bytes;
}
