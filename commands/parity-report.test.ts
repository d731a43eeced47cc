import { existsSync, mkdirSync, writeFileSync } from "node:fs";
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
import type { Config } from "../config.ts";
import { readParityVerdicts } from "../features/parity-verdict.ts";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { reportParity } from "./parity-report.ts";

let project: ScoreProject;
afterEach(() => project.close());

test("a suite that is none is the error of its view, and keeps no other from its verdict", async () => {
  const views = [scoreView("good", "data/*.parquet"), scoreView("other", "data/*.parquet")];
  project = await openScoreProject(() => openMemoryStore(), views);
  project.write("data/a.parquet", snapshot(200, 30));
  await project.run({ range: { incremental: true, endUs: hours(230) } });
  mkdirSync(join(project.directory, "expectations"));
  writeFileSync(join(project.directory, "expectations/other.online.json"), "{ not json");
  const settings = { parityMaxMismatch: 0, parityRate: 0, parityMinCompared: 1, materializeRate: 0, maxBadRows: 0 };
  const times = { maxFuture: 300_000, expiryGrace: 7 * 86_400_000, decodeTimeout: 60_000 };
  const config = { projectDirectory: project.directory, parityReports: "reports", ...settings, ...times } as Config;
  const registry = createRegistry([customer, ...views].map((definition) => ({ definition, file: "features.ts" })));
  const { report, told } = await reportParity(
    { config, registry, store: project.store },
    { views: undefined, sample: undefined, repair: undefined, now: () => NOW_MS, signal: undefined },
  );
  expect(report.ok).toBe(false);
  expect(report.views.map(({ view, verdict }) => [view, verdict])).toEqual([
    ["good", "pass"],
    ["other", "error"],
  ]);
  expect(report.views[1]!.error).toMatchObject({ code: "SUITE_INVALID" });
  // From here on, not from the project's folder.
  expect(existsSync(/^The report is (.*)\.$/.exec(told)![1]!)).toBe(true);
  expect((await readParityVerdicts(project.store.control, ["good", "other"])).size).toBe(2);
});
