/**
 * The compressions a topic may have, for kafkajs, which brings only gzip: snappy, lz4 and zstd. A producer chooses, so
 * all must be read. What Headgate writes itself is not compressed.
 *
 * What a batch expands to is the producer's choice too, a thousand times its size if it wants, and the bound on bytes in
 * flight counts them as they were fetched. So no batch is expanded beyond a bound: one that would be is told, and
 * waits in Kafka.
 */

import { promisify } from "node:util";
import { gzip, unzip } from "node:zlib";
import lz4 from "@2l/kafkajs-lz4";
import { Decompress as ZstdStream } from "fzstd";
import kafkajs from "kafkajs";
// @ts-expect-error: it comes without types.
import snappy from "kafkajs-snappy";
import { HeadgateError } from "../errors.ts";
import { lz4ExpandedBytes, snappyExpandedBytes, zstdWindowBytes } from "./expanded-bytes.ts";

/** A compression, for kafkajs. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  /** Throws an error caused by STREAM_UNREACHABLE for what expands beyond the bound, and what the own decoder throws. */
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** The most bytes that one compressed batch may expand to; Kafka's own producers make batches of 16 KB to 1 MB. */
const EXPANDED_BYTES_MAX = 256 * 1024 * 1024;

/** Makes kafkajs read every compression, in this process. Doing it again changes nothing. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const codecs = boundedCodecs(EXPANDED_BYTES_MAX);
  CompressionCodecs[CompressionTypes.GZIP] = () => codecs.gzip;
  CompressionCodecs[CompressionTypes.Snappy] = () => codecs.snappy;
  CompressionCodecs[CompressionTypes.LZ4] = () => codecs.lz4;
  CompressionCodecs[CompressionTypes.ZSTD] = () => codecs.zstd;
}

/** Every compression, expanding to no more than so many bytes. */
export function boundedCodecs(maxBytes: number): Readonly<Record<"gzip" | "snappy" | "lz4" | "zstd", Codec>> {
  return Object.freeze({
    gzip: boundedGzip(maxBytes),
    snappy: measured(snappy() as Codec, snappyExpandedBytes, maxBytes),
    lz4: measured(new Lz4().codec(), lz4ExpandedBytes, maxBytes),
    zstd: boundedZstd(maxBytes),
  });
}

/** A loader that honours its __esModule has unwrapped it already; Node's own does not. */
const Lz4 = lz4.default ?? (lz4 as unknown as typeof lz4.default);

/** A codec that is asked only when what it will expand to is within the bound. */
function measured(codec: Codec, expandedBytes: (buffer: Buffer) => number, maxBytes: number): Codec {
  const decompress = async (buffer: Buffer): Promise<Buffer> => {
    if (expandedBytes(buffer) > maxBytes) throw tooLarge(buffer, maxBytes);
    return codec.decompress(buffer);
  };
  return { compress: (encoder) => codec.compress(encoder), decompress };
}

const asyncGzip = promisify(gzip);
const asyncUnzip = promisify<Buffer, { maxOutputLength: number }, Buffer>(unzip);

function boundedGzip(maxBytes: number): Codec {
  const decompress = async (buffer: Buffer): Promise<Buffer> => {
    try {
      return await asyncUnzip(buffer, { maxOutputLength: maxBytes });
    } catch (cause) {
      throw (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? tooLarge(buffer, maxBytes) : cause;
    }
  };
  return { compress: ({ buffer }) => asyncGzip(buffer), decompress };
}

/** Its frames need not say how large they are, so it is expanded a block at a time. */
function boundedZstd(maxBytes: number): Codec {
  const decompress = async (buffer: Buffer): Promise<Buffer> => {
    if (zstdWindowBytes(buffer) > maxBytes) throw tooLarge(buffer, maxBytes);
    const blocks: Uint8Array[] = [];
    let bytes = 0;
    const stream = new ZstdStream((block) => {
      bytes += block.length;
      if (bytes > maxBytes) throw tooLarge(buffer, maxBytes);
      blocks.push(block);
    });
    stream.push(buffer, true);
    return Buffer.concat(blocks, bytes);
  };
  return { compress: () => Promise.reject(new Error("Headgate does not write zstd.")), decompress };
}

/** For kafkajs an error that it does not try again: to expand it again would cost as much each time, and tell nobody. */
function tooLarge({ length }: Buffer, maxBytes: number): Error {
  const cause = new HeadgateError(
    "STREAM_UNREACHABLE",
    `A batch of ${length} bytes expands to more than ${maxBytes}, which Headgate does not take into memory. Make its producer's batches smaller, or move the group's offset past it.`,
  );
  return Object.assign(new kafkajs.KafkaJSNonRetriableError(cause), { cause });
}
