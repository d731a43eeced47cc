/**
 * A thread of a worker process that ends it when its parent is gone. The process hears of that by itself, but not during
 * a run, which holds its main thread; and a graph that does not end would keep a core for as long as the machine is up.
 */

import { workerData } from "node:worker_threads";

/** How often it looks, ms. */
const LOOK_MS = 1_000;

setInterval(() => {
  if (process.ppid !== workerData) process.kill(process.pid, "SIGKILL");
}, LOOK_MS);
