/**
 * The process behind load.ts: one job at a time by autocannon. Its own histogram is of whole milliseconds, where a
 * prediction takes a few tenths, so percentiles are computed here from the durations that its `response` event carries.
 * Bodies are made before the clock starts, other ones for each connection.
 */

import autocannon from "autocannon";
import type { LoadAnswers, LoadFigures, LoadJobs } from "./load.ts";
import { type DrawId, percentile, uniformIds, zipfIds } from "./statistics.ts";
import { serveJobs } from "./worker.ts";

/** Different bodies that a connection sends in turn. */
const BODIES_PER_CONNECTION = 256;
const BODIES_PER_CONNECTION_OF_LISTS = 32;

serveJobs<LoadJobs, LoadAnswers>({ load });

async function load({ url, job }: LoadJobs["load"]): Promise<LoadFigures> {
  const draw = (job.ids === "zipf" ? zipfIds : uniformIds)(job.idCount, job.seed);
  const run = autocannon({
    url: `${url}/predict`,
    method: "POST",
    headers: { "content-type": "application/json" },
    connections: job.connections,
    duration: job.seconds,
    sampleInt: 20,
    setupClient: (client) => client.setRequests(bodies(job.entities, draw)),
  });
  let durationsMs = new Float64Array(65_536);
  let requests = 0;
  let firstMs = 0;
  let lastMs = 0;
  let refused: number | undefined;
  run.on("response", (_client: unknown, status: number, _bytes: number, durationMs: number) => {
    if (requests === durationsMs.length) {
      const longer = new Float64Array(2 * requests);
      longer.set(durationsMs);
      durationsMs = longer;
    }
    if (status !== 200) refused = status;
    lastMs = performance.now();
    if (requests === 0) firstMs = lastMs;
    durationsMs[requests++] = durationMs;
  });
  const { errors } = await run;
  if (errors > 0 || refused !== undefined) {
    throw new Error(`${url}: ${errors} requests failed, last status other than 200: ${refused ?? "none"}`);
  }
  const sorted = durationsMs.subarray(0, requests).sort();
  return {
    requests,
    requestsPerSecond: (requests - 1) / ((lastMs - firstMs) / 1_000),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
  };
}

function bodies(entities: number, draw: DrawId): { readonly body: string }[] {
  const count = entities === 1 ? BODIES_PER_CONNECTION : BODIES_PER_CONNECTION_OF_LISTS;
  return Array.from({ length: count }, () => ({ body: predictBody(entities, draw) }));
}

/** The body of a prediction request, as a client of the churn example writes it. */
function predictBody(entities: number, draw: DrawId): string {
  const list = Array.from({ length: entities }, () => ({ customer_id: draw() }));
  return JSON.stringify({ model: "churn", entities: entities === 1 ? list[0] : list });
}
