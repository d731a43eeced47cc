/**
 * /docs as people see it, in a real browser: the operations are listed, "Try it out" of /predict answers, nothing is
 * asked of any other host and nothing goes wrong on the console.
 */

import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "../../gateway/openapi/document.ts";
import { findChromium, openChromium } from "../harness/chromium.ts";
import { copyExample, headgate, run, type ServedProject, serve, temporaryFolder } from "../harness/project.ts";

const chromium = findChromium();
const missing = "missing" in chromium ? chromium.missing : undefined;
const { paths } = openApiDocument("0.0.0", 0) as { readonly paths: Readonly<Record<string, object>> };
/** A path for each of its methods. */
const OPERATIONS = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map(() => path));

describe.skipIf(missing !== undefined)(`the documentation page${missing === undefined ? "" : ` (${missing})`}`, () => {
  const complaints: string[] = [];
  const asked: string[] = [];
  let gateway: ServedProject;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const project = copyExample();
    await run([process.execPath, "prepare.mjs"], project);
    for (const words of [["apply"], ["materialize-incremental", "now"]]) await run(headgate(...words), project);
    gateway = await serve(project);
    browser = await openChromium((chromium as { path: string }).path);
    page = await browser.newPage({ viewport: { width: 1_200, height: 1_600 } });
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(`${gateway.url}/docs`);
    await page.waitForSelector(".opblock");
  });

  afterAll(() => browser?.close());

  test("lists every operation", async () => {
    const listed = await page.locator(".opblock-summary-path").allInnerTexts();
    expect(listed.map((path) => path.replaceAll("\u200b", "").trim()).sort()).toEqual([...OPERATIONS].sort());
  });

  test('"Try it out" of /predict answers 200', async () => {
    const operation = page.locator(".opblock-post").filter({ hasText: "/predict" });
    await operation.locator(".opblock-summary").click();
    await operation.locator("button.execute").click();
    const answer = operation.locator(".live-responses-table .response").first();
    await answer.waitFor();
    expect(await answer.locator(".response-col_status").textContent()).toMatch(/^200/);
    expect(await answer.locator(".response-col_description").textContent()).toContain('"PRESENT"');
    await page.screenshot({ path: join(process.env.HEADGATE_TEST_SCREENSHOTS ?? temporaryFolder(), "docs-page.png") });
  });

  test("asks no other host and complains about nothing", () => {
    const others = asked.filter((url) => !url.startsWith(gateway.url) && !/^(data|blob):/.test(url));
    expect(others).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
