/**
 * Workers as processes of node:cluster: they share the gateway's port, which the primary process listens on and whose
 * connections it deals out in turn. Left to the kernel (a shared handle) most connections go to whoever wakes first,
 * and they stay there for as long as they are kept alive; dealing them out costs microseconds a connection, and none a
 * request.
 */

import cluster from "node:cluster";
import { reasonOf } from "../errors.ts";
import { openWorkersLink, type WorkersLink } from "./workers-link.ts";
import { type SupervisorMessage, WORKER_PLACE, type WorkerMessage } from "./workers-message.ts";
import type { WorkerProcess } from "./workers-supervisor.ts";

/** Starts this process' own command line again as the worker of a place, with `environment` on top of this one's. */
export function forkWorker(place: number, environment: Readonly<Record<string, string>> = {}): WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // Metrics may hold NaN and Infinity, which JSON has not.
  cluster.setupPrimary({ serialization: "advanced" });
  const worker = cluster.fork({ ...environment, [WORKER_PLACE]: String(place) });
  const { pid } = worker.process;
  return {
    pid,
    send: (message: SupervisorMessage) => {
      if (worker.isConnected()) worker.send(message);
    },
    kill: () => void worker.process.kill("SIGKILL"),
    onMessage: (listener) => void worker.on("message", (message: WorkerMessage) => listener(message)),
    onExit: (listener) => {
      worker.once("exit", (exitCode, signal) => listener(signal ? null : exitCode, signal));
      // Of a process that could not be started Node tells no "exit". Of one that runs it is a message that can't be sent.
      let isTold = pid !== undefined;
      worker.on("error", (cause) => {
        if (!isTold) listener(null, null, reasonOf(cause));
        isTold = true;
      });
    },
  };
}

/** The link to this process' supervisor; undefined where it is no worker. */
export function linkOfThisProcess(environment: NodeJS.ProcessEnv): WorkersLink | undefined {
  const { worker } = cluster;
  if (worker === undefined) return undefined;
  return openWorkersLink(Number(environment[WORKER_PLACE]), {
    send: (message) => {
      // A supervisor that is gone ends this process, by node:cluster; nobody is left to tell.
      if (process.connected) process.send!(message, undefined, undefined, () => {});
    },
    onMessage: (listener) => void process.on("message", (message: SupervisorMessage) => listener(message)),
    close: () => worker.disconnect(),
  });
}
