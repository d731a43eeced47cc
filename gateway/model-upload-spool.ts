/** A part of an upload on its way: a file that has no name any more, so that whatever ends the process leaves nothing. */

import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeadgateError } from "../errors.ts";

/** Bytes of one read: the system takes at most 2 GiB. */
const READ_BYTES = 64 * 1_048_576;

/** The file. To be closed by whoever opened it. What the disk refuses is SPILL_FAILED. */
export class UploadSpool {
  readonly #handle: FileHandle;
  #bytes = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Makes an empty one in the folder for temporary files. */
  static async open(): Promise<UploadSpool> {
    const path = join(tmpdir(), `headgate-upload-${randomUUID()}`);
    return onDisk(async () => {
      const handle = await open(path, "wx+", 0o600);
      await unlink(path);
      return new UploadSpool(handle);
    });
  }

  /** How many it has. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends. One call at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    let written = 0;
    while (written < chunk.length) {
      const writing = () => this.#handle.write(chunk, written, chunk.length - written, this.#bytes);
      const { bytesWritten } = await onDisk(writing);
      written += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** All of it. */
  async read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.#bytes);
    let read = 0;
    while (read < bytes.length) {
      const length = Math.min(bytes.length - read, READ_BYTES);
      const { bytesRead } = await onDisk(() => this.#handle.read(bytes, read, length, read));
      if (bytesRead === 0) throw new Error("A file of an upload is shorter than what was written to it.");
      read += bytesRead;
    }
    return bytes;
  }

  /** Lets go of it, and of its space on the disk. */
  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Its reason is told by its code alone: the system's sentence has a path of this machine in it. */
async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code = "unknown reason" } = cause as NodeJS.ErrnoException;
    throw new HeadgateError(
      "SPILL_FAILED",
      `The upload can't be kept in the gateway's folder for temporary files (${code}). Set TMPDIR there to a folder with room, and send it again.`,
      cause,
    );
  }
}
