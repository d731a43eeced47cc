/** A Parquet file as bytes, and how it is told that they are none. */

import { HeadgateError, reasonOf } from "../errors.ts";

/** One version of a file, to be read from by ranges of bytes. */
export interface ParquetSource {
  /** For messages. */
  readonly path: string;
  readonly bytes: number;
  /** Bytes [start, end). */
  read(start: number, end: number): Promise<ArrayBuffer>;
}

const MAGIC = "PAR1";

/** Refuses what is no Parquet by its first and last bytes. Throws PARQUET_INVALID. */
export async function checkMagic(source: ParquetSource): Promise<void> {
  if (source.bytes === 0) throw invalid(source, "it is empty");
  if (source.bytes < 3 * MAGIC.length) throw invalid(source, `it has only ${source.bytes} bytes`);
  const [head, tail] = await Promise.all([
    source.read(0, MAGIC.length),
    source.read(source.bytes - MAGIC.length, source.bytes),
  ]);
  const [first, last] = [head, tail].map((bytes) => Buffer.from(bytes).toString("latin1"));
  if (last === "PARE") throw invalid(source, "its footer is encrypted, which is not supported");
  if (first !== MAGIC) throw invalid(source, `it does not begin with "${MAGIC}"`);
  if (last !== MAGIC)
    throw invalid(source, `it does not end with "${MAGIC}", so it was cut short or is still being written`);
}

/** Does the work; what the decoder throws is about the file, not about us. Throws PARQUET_INVALID. */
export async function readable<T>(source: ParquetSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof HeadgateError) throw cause;
    throw invalid(source, reasonOf(cause), cause);
  }
}

function invalid(source: ParquetSource, why: string, cause?: unknown): HeadgateError {
  return new HeadgateError(
    "PARQUET_INVALID",
    `${source.path} can't be read as Parquet: ${why}. Write the file again, or take it out of the source's path.`,
    cause,
  );
}
