/** The thread behind threadEncoder: encodes the files it is told and never gets further ahead than it may. */

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { HeadgateError, reasonOf } from "../errors.ts";
import { openObjectStore } from "../object-store.ts";
import { AHEAD, type FromThread, type ToThread } from "./file-encoder.ts";
import { encodeFile, type FileLoad } from "./file-load.ts";
import { transferablesOf } from "./row-batch.ts";

const { directory } = workerData as { readonly directory: string };
const objects = openObjectStore({ directory });

function serve(port: MessagePort): void {
  let mayGetAhead = AHEAD;
  let onTaken = (): void => {};

  async function encode(load: FileLoad): Promise<void> {
    for await (const batch of encodeFile(load, objects)) {
      while (mayGetAhead === 0) {
        await new Promise<void>((resolve) => {
          onTaken = resolve;
        });
      }
      mayGetAhead--;
      port.postMessage({ batch } satisfies FromThread, transferablesOf(batch));
    }
  }

  port.on("message", (message: ToThread) => {
    if ("taken" in message) {
      mayGetAhead++;
      onTaken();
      return;
    }
    encode(message.load).then(
      () => port.postMessage({ done: true } satisfies FromThread),
      (cause: unknown) => {
        const code = cause instanceof HeadgateError ? cause.code : undefined;
        port.postMessage({ failed: { code, message: reasonOf(cause) } } satisfies FromThread);
      },
    );
  });
}

if (parentPort !== null) serve(parentPort);
