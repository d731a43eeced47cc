/** Metrics and log lines of the model repository: whether it answers, and whether its local copy can be written. */

import { Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { CopyFailedEvent } from "../models/repository-copy.ts";
import type { RepositoryAnswerEvent } from "../models/repository-store.ts";
import { type Listener, type Log, on } from "./listener.ts";

/** Shows whether the model repository answers, and tells when it goes and comes back. */
export function watchModelRepository(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  const up = new Gauge({
    name: "headgate_model_repository_up",
    help: "1 while the model repository answers, 0 while what it said last is served.",
    aggregator: "min",
    registers: [metrics],
  });
  up.set(1);
  let isCopyFailureTold = false;
  return [
    on<RepositoryAnswerEvent>("headgate:model-repository", ({ address, isAway, reason }) => {
      up.set(isAway ? 0 : 1);
      if (isAway) log("error", "the model repository does not answer; what is loaded goes on", { address, reason });
      else log("info", "the model repository answers again", { address });
    }),
    on<CopyFailedEvent>("headgate:model-copy-failed", ({ directory, reason }) => {
      // The next failures are the same disk's.
      if (!isCopyFailureTold) log("error", "the local copy of the models can't be written", { directory, reason });
      isCopyFailureTold = true;
    }),
  ];
}
