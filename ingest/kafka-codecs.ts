/**
 * The compressions a topic may have, for kafkajs, which brings only gzip: snappy, lz4 and zstd. A producer chooses, so
 * all must be read. What Headgate writes itself is not compressed.
 */

import lz4 from "@2l/kafkajs-lz4";
import { decompress as decompressZstd } from "fzstd";
import kafkajs from "kafkajs";
// @ts-expect-error: it comes without types.
import snappy from "kafkajs-snappy";

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** A loader that honours its __esModule has unwrapped it already; Node's own does not. */
const Lz4 = lz4.default ?? (lz4 as unknown as typeof lz4.default);

const zstd: Codec = {
  compress: () => Promise.reject(new Error("Headgate does not write zstd.")),
  decompress: async (buffer) => {
    const { buffer: memory, byteOffset, byteLength } = decompressZstd(buffer);
    return Buffer.from(memory, byteOffset, byteLength);
  },
};

/** Makes kafkajs read every compression, in this process. Doing it again changes nothing. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.Snappy] = snappy;
  CompressionCodecs[CompressionTypes.LZ4] = new Lz4().codec;
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd;
}
