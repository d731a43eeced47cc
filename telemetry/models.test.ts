import { channel } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import type { Models } from "../models/lifecycle.ts";
import type { ModelState, ModelStateEvent } from "../models/loaded-model.ts";
import type { ModelWorkerEvent } from "../models/session-pool.ts";
import { startTelemetry } from "../telemetry.ts";

const lines: string[] = [];
let versions: readonly { readonly version: number; readonly state: ModelState }[] = [];

async function withTelemetry<Result>(ask: (text: () => Promise<string>) => Promise<Result>): Promise<Result> {
  lines.length = 0;
  const telemetry = startTelemetry(
    (line) => lines.push(line),
    () => 0,
  );
  const served = { list: () => [{ name: "churn", versions, ready: new Map([[3, LOADED]]) }] } as unknown as Pick<
    Models,
    "list"
  >;
  telemetry.watchModelQueues(served);
  try {
    return await ask(() => telemetry.metricsText());
  } finally {
    telemetry.stop();
  }
}

const LOADED = { name: "churn", version: 3, placement: "workers", queuedRows: 17 };
const become = (state: ModelState, reason?: string) =>
  channel("headgate:model-state").publish({ model: "churn", version: 3, state, reason } satisfies ModelStateEvent);

test("a version is ready or not, as it is when it is asked, and no series while it is not to be loaded", () =>
  withTelemetry(async (text) => {
    const ready = async () => [...(await text()).matchAll(/^headgate_model_ready\{.*version="(\d)"\} (\d)$/gm)];
    const shown = async () => (await ready()).map(([, version, value]) => [version, value]);
    versions = [
      { version: 3, state: "READY" },
      { version: 2, state: "UNAVAILABLE" },
      { version: 1, state: "UNKNOWN" },
    ];
    expect(await shown()).toEqual([
      ["3", "1"],
      ["2", "0"],
    ]);
    versions = [{ version: 3, state: "UNLOADING" }];
    expect(await shown()).toEqual([["3", "0"]]);
    versions = [];
    expect(await shown()).toEqual([]);
    become("UNAVAILABLE", "It is cut short.");
    expect(lines.at(-1)).toMatch(/"error".*version 3 is UNAVAILABLE.*cut short/);
    expect(await shown()).toEqual([]);
  }));

test("workers that end are counted and told; queues, places and the event loop's lag are shown", () =>
  withTelemetry(async (text) => {
    const event: ModelWorkerEvent = { model: "churn", version: 3, event: "ended", reason: "it ended with SIGKILL" };
    channel("headgate:model-worker").publish(event);
    expect(lines).toEqual([expect.stringMatching(/a worker process is ended.*SIGKILL/)]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const metrics = await text();
    expect(metrics).toMatch(/^headgate_model_workers_ended_total\{model="churn",version="3"\} 1$/m);
    expect(metrics).toMatch(/^headgate_model_queue_rows\{model="churn",version="3"\} 17$/m);
    expect(metrics).toMatch(/^headgate_model_placement\{model="churn",version="3",placement="workers"\} 1$/m);
    const quantiles = [...metrics.matchAll(/^headgate_event_loop_lag_seconds\{quantile="(.*)"\} \d/gm)];
    expect(quantiles.map(([, quantile]) => quantile)).toEqual(["0.5", "0.9", "0.99", "0.999", "1"]);
  }));
