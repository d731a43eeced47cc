/** The served log as a project's settings want it, or none. */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { openObjectStore } from "../object-store.ts";
import { openServedLog, type ServedLog } from "./served-log.ts";

/** Settings of config.ts that the log depends on; settings/served-log.ts says what they cost. */
export interface ServedLogSettings {
  readonly projectDirectory: string;
  readonly servedLog: string;
  readonly servedLogShare: number;
  readonly servedLogQueueRows: number;
  readonly servedLogBatchRows: number;
  readonly servedLogMaxWait: number;
  readonly servedLogCompression: "none" | "gzip";
}

/** Starts to log what this process serves; undefined where nothing is to be kept. Nothing is asked of the store yet. */
export function startServedLog(settings: ServedLogSettings): ServedLog | undefined {
  const { servedLog: folder, servedLogShare: share } = settings;
  if (folder === "" || share === 0) return undefined;
  return openServedLog({
    objects: openObjectStore({ directory: settings.projectDirectory }),
    folder,
    // A host's name says where a file is from, the rest that no other process has written it.
    gatewayId: `${hostname().replace(/[^A-Za-z0-9-]+/g, "-")}-${randomUUID().slice(0, 8)}`,
    share,
    queueRows: settings.servedLogQueueRows,
    batchRows: settings.servedLogBatchRows,
    maxWaitMs: settings.servedLogMaxWait,
    compression: settings.servedLogCompression,
  });
}
