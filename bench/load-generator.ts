/**
 * The process behind load.ts: one job at a time, closed loops by autocannon. Its own histogram is of whole milliseconds, where a
 * prediction takes a few tenths, so percentiles are computed here from the durations that its `response` event carries.
 * Bodies are made before the clock starts, other ones for each connection.
 */

import autocannon from "autocannon";
import { INFER_PATH, inferRequest } from "./infer-body.ts";
import type { LoadAnswers, LoadFigures, LoadJobs } from "./load.ts";
import { sendOpenLoop } from "./open-load.ts";
import { drawIds, PATHS, predictBody } from "./predict-body.ts";
import { percentile } from "./statistics.ts";
import { serveJobs } from "./worker.ts";

/** Different bodies that a connection sends in turn. */
const BODIES_PER_CONNECTION = 256;
const BODIES_PER_CONNECTION_OF_LISTS = 32;
const JSON_BODY = Object.freeze({ "content-type": "application/json" });

serveJobs<LoadJobs, LoadAnswers>({ load, openLoad: ({ url, job }) => sendOpenLoop(url, job) });

async function load({ url, job }: LoadJobs["load"]): Promise<LoadFigures> {
  const draw = drawIds(job.ids, job.idCount, job.seed);
  const bodies = job.entities === 1 ? BODIES_PER_CONNECTION : BODIES_PER_CONNECTION_OF_LISTS;
  const { entities, form } = job;
  const request = () =>
    form === "infer" ? inferRequest(entities, draw) : { body: predictBody(form, entities, draw), headers: JSON_BODY };
  const run = autocannon({
    url: `${url}${form === "infer" ? INFER_PATH : PATHS[form]}`,
    method: "POST",
    connections: job.connections,
    duration: job.seconds,
    sampleInt: 20,
    setupClient: (client) => client.setRequests(Array.from({ length: bodies }, request)),
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
