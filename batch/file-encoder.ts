/**
 * Where files are opened, decoded and encoded: in a thread of its own (decoding-thread.ts), so that it overlaps with
 * writing and a damaged file can take neither the process nor its leases down; or on this thread, where Node can start
 * none.
 */

import { openObjectStore } from "../object-store.ts";
import { type FileEncoder, type FileEncoderOptions, openDecodingThread } from "./decoding-thread.ts";
import { checkFiles, type FileCheck } from "./file-check.ts";
import { encodeFiles, type ViewRows } from "./file-load.ts";
import { type FileToOpen, openFile } from "./file-open.ts";
import { createFileTails } from "./file-tail.ts";

/** Node 20 starts no thread from TypeScript, so run from source (as tests are) all work stays on one thread. */
const THREADS_WORK = !import.meta.url.endsWith(".ts") || "typescript" in process.features;

/** Opens an encoder; a thread is started when the first file needs it. */
export function openFileEncoder(options: FileEncoderOptions): FileEncoder {
  return THREADS_WORK ? openDecodingThread(options) : inlineEncoder(options.directory, options.signal);
}

/** Encodes on this thread. */
export function inlineEncoder(directory: string, signal?: AbortSignal): FileEncoder {
  const objects = openObjectStore({ directory, signal });
  const tails = createFileTails(objects);
  return Object.freeze({
    open: async (file: FileToOpen) => (await openFile(file, tails)).summary,
    check: (check: FileCheck) => checkFiles(check, tails, () => {}),
    encode: (load: ViewRows) => encodeFiles(load, tails, () => {}),
    close: () => objects.close(),
  });
}
