/**
 * Loaded into a server before its own code (`node --expose-gc --import`): at SIGUSR2 it collects all garbage and appends
 * what is left to the file that HEADGATE_BENCH_HEAP names, a line of JSON each time. The server knows nothing of it.
 */

import { appendFileSync } from "node:fs";

const file = process.env.HEADGATE_BENCH_HEAP;
// The processes that it starts are started so, too; theirs is not asked for.
if (file !== undefined && globalThis.gc !== undefined) {
  process.on("SIGUSR2", () => {
    // What a finalizer lets go of is garbage of the next one.
    globalThis.gc();
    setImmediate(() => {
      globalThis.gc();
      appendFileSync(file, `${JSON.stringify(process.memoryUsage())}\n`);
    });
  });
}
