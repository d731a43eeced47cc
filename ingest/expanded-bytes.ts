/**
 * What compressed bytes will expand to, as their own framing tells, before any of them is expanded: a few bytes can
 * make gigabytes, and the decoders ask for the memory at once. Bytes that are damaged give some number; the decoder
 * says what is wrong with them.
 */

/** xerial's framing of snappy, which Java's producers write: a header, then blocks of a size in four bytes. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const SIZE_BYTES = 4;

/** The sum of what snappy's blocks declare. https://github.com/google/snappy/blob/main/format_description.txt */
export function snappyExpandedBytes(buffer: Buffer): number {
  if (!buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return readVarint(buffer, 0);
  let bytes = 0;
  for (let at = XERIAL_HEADER_BYTES; at + SIZE_BYTES <= buffer.length; at += SIZE_BYTES + buffer.readUInt32BE(at)) {
    bytes += readVarint(buffer, at + SIZE_BYTES);
  }
  return bytes;
}

/** The lowest seven bits first. */
function readVarint(buffer: Buffer, at: number): number {
  let value = 0;
  for (let shift = 0; shift < 5; shift++) {
    const byte = buffer[at + shift] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * shift);
    if (byte < 0x80) break;
  }
  return value;
}

const LZ4_BLOCKS_AT = 6;
const LZ4_RAW = 0x8000_0000;

/** The sum over lz4's blocks. https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md */
export function lz4ExpandedBytes(buffer: Buffer): number {
  const flags = buffer[SIZE_BYTES] ?? 0;
  const hasBlockChecksum = (flags & 0x10) !== 0;
  // Behind the flags: the content's size, a dictionary's id, and a checksum of the header.
  let at = LZ4_BLOCKS_AT + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1;
  let bytes = 0;
  while (at + SIZE_BYTES <= buffer.length) {
    const head = buffer.readUInt32LE(at);
    if (head === 0) break;
    const size = head % LZ4_RAW;
    at += SIZE_BYTES;
    bytes += head >= LZ4_RAW ? size : lz4BlockBytes(buffer, at, Math.min(at + size, buffer.length));
    at += size + (hasBlockChecksum ? SIZE_BYTES : 0);
  }
  return bytes;
}

const LZ4_OFFSET_BYTES = 2;
const LZ4_MATCH_MIN = 4;

/** Literals and matches of a block. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md */
function lz4BlockBytes(buffer: Buffer, from: number, end: number): number {
  let at = from;
  /** Half a token, and the bytes that go on adding to it where it is full. */
  const lengthOf = (half: number): number => {
    let length = half;
    if (half < 15) return length;
    for (let byte = 255; byte === 255 && at < end; length += byte) byte = buffer[at++]!;
    return length;
  };
  let bytes = 0;
  while (at < end) {
    const token = buffer[at++]!;
    const literals = lengthOf(token >> 4);
    at += literals;
    bytes += literals;
    // The last sequence has literals only.
    if (at >= end) break;
    at += LZ4_OFFSET_BYTES;
    bytes += LZ4_MATCH_MIN + lengthOf(token & 0x0f);
  }
  return bytes;
}

const ZSTD_DESCRIPTOR_AT = 4;

/**
 * The memory that zstd's first frame asks for: its window, or its size where it is one segment; what follows is
 * expanded into no more. https://www.rfc-editor.org/rfc/rfc8878#name-frame-header
 */
export function zstdWindowBytes(buffer: Buffer): number {
  const descriptor = buffer[ZSTD_DESCRIPTOR_AT] ?? 0;
  const isOneSegment = (descriptor & 0x20) !== 0;
  if (!isOneSegment) {
    const window = buffer[ZSTD_DESCRIPTOR_AT + 1] ?? 0;
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 0x07);
  }
  const at = ZSTD_DESCRIPTOR_AT + 1 + [0, 1, 2, 4][descriptor & 0x03]!;
  const sizeBytes = [1, 2, 4, 8][descriptor >> 6]!;
  if (at + sizeBytes > buffer.length) return 0;
  if (sizeBytes === 8) return Number(buffer.readBigUInt64LE(at));
  return buffer.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
}
