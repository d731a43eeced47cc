import { channel } from "node:diagnostics_channel";
import { afterEach, expect, test } from "vitest";
import type { ServedModel } from "./models/lifecycle.ts";
import { startTelemetry, sumCounted, sumMetrics, type Telemetry } from "./telemetry.ts";

const started: Telemetry[] = [];
afterEach(() => {
  for (const telemetry of started.splice(0)) telemetry.stop();
});

/** A process' telemetry after some refusals, runs and states of models. */
function processWith({ refusals, readyVersions }: { refusals: number; readyVersions: readonly number[] }) {
  const versions = [1, 2].map((version) => ({
    version,
    state: readyVersions.includes(version) ? "READY" : "LOADING",
    queuedRows: version,
    placement: "inline",
    name: "churn",
  }));
  const models = [{ name: "churn", versions, ready: new Map(versions.map((one) => [one.version, one])) }];
  const telemetry = startTelemetry(
    () => {},
    () => 0,
  );
  started.push(telemetry);
  for (let i = 0; i < refusals; i++) channel("headgate:unexpected").publish({ requestId: "r", cause: "it failed" });
  channel("headgate:model-run").publish({ model: "churn", version: 1, rows: 3, durationMs: 4, failed: false });
  telemetry.watchModelQueues({ list: () => models as unknown as readonly ServedModel[] });
  telemetry.stop();
  return telemetry;
}

const figureOf = (text: string, series: string) =>
  text
    .split("\n")
    .find((line) => line.startsWith(`${series} `))
    ?.split(" ")[1];

test("of several processes counters and histograms are added up, and gauges as theirs says", async () => {
  const processes = [
    processWith({ refusals: 2, readyVersions: [1, 2] }),
    processWith({ refusals: 5, readyVersions: [1] }),
  ];
  const text = await sumMetrics(await Promise.all(processes.map((one) => one.metrics())));
  expect(figureOf(text, "headgate_unexpected_errors_total")).toBe("7");
  expect(figureOf(text, 'headgate_model_run_rows_bucket{model="churn",le="2"}')).toBe("0");
  expect(figureOf(text, 'headgate_model_run_rows_bucket{model="churn",le="4"}')).toBe("2");
  expect(figureOf(text, 'headgate_model_run_rows_sum{model="churn"}')).toBe("6");
  expect(figureOf(text, 'headgate_model_ready{model="churn",version="1"}')).toBe("1");
  expect(figureOf(text, 'headgate_model_ready{model="churn",version="2"}')).toBe("0");
  expect(figureOf(text, 'headgate_model_queue_rows{model="churn",version="2"}')).toBe("4");
  expect(figureOf(text, 'headgate_model_placement{model="churn",version="1",placement="inline"}')).toBe("1");
  expect(figureOf(text, "headgate_model_repository_up")).toBe("1");
});

test("what a process has counted is added to its successor's, and its gauges are gone with it", async () => {
  const [before, after] = [
    processWith({ refusals: 3, readyVersions: [1] }),
    processWith({ refusals: 1, readyVersions: [] }),
  ];
  const { counted, shown } = await after.metrics();
  const inherited = await sumCounted([counted, (await before.metrics()).counted]);
  const text = await sumMetrics([{ counted: inherited, shown }]);
  expect(figureOf(text, "headgate_unexpected_errors_total")).toBe("4");
  expect(figureOf(text, 'headgate_model_run_rows_count{model="churn"}')).toBe("2");
  // The successor's own, which has not loaded it yet.
  expect(figureOf(text, 'headgate_model_ready{model="churn",version="1"}')).toBe("0");
  // And of one that has just ended only what it counted is known.
  const alone = await sumMetrics([{ counted: inherited }]);
  expect(figureOf(alone, "headgate_unexpected_errors_total")).toBe("4");
  expect(alone).not.toContain("headgate_model_repository_up");
});

test("every gauge of Headgate's says how it is put together", async () => {
  const { shown } = await processWith({ refusals: 0, readyVersions: [] }).metrics();
  const own = (shown as readonly { name: string; aggregator?: string }[]).filter(({ name }) => /^headgate_/.test(name));
  expect(own.length).toBeGreaterThan(5);
  for (const { name, aggregator } of own)
    expect([name, aggregator]).toEqual([name, expect.stringMatching(/sum|min|max/)]);
});
