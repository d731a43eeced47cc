import { afterEach, expect, test } from "vitest";
import { featureView } from "../../features/feature-view.ts";
import { fileSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { parseSuite } from "../expectations/suite.ts";
import type { FileView } from "../materialize.ts";
import { openParityProject, type ParityProject } from "./fixtures/parity-project.ts";
import { type PlantName, plant } from "./fixtures/planted.ts";
import { type PairSuites, startPairSuites } from "./pair-suites.ts";

let project: ParityProject;
afterEach(() => project.close());

const NAMES = { runTime: "2026-11-23T00:00:00.000Z", runName: "parity" };

async function compare(kinds: readonly PlantName[], online?: string, maxMismatch = 0) {
  project = await openParityProject(() => openMemoryStore());
  await plant(project, kinds);
  const suite = online === undefined ? undefined : parseSuite(online, "expectations/wide.json");
  let suites: PairSuites | undefined;
  const view = await project.runView({
    settings: { parityMaxMismatch: maxMismatch },
    observerOf: (view) => (suites = startPairSuites({ view, online: suite, maxMismatch, names: NAMES })),
  });
  const [sides, own] = suites!.validations();
  const failed = sides!.results.filter(({ success }) => !success);
  return {
    view,
    sides: sides!,
    own,
    failed: failed.map(({ expectation_config }) => expectation_config.kwargs.column_A),
  };
}

test("parity is a validation result: one expectation a feature, and one of the event", async () => {
  const { sides, failed } = await compare(["same", "same", "streamed", "too_old"]);
  expect(sides).toMatchObject({ success: true, suite_name: "parity.wide" });
  expect(sides.results.map(({ expectation_config }) => expectation_config.type)).toEqual(
    new Array(8).fill("expect_column_pair_values_to_be_equal"),
  );
  expect(sides.results[0]!.result).toMatchObject({ element_count: 2, unexpected_count: 0 });
  expect(failed).toEqual([]);
});

test.each([
  ["narrow_f64", ["online.f64"]],
  ["null_online", ["online.f64"]],
  ["value", ["online.blob"]],
  ["stale", ["online.event_timestamp"]],
  ["skewed", ["online.event_timestamp"]],
] as const)("what parity finds of %s the suite finds, too", async (kind, columns) => {
  const { failed, view } = await compare(["same", kind]);
  expect(failed).toEqual(columns);
  expect(view.verdict).toBe("fail");
});

test.each(["missing", "extra"] as const)("an entity that is %s fails what is not null of it", async (outcome) => {
  const { failed } = await compare(["same", outcome === "extra" ? "extra" : "late_missing"]);
  expect(failed).toEqual(expect.arrayContaining(["online.i32", "online.event_timestamp"]));
});

test("a share of mismatches that passes passes in the suite", async () => {
  const { sides, view } = await compare(["same", "same", "same", "value"], undefined, 0.25);
  expect([sides.success, view.verdict]).toEqual([true, "pass"]);
});

const suiteOf = (severity: string, max: number) =>
  JSON.stringify({
    name: "wide rows",
    expectations: [
      { type: "expect_column_values_to_be_between", kwargs: { column: "customer_id", max_value: max }, severity },
      { type: "expect_column_values_to_not_be_null", kwargs: { column: "event_ts" }, severity },
      { type: "expect_column_values_to_not_be_null", kwargs: { column: "created" }, severity },
    ],
  });

test("the project's suite looks at the served rows, join keys among them; what is critical fails the view", async () => {
  const kinds: PlantName[] = ["same", "same", "same", "extra_too_old"];
  const good = await compare(kinds, suiteOf("critical", 3));
  expect(good.own).toMatchObject({ success: true, suite_name: "wide rows" });
  expect(good.own!.results[0]!.result).toMatchObject({ element_count: 3 });
  expect(good.view.verdict).toBe("pass");
  await project.close();
  const bad = await compare(kinds, suiteOf("critical", 2));
  expect(bad.view).toMatchObject({ verdict: "fail", outcomes: { match: 3 } });
  expect(bad.view.reason).toContain(
    'Suite "wide rows" is not met: expect_column_values_to_be_between of customer_id (1 of 3 rows, such as 3).',
  );
  await project.close();
  const warned = await compare(kinds, suiteOf("warning", 2));
  expect([warned.own!.success, warned.view.verdict]).toEqual([false, "pass"]);
});

test("a view whose feature is called as the event's column is held by its features alone", async () => {
  project = await openParityProject(() => openMemoryStore());
  const view = featureView("clash", {
    entities: [],
    schema: { event_timestamp: { kind: "int64", list: false } },
    source: fileSource({ path: "x", timestampField: "t" }),
  });
  const suites = startPairSuites({ view: view as FileView, online: undefined, maxMismatch: 0, names: NAMES });
  suites.finish();
  expect(suites.validations()[0]!.results.length).toBe(1);
});
