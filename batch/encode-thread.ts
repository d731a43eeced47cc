/** Inside of the decoding thread: opens and encodes what it is told and never gets further ahead than it may. */

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { HeadgateError, reasonOf } from "../errors.ts";
import { openObjectStore } from "../object-store.ts";
import { beatInto } from "./decode-watch.ts";
import { AHEAD, type FromThread, type ThreadStart, type ToThread } from "./decoding-thread.ts";
import { checkFiles } from "./file-check.ts";
import { encodeFiles, type ViewRows } from "./file-load.ts";
import { openFile } from "./file-open.ts";
import { createFileTails } from "./file-tail.ts";
import { transferablesOf } from "./row-batch.ts";

const { directory, watch } = workerData as ThreadStart;
const tails = createFileTails(openObjectStore({ directory }));
const onDecode = beatInto(watch);

function serve(port: MessagePort): void {
  let mayGetAhead = AHEAD;
  let onTaken = (): void => {};
  const tell = (message: FromThread): void => port.postMessage(message);

  async function encode(load: ViewRows): Promise<void> {
    for await (const batch of encodeFiles(load, tails, onDecode)) {
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
    } else if ("open" in message) {
      const { id, open } = message;
      openFile(open, tails, () => onDecode(open.path, 0)).then(
        ({ summary }) => tell({ id, opened: summary }),
        (cause: unknown) => tell({ id, failed: told(cause) }),
      );
    } else if ("check" in message) {
      const { id, check } = message;
      checkFiles(check, tails, onDecode).then(
        (checked) => tell({ id, checked }),
        (cause: unknown) => tell({ id, failed: told(cause) }),
      );
    } else {
      encode(message.load).then(
        () => tell({ done: true }),
        (cause: unknown) => tell({ failed: told(cause) }),
      );
    }
  });
}

function told(cause: unknown): Extract<FromThread, { readonly failed: unknown }>["failed"] {
  return { code: cause instanceof HeadgateError ? cause.code : undefined, message: reasonOf(cause) };
}

if (parentPort !== null) serve(parentPort);
