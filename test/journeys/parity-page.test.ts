/**
 * The page of a parity run as people see it, from the file that was written, in a real browser: in light and in dark, on
 * a desk, on a phone and on paper nothing overflows, every verdict and every chart is there, all text has the contrast
 * that WCAG asks for, no value becomes markup, and nothing but the file is asked for.
 */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  emptyView,
  errorView,
  failingView,
  hostileView,
  parityReport,
  passingView,
  runsBefore,
} from "../../batch/parity/fixtures/parity-reports.ts";
import { HOSTILE_VALIDATION, VALIDATIONS } from "../../batch/parity/fixtures/suite-validations.ts";
import type { ParityReport } from "../../batch/parity/parity-result.ts";
import { writeParityReport } from "../../batch/parity/report-folder.ts";
import { addToHistory } from "../../batch/parity/report-history.ts";
import type { SuiteValidation } from "../../batch/parity/report-page-suite.ts";
import { openObjectStore } from "../../object-store.ts";
import { findChromium, openChromium } from "../harness/chromium.ts";
import { contrastsOfPage, overflowOfPage, sidesOfElements } from "../harness/page-geometry.ts";
import { temporaryFolder } from "../harness/project.ts";

const chromium = findChromium();
const missing = "missing" in chromium ? chromium.missing : undefined;
/** Text under 18.66 px bold or 24 px, https://www.w3.org/TR/WCAG22/#contrast-minimum; the page holds all of it to this. */
const TEXT_CONTRAST_MIN = 4.5;
/** Lines and marks that mean something, https://www.w3.org/TR/WCAG22/#non-text-contrast. */
const MARK_CONTRAST_MIN = 3;

/** What means something by its colour beside its shape. */
const MARKS = {
  strokes: ".online-line, .offline-line, .trend-line, .axis, .mark-error",
  fills: ".bar, .mark-pass, .mark-fail, .paint-different, .paint-match, .share-part",
};
/** A folder for pictures of all pages, for people. */
const SCREENSHOTS = process.env.HEADGATE_TEST_SCREENSHOTS;

const long = "a_view_of_a_very_long_name_that_nobody_would_write_but_somebody_will_one_day_and_then_it_has_to_fit_too";
const ONE_AGE = { edges: [86_400, 86_400.03], counts: [12] };
const STANDING = { run: "parity", at: "2026-11-21T02:00:00.000Z", reason: "3 of 9 entities differ (3 stale)." };
const RUNS: Readonly<Record<string, readonly [ParityReport, readonly SuiteValidation[]]>> = {
  mixed: [
    parityReport([
      passingView("merchant_features"),
      failingView(),
      errorView(),
      emptyView(),
      { ...passingView(long, 12), freshness_seconds: ONE_AGE },
      { ...passingView("sampled_features"), sample: { share: 0.1, seed: 7 }, standing_failure: STANDING },
    ]),
    VALIDATIONS,
  ],
  pass: [parityReport([passingView("merchant_features")]), VALIDATIONS.slice(1)],
  hostile: [parityReport([hostileView()]), [HOSTILE_VALIDATION]],
  none: [parityReport([]), []],
};
const SCREENS = {
  light: { colorScheme: "light", viewport: { width: 1_280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1_280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 360, height: 740 } },
  "dark phone": { colorScheme: "dark", viewport: { width: 390, height: 844 } },
} as const;
const OPENED = Object.keys(RUNS).flatMap((run) => Object.keys(SCREENS).map((screen) => [run, screen] as const));

describe.skipIf(missing !== undefined)(`the parity page${missing === undefined ? "" : ` (${missing})`}`, () => {
  const pages = new Map<string, string>();
  const complaints: string[] = [];
  const asked: string[] = [];
  let browser: Browser;

  beforeAll(async () => {
    const directory = temporaryFolder();
    const objects = openObjectStore({ directory });
    for (const [name, [report, validations]] of Object.entries(RUNS)) {
      const days = name === "none" ? [] : runsBefore(report.views, 30);
      for (const run of days) await addToHistory(objects, `${name}/history.json`, run);
      const { page } = await writeParityReport({ objects, reportsPath: name, report, validations });
      pages.set(name, pathToFileURL(join(directory, page)).href);
    }
    browser = await openChromium((chromium as { path: string }).path);
  });
  afterAll(() => browser?.close());

  const open = async (run: string, screen: string): Promise<Page> => {
    const page = await browser.newPage(SCREENS[screen as keyof typeof SCREENS]);
    page.on("console", (message) => complaints.push(`${run}, ${screen}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`${run}, ${screen}: ${error}`));
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(pages.get(run)!);
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
    return page;
  };

  test.each(OPENED)("%s, %s: all is there and fits", async (run, screen) => {
    const page = await open(run, screen);
    const [report] = RUNS[run]!;
    if (SCREENSHOTS !== undefined) {
      await page.screenshot({ path: join(SCREENSHOTS, `parity-${run}-${screen}.png`), fullPage: true });
    }
    expect(await page.evaluate(overflowOfPage)).toBeLessThanOrEqual(0);
    const verdicts = await page.locator("section.view > h2 .verdict").allInnerTexts();
    expect(verdicts.sort()).toEqual(report.views.map(({ verdict }) => WORD[verdict]).sort());
    const drawings = "h1 .verdict, h2 .verdict, .summary .verdict, .chart, .spark, .divided, .share, .icon";
    expect(Math.min(...(await page.evaluate(sidesOfElements, drawings)))).toBeGreaterThan(5);
    const charts = report.views.flatMap(({ features }) => features.filter(({ online }) => online !== null));
    expect(await page.locator("svg.chart .online-line").count()).toBe(2 * charts.length);
    // Nothing of what the values say has happened.
    expect(await page.title()).toBe(`${report.ok ? "Pass" : "Fail"}: parity of 2026-11-22`);
    expect(await page.locator("script, img, iframe, object").count()).toBe(0);
    await page.close();
  });

  test.each(["light", "dark"])("%s: all text and every mark has the contrast that it needs", async (screen) => {
    const page = await open("mixed", screen);
    const { text, marks } = await page.evaluate(contrastsOfPage, MARKS);
    expect(text.length).toBeGreaterThan(300);
    expect(marks.length).toBeGreaterThan(50);
    expect(text.filter(({ contrast }) => contrast < TEXT_CONTRAST_MIN)).toEqual([]);
    expect(marks.filter(({ contrast }) => contrast < MARK_CONTRAST_MIN)).toEqual([]);
    await page.close();
  });

  test("on paper it is light, and what is folded is open", async () => {
    const page = await browser.newPage({ colorScheme: "dark", viewport: { width: 718, height: 1_000 } });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    await page.goto(pages.get("mixed")!);
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
    expect(await page.evaluate(overflowOfPage)).toBeLessThanOrEqual(0);
    expect(await page.getByText("expect_column_to_exist").first().isVisible()).toBe(true);
    await page.close();
  });

  test("a click on a command selects all of it, and the summary leads to its view", async () => {
    const page = await open("mixed", "light");
    await page.locator(".command").first().click();
    expect(await page.evaluate("getSelection().toString()")).toBe(
      "headgate features get customer_30d_features customer_id=17006",
    );
    await page.getByRole("link", { name: "session_features" }).first().click();
    const heading = page.getByRole("heading", { name: "session_features" });
    const isInView = async () => ((await heading.boundingBox())?.y ?? Number.POSITIVE_INFINITY) < 900;
    await expect.poll(isInView).toBe(true);
    await page.close();
  });

  test("asks for nothing but itself and complains about nothing", () => {
    expect(asked.filter((url) => ![...pages.values()].includes(url.replace(/#.*/, "")) && url !== "data:,")).toEqual(
      [],
    );
    expect(complaints).toEqual([]);
  });
});

const WORD = { pass: "Pass", fail: "Fail", error: "Error" } as const;
