/** Open-loop load on several models at once, each at a rate of its own, as a worker program: see open-loop-run.ts. */

import { Agent, request } from "node:http";
import { dueTimesMs } from "./arrivals.ts";
import { type OpenLoopFigures, startOpenLoop } from "./open-loop-run.ts";
import { uniformIds } from "./statistics.ts";
import { serveJobs } from "./worker.ts";

/** A model and how often it is asked, for one entity each. */
export interface LoadedStream {
  readonly model: string;
  readonly perSecond: number;
}

/** What can be asked of this worker. */
export interface MixedJobs {
  readonly mixed: {
    readonly url: string;
    readonly streams: readonly LoadedStream[];
    readonly seconds: number;
    /** Ids are 1 … this. */
    readonly idCount: number;
    readonly seed: number;
  };
}

/** Its answers, in the order of the streams. */
export interface MixedAnswers {
  readonly mixed: { readonly figures: readonly OpenLoopFigures[] };
}

const WARM_UP_SECONDS = 1;
const IN_FLIGHT_MAX = 256;
/** Nearer to a due time than this a timer is not trusted, ms; it is all that the generator spins. */
const SPIN_MS = 1.2;
/** How long answers are waited for after the last request, ms. */
const DRAIN_MS = 10_000;

async function mixed({ idCount, seconds, seed, streams, url }: MixedJobs["mixed"]): Promise<MixedAnswers["mixed"]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, noDelay: true });
  const figures = streams.map(async ({ model, perSecond }, i) => {
    const draw = uniformIds(idCount, seed + i);
    const run = startOpenLoop({
      dueMs: dueTimesMs("constant", perSecond, WARM_UP_SECONDS + seconds, seed + i),
      maxInFlight: IN_FLIGHT_MAX,
      warmUpMs: WARM_UP_SECONDS * 1_000,
      now: () => performance.now(),
      send: (end) => send(agent, url, JSON.stringify({ model, entities: { customer_id: draw() } }), end),
    });
    let overMs = Number.POSITIVE_INFINITY;
    for (;;) {
      const waitMs = run.pump();
      if (waitMs === undefined) overMs = Math.min(overMs, performance.now() + DRAIN_MS);
      if (waitMs === undefined && (run.inFlight() === 0 || performance.now() > overMs)) return run.figures();
      await new Promise<void>((next) => {
        if ((waitMs ?? 2) > SPIN_MS) setTimeout(next, (waitMs ?? 2) - SPIN_MS);
        else setImmediate(next);
      });
    }
  });
  const done = await Promise.all(figures);
  agent.destroy();
  return { figures: done };
}

function send(agent: Agent, url: string, body: string, end: (isGood: boolean) => void): void {
  let isOver = false;
  const once = (isGood: boolean) => {
    if (!isOver) end(isGood);
    isOver = true;
  };
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const sent = request(`${url}/predict`, { method: "POST", agent, headers }, (answer) => {
    answer.resume();
    answer.on("end", () => once(answer.statusCode === 200));
  });
  sent.on("error", () => once(false));
  sent.end(body);
}

serveJobs<MixedJobs, MixedAnswers>({ mixed });
