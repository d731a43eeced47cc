/** A part of an upload on its way: a file that has no name any more, so that whatever ends the process leaves nothing. */

import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Bytes of one read: the system takes at most 2 GiB. */
const READ_BYTES = 64 * 1_048_576;

/** The file. To be closed by whoever opened it. */
export class UploadSpool {
  readonly #handle: FileHandle;
  #bytes = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Makes an empty one in the folder for temporary files. */
  static async open(): Promise<UploadSpool> {
    const path = join(tmpdir(), `headgate-upload-${randomUUID()}`);
    const handle = await open(path, "wx+", 0o600);
    await unlink(path);
    return new UploadSpool(handle);
  }

  /** Appends. One call at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    let written = 0;
    while (written < chunk.length) {
      const { bytesWritten } = await this.#handle.write(chunk, written, chunk.length - written, this.#bytes);
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
      const { bytesRead } = await this.#handle.read(bytes, read, length, read);
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
