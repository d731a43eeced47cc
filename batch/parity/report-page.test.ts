import { expect, test } from "vitest";
import type { JsonValue } from "../../features/json-value.ts";
import {
  emptyView,
  errorView,
  failingView,
  hostileView,
  parityReport,
  passingView,
  runsBefore,
} from "./fixtures/parity-reports.ts";
import { HOSTILE_VALIDATION, VALIDATIONS } from "./fixtures/suite-validations.ts";
import type { ParityReport, ViewParity } from "./parity-result.ts";
import { historyRunOf, withRun } from "./report-history.ts";
import { renderParityPage } from "./report-page.ts";
import type { SuiteValidation } from "./report-page-suite.ts";

const pageOf = (report: ParityReport, validations: readonly SuiteValidation[] = [], runs = 0): string => {
  const history = withRun({ runs: runsBefore(report.views, runs) }, historyRunOf(report, "2026-11-22/a/index.html"));
  const suites = validations.map((one, i) => ({ ...one, file: `validation-${i}.json` }));
  return renderParityPage({ report, suites, history });
};
const ofViews = (...views: readonly ViewParity[]) => pageOf(parityReport(views));

/** What a reader sees, in one line. */
const textOf = (page: string) =>
  page
    .replace(/<style>.*?<\/style>|<wbr>|<title>.*?<\/title>/gs, "")
    .replace(/<[^>]*>/g, " ")
    .replaceAll("&nbsp;", " ")
    .replace(/\s+/g, " ");

test("the page is one file: no script, nothing from elsewhere, and it says so to the browser", () => {
  const page = pageOf(parityReport([failingView(), errorView()]), VALIDATIONS, 30);
  expect(page).not.toMatch(/<script|<link (?!rel="icon" href="data:,")|@import|\ssrc=|\son\w+=|\sstyle=/i);
  expect([...page.matchAll(/url\(([^)]*)\)/g)].map(([, target]) => target![0])).toSatisfy((heads: string[]) =>
    heads.every((head) => head === "#"),
  );
  expect(page).toContain("default-src &#39;none&#39;");
});

test("no name or value is markup", () => {
  const page = pageOf(parityReport([hostileView()]), [HOSTILE_VALIDATION], 3);
  expect(page).not.toMatch(/<script|<img/i);
  expect(page).toContain("&lt;script&gt;document.title=&#39;hit&#39;&lt;/script&gt;");
  // Between tags there are only those of the page itself.
  const tags = new Set([...page.matchAll(/<([a-z0-9]+)/gi)].map(([, name]) => name));
  const own =
    "a body br circle code dd defs details div dl dt figcaption figure footer h1 h2 h3 h4 head header html li link main meta ol p path pattern rect section small span strong style summary svg table tbody td text tfoot th thead time title tr wbr";
  expect([...tags].filter((tag) => !own.split(" ").includes(tag!))).toEqual([]);
});

test("the outcomes add up to what was checked, and where they don't the page says so", () => {
  expect(textOf(ofViews(failingView()))).toContain("checked 98,412 100 %");
  expect(ofViews(failingView())).not.toContain("do not add up");
  expect(textOf(ofViews({ ...failingView(), checked: 98_413 }))).toContain(
    "The outcomes do not add up to the 98,413 entities that were checked.",
  );
});

test("what did not pass comes first, in the summary and below", () => {
  const page = ofViews(passingView("a"), errorView("b"), passingView("c"), failingView("d"), emptyView("e"));
  const headings = [...page.matchAll(/<h2><span class="verdict (\w+)">.*?<span class="name">(\w)<\/span>/gs)];
  expect(headings.map(([, verdict, view]) => `${view} ${verdict}`)).toEqual([
    ...["d fail", "e fail", "b error", "a pass", "c pass"],
  ]);
  const links = [...page.matchAll(/<a href="#(view-\d)">(\w)<\/a>/g)].map(([, id, view]) => `${id} ${view}`);
  expect(links).toEqual(["view-1 d", "view-2 e", "view-3 b", "view-4 a", "view-5 c"]);
});

test("a failing verdict that stays is told in the summary and in the view's section", () => {
  const standing_failure = {
    run: "parity",
    at: "2026-11-21T02:00:00.000Z",
    reason: "3 of 9 entities differ (3 stale).",
  };
  const text = textOf(ofViews({ ...passingView("orders"), standing_failure }, passingView("other")));
  expect(text.match(/an earlier failure stays/g)).toHaveLength(1);
  expect(text).toContain(
    "stays, as it is of all entities: 3 of 9 entities differ (3 stale). headgate parity --views orders --sample 1 looks at all",
  );
});

test("nulls are a share of all rows of their side, of which few may have been compared", () => {
  const ages = { edges: [0, 1], counts: [400] };
  const view = { ...passingView("orders"), compared: 10, offline_entities: 500, freshness_seconds: ages };
  const feature = { ...view.features[0]!, compared: 10, online_nulls: 100, offline_nulls: 250 };
  expect(textOf(ofViews({ ...view, features: [feature] }))).toContain("100 25 % 250 50 %");
});

test("the headline counts the verdicts", () => {
  const headlineOf = (...views: readonly ViewParity[]) =>
    /<h1>.*?<\/span> <span>(.*?)<\/span>/s.exec(ofViews(...views))![1];
  expect(headlineOf(passingView("a"))).toBe("Online serves what offline says, in 1 view");
  expect(headlineOf(passingView("a"), passingView("b"))).toBe("Online serves what offline says, in all 2 views");
  expect(headlineOf(passingView("a"), failingView(), emptyView(), errorView())).toBe(
    "Of 4 views 2 fail, 1 could not be compared",
  );
  expect(headlineOf()).toBe("No view was compared");
});

test("a cause has its count, its share, its meaning, an example and the command", () => {
  const text = textOf(ofViews(failingView()));
  expect(text).toContain("Missed interval 2,310 17.84 % The row was there and lies outside");
  expect(text).toContain("such as customer_id=17004 headgate features get customer_30d_features customer_id=17004");
  expect(text.indexOf("Type narrowing 9,600")).toBeLessThan(text.indexOf("Missed interval 2,310"));
});

test("values are exact, and a side without a row says so", () => {
  const text = textOf(ofViews(failingView()));
  expect(text).toContain("9007199254740992 2026-11-21 22:14:09.120344 UTC 9007199254740993");
  expect(text).toContain("missing Expired whole row no row 2026-11-21 03:12:44 UTC");
});

test("a sample tells its seed and its bound; an error its code and its detail", () => {
  const text = textOf(ofViews(failingView(), errorView()));
  expect(text).toContain("98,412 (a sample of 10 %, seed 4211)");
  expect(text).toContain("13.16 %, at most 13.34 % of the entities in the files (95 %)");
  expect(text).toContain("SOURCE_CHANGED s3://features/session/");
});

test("a view that could not be compared has its error once, and nothing of what was not read", () => {
  const text = textOf(ofViews(errorView()));
  expect(text.split(errorView().error!.detail)).toHaveLength(2);
  expect(text).not.toContain("Materialized to");
  expect(textOf(ofViews(emptyView()))).toContain("Materialized to never");
});

test("a set that is not as expected shows what is too much and what lacks", () => {
  const of = (result: JsonValue) => ({ success: false, result, expectation_config: { type: "t", kwargs: {} } });
  const listed = { unexpected_count: 2, partial_unexpected_list: ["FR", "XX"] };
  const missing = { missing_count: 1, partial_missing_list: ["IT"] };
  const results = [
    of({ observed_value: null, ...listed, ...missing }),
    of({ observed_value: null, ...missing }),
    of({ observed_value: null }),
    of({ element_count: 9, unexpected_count: 0, missing_count: 3 }),
    of({ element_count: 9, unexpected_count: 1, missing_count: 0 }),
  ];
  const page = pageOf(parityReport([]), [{ suite_name: "sets", result: { success: false, results } }]);
  const shown = [...page.matchAll(/data-label="Observed">(.*?)<\/td>/g)].map(([, cell]) => textOf(cell!).trim());
  expect(shown).toEqual([
    expect.stringMatching(/^2 unexpected: +&quot;FR&quot;, &quot;XX&quot; ; 1 missing: +&quot;IT&quot;$/),
    expect.stringMatching(/^1 missing: +&quot;IT&quot;$/),
    "null",
    "0 unexpected of 6 that are not null",
    "1 unexpected of 9",
  ]);
});

test("a suite shows what failed first, and exceptions, counts and observed values", () => {
  const text = textOf(pageOf(parityReport([]), VALIDATIONS));
  expect(text).toContain("1 of 2 suites met");
  expect(text).toContain("4 of 8 expectations are met, 50 % successful.");
  expect(text).toContain("raised Error: The column &quot;segmnt&quot; in BatchData does not exist.");
  expect(text).toContain(
    "min_value=0 , max_value=400 , mostly=0.999 1,204 unexpected of 96,522 that are not null (1.25 %): 401.25, 412.5",
  );
  expect(text).toContain("online.lifetime_cents , offline.lifetime_cents");
  expect(text.indexOf("expect_column_mean_to_be_between")).toBeLessThan(text.indexOf("4 met"));
});

test("a result of another form is shown as far as it is understood", () => {
  const odd: readonly JsonValue[] = [
    null,
    3,
    [],
    {},
    { results: [null, 3, {}, { result: 4, expectation_config: [] }] },
  ];
  for (const result of odd) {
    expect(pageOf(parityReport([]), [{ suite_name: "odd", result }])).toContain("odd");
  }
});

test("the trend ends with this run, though others were later", () => {
  const report = parityReport([failingView("orders")]);
  const before = runsBefore(report.views, 3);
  const later = {
    ...historyRunOf(report, "2026-11-23/a/index.html"),
    run: "later",
    started_at: "2026-11-23T02:15:00.000Z",
  };
  const runs = [...before, historyRunOf(report, "2026-11-22/a/index.html"), later];
  const page = renderParityPage({ report, suites: [], history: { runs } });
  expect(page).toContain("Mismatch rate of orders over 4 runs");
  expect(page).toContain('<a href="../../2026-11-23/a/index.html">2026-11-23 02:15:00');
});

test("examples past the bound are counted", () => {
  const [example] = failingView().examples;
  const view = { ...failingView(), examples: Array.from({ length: 1_000 }, () => example!) };
  expect(textOf(ofViews(view))).toContain("960 more in parity.json");
});
