/**
 * The models of one worker, whose changes by an admin call the other workers are told of: such a call is answered when
 * all serve what it has changed, so that the caller's next request meets it, whichever worker takes it. Without it the
 * others would find out at their next poll, as other gateways do.
 */

import type { Models } from "../models/lifecycle.ts";
import type { RefreshedUntil } from "../models/served-model.ts";
import type { WorkersLink } from "./workers-link.ts";

/** How long the others may take to load what has changed before the call is answered without them, ms. */
const REFRESH_WITHIN_MS = 30_000;

/** Models whose `refresh` is everybody's. What a worker does at the others' word is the `refresh` of the models given. */
export function tellingModels(models: Models, link: Pick<WorkersLink, "ask">): Models {
  return Object.freeze({
    get: (name: string) => models.get(name),
    list: () => models.list(),
    refresh: async (name?: string, until?: RefreshedUntil) => {
      const question = { about: "models", model: name, until } as const;
      // Where this worker can't, the others still may: they are waited for before that is told.
      const [here] = await Promise.allSettled([models.refresh(name, until), link.ask(question, REFRESH_WITHIN_MS)]);
      if (here.status === "rejected") throw here.reason;
    },
    close: () => models.close(),
  });
}
