import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  customer,
  hours,
  NOW_MS,
  openScoreProject,
  type ScoreProject,
  scoreView,
  snapshot,
} from "../batch/fixtures/score-project.ts";
import type { ParitySample } from "../batch/parity/parity-run.ts";
import type { ParityHistory } from "../batch/parity/report-history.ts";
import type { Config } from "../config.ts";
import { readParityVerdicts } from "../features/parity-verdict.ts";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { reportParity } from "./parity-report.ts";

let project: ScoreProject;
afterEach(() => project.close());

/** Two views over the same loaded files, "good" and "other", as a command has them. */
async function openReported() {
  const views = [scoreView("good", "data/*.parquet"), scoreView("other", "data/*.parquet")];
  project = await openScoreProject(() => openMemoryStore(), views);
  project.write("data/a.parquet", snapshot(200, 30));
  await project.run({ range: { incremental: true, endUs: hours(230) } });
  mkdirSync(join(project.directory, "expectations"));
  const settings = { parityMaxMismatch: 0, parityRate: 0, parityMinCompared: 1, materializeRate: 0, maxBadRows: 0 };
  const times = { maxFuture: 300_000, expiryGrace: 7 * 86_400_000, decodeTimeout: 60_000 };
  const config = { projectDirectory: project.directory, parityReports: "reports", ...settings, ...times } as Config;
  const registry = createRegistry([customer, ...views].map((definition) => ({ definition, file: "features.ts" })));
  const report = (nowMs: number, sample?: ParitySample) =>
    reportParity(
      { config, registry, store: project.store },
      { views: undefined, sample, repair: undefined, now: () => nowMs, signal: undefined },
    );
  return { directory: project.directory, control: project.store.control, report };
}

test("a suite that is none is the error of its view, and keeps no other from its verdict", async () => {
  const { directory, control, report: run } = await openReported();
  writeFileSync(join(directory, "expectations/other.online.json"), "{ not json");
  const { report, told } = await run(NOW_MS);
  expect(report.ok).toBe(false);
  expect(report.views.map(({ view, verdict }) => [view, verdict])).toEqual([
    ["good", "pass"],
    ["other", "error"],
  ]);
  expect(report.views[1]!.error).toMatchObject({ code: "SUITE_INVALID" });
  // From here on, not from the project's folder.
  expect(existsSync(/^The report is (.*)\.$/.exec(told)![1]!)).toBe(true);
  expect((await readParityVerdicts(control, ["good", "other"])).size).toBe(2);
});

test("of two views a sample passes, the one that failed as a whole stays failed; report and trend are the sample's own", async () => {
  const { directory, control, report: run } = await openReported();
  const suite = join(directory, "expectations/other.online.json");
  const expectation = { type: "expect_table_row_count_to_be_between", kwargs: { min_value: 1_000 } };
  writeFileSync(suite, JSON.stringify({ name: "many", expectations: [expectation] }));
  const { report: failed } = await run(NOW_MS);
  expect(failed.views.map(({ verdict }) => verdict)).toEqual(["pass", "fail"]);
  rmSync(suite);
  const { report, told } = await run(NOW_MS + 1_000, { share: 0.5, seed: 1 });
  const standing = { run: failed.run, at: new Date(NOW_MS).toISOString(), reason: failed.views[1]!.reason };
  expect(report.ok).toBe(true);
  expect(report.views.map(({ standing_failure }) => standing_failure)).toEqual([undefined, standing]);
  const verdicts = await readParityVerdicts(control, ["good", "other"]);
  expect(verdicts.get("good")).toMatchObject({ run: report.run, verdict: "pass" });
  expect(verdicts.get("other")).toMatchObject({ run: failed.run, verdict: "fail" });

  const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const page = /^The report is (.*)\.$/.exec(told)![1]!;
  expect(read(page.replace("index.html", "parity.json")).views[1]).toMatchObject({ standing_failure: standing });
  const runs: ParityHistory["runs"] = read(join(directory, "reports/history.json")).runs;
  expect(runs.map(({ ok, views }) => [ok, ...views.map(({ verdict }) => verdict)])).toEqual([
    [false, "pass", "fail"],
    [true, "pass", "pass"],
  ]);
});
