import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lz4ExpandedBytes, snappyExpandedBytes, zstdWindowBytes } from "./expanded-bytes.ts";
import { boundedCodecs } from "./kafka-codecs.ts";

const LIMIT = 1_000_000;
const codecs = boundedCodecs(LIMIT);
/** kafkajs must not try it again. */
const TOO_LARGE = { retriable: false, cause: expect.objectContaining({ code: "STREAM_UNREACHABLE" }) };

/** A frame of zstd that is `blocks` times one byte, repeated 128 KiB times; its window 128 KiB. */
function zstdOfOneByte(blocks: number): Buffer {
  const size = 128 * 1024;
  const block = (isLast: boolean) => {
    const head = (size << 3) | (1 << 1) | (isLast ? 1 : 0);
    return Buffer.of(head & 0xff, (head >> 8) & 0xff, head >> 16, 0x61);
  };
  const all = Array.from({ length: blocks }, (_, i) => block(i === blocks - 1));
  return Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38), ...all]);
}

/** xerial's framing of blocks. */
async function xerialOf(parts: readonly Buffer[]): Promise<Buffer> {
  const frames = await Promise.all(
    parts.map(async (buffer) => {
      const block = await codecs.snappy.compress({ buffer });
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.length);
      return Buffer.concat([size, block]);
    }),
  );
  return Buffer.concat([Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1"), ...frames]);
}

describe.each(["gzip", "snappy", "lz4"] as const)("%s", (name) => {
  test("what was compressed comes back", async () => {
    const codec = codecs[name];
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3_000 }), fc.integer({ min: 1, max: 50 }), async (some, times) => {
        const buffer = Buffer.concat(Array.from({ length: times }, () => some));
        expect(await codec.decompress(await codec.compress({ buffer }))).toEqual(buffer);
      }),
    );
  });

  test("what expands beyond the bound is refused, and what just fits is not", async () => {
    const codec = codecs[name];
    const fitting = await codec.compress({ buffer: Buffer.alloc(LIMIT) });
    expect((await codec.decompress(fitting)).length).toBe(LIMIT);
    const absurd = await codec.compress({ buffer: Buffer.alloc(LIMIT + 1) });
    await expect(codec.decompress(absurd)).rejects.toMatchObject({
      ...TOO_LARGE,
      message: expect.stringContaining(`A batch of ${absurd.length} bytes expands to more than 1000000`),
    });
  });

  test("damaged bytes are their decoder's to refuse", async () => {
    const codec = codecs[name];
    const whole = await codec.compress({ buffer: Buffer.from("a text of some length, of some length") });
    await expect(codec.decompress(whole.subarray(0, 12))).rejects.not.toMatchObject(TOO_LARGE);
  });
});

test("zstd is bounded by its blocks and by the memory that it asks for", async () => {
  expect((await codecs.zstd.decompress(zstdOfOneByte(7))).equals(Buffer.alloc(7 * 128 * 1024, "a"))).toBe(true);
  await expect(codecs.zstd.decompress(zstdOfOneByte(8))).rejects.toMatchObject(TOO_LARGE);
  const two = Buffer.concat([zstdOfOneByte(4), zstdOfOneByte(4)]);
  await expect(codecs.zstd.decompress(two)).rejects.toMatchObject(TOO_LARGE);
  expect((await codecs.zstd.decompress(Buffer.concat([zstdOfOneByte(1), zstdOfOneByte(2)]))).length).toBe(3 * 131_072);
  // Eight bytes of size: an exabyte.
  const declared = Buffer.from("28b52ffde0000000000000000f0100", "hex");
  expect(zstdWindowBytes(declared)).toBe(0x0f * 2 ** 56);
  await expect(codecs.zstd.decompress(declared)).rejects.toMatchObject(TOO_LARGE);
});

test("snappy in Java's framing is the sum of its blocks", async () => {
  const framed = await xerialOf([Buffer.alloc(300_000, "a"), Buffer.from("b"), Buffer.alloc(LIMIT - 300_001, "c")]);
  expect(snappyExpandedBytes(framed)).toBe(LIMIT);
  expect((await codecs.snappy.decompress(framed)).length).toBe(LIMIT);
  const more = await xerialOf([Buffer.alloc(600_000), Buffer.alloc(600_000)]);
  await expect(codecs.snappy.decompress(more)).rejects.toMatchObject(TOO_LARGE);
});

test("what lz4 will expand to is exact, whatever is in it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 20 })),
      fc.integer({ min: 1, max: 400 }),
      async (parts, times) => {
        const once = Buffer.concat(parts);
        const buffer = Buffer.concat(Array.from({ length: times }, () => once));
        expect(lz4ExpandedBytes(await codecs.lz4.compress({ buffer }))).toBe(buffer.length);
      },
    ),
  );
});

test("measuring ends for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      const framed = Buffer.concat([Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1"), buffer]);
      for (const measured of [lz4ExpandedBytes(buffer), snappyExpandedBytes(buffer), snappyExpandedBytes(framed)]) {
        expect(measured).toBeGreaterThanOrEqual(0);
      }
      expect(zstdWindowBytes(buffer)).toBeGreaterThanOrEqual(0);
    }),
  );
});
