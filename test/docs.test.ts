/**
 * Holds the pages to the code: every command, setting, error and metric is documented and nothing documented is gone;
 * examples in the pages are run; links lead somewhere.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { SETTINGS } from "../config.ts";
import { ERRORS } from "../errors.ts";
import { formatDuration } from "../features/duration.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { float32, int64 } from "../features/field.ts";
import { viewJoinKeys } from "../features/registry.ts";
import { compileEncodeRow, encodeTombstone } from "../features/row-codec.ts";
import { createCircuitBreaker } from "../features/store/circuit-breaker.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { createTieredStore } from "../features/store/tiered.ts";
import { parseManifest } from "../models/manifest.ts";
import { startTelemetry } from "../telemetry.ts";
import { codeBlocks, headingsOf, linksOf, markdownTable } from "./harness/markdown.ts";
import { temporaryFolder } from "./harness/project.ts";
import { CHECKOUT } from "./harness/source-tree.ts";

const README_LINES_MAX = 120;
const read = (path: string) => readFileSync(join(CHECKOUT, path), "utf8");
const code = (cell: string) => cell.replaceAll("`", "");
const usages = [...read("cli.ts").matchAll(/usage: "([^"]+)"/g)].map((match) => match[1]!);

test("docs/cli.md has every command with its options, and no other", () => {
  const page = read("docs/cli.md");
  expect(headingsOf(page, 2)).toEqual(usages.map((usage) => `headgate ${usage}`));
  const options = [...read("cli.ts").matchAll(/(?:flag\(\s*|option\()"(--[^"]+)"/g)].map((match) => match[1]!);
  expect(options.filter((option) => !page.includes(`\`${option}\``))).toEqual([]);
});

test("docs/configuration.md has every setting as the table has it", () => {
  const rows = markdownTable(read("docs/configuration.md"), "Configuration");
  const settings = Object.entries(SETTINGS).map(([name, { environment, unit, fallback, about }]) => {
    const shown = unit === "duration" ? formatDuration(fallback as number) : String(fallback);
    return [name, environment, unit, shown === "" ? "none" : shown, about];
  });
  expect(rows.map((row) => row.map(code))).toEqual(settings);
});

test("docs/errors.md has every code as the table has it", () => {
  const rows = markdownTable(read("docs/errors.md"), "Errors");
  const errors = Object.entries(ERRORS).map(([name, { status, retriable, sentence }]) => [
    name,
    String(status),
    retriable ? "yes" : "no",
    sentence,
  ]);
  expect(rows.map((row) => row.slice(0, 4).map(code))).toEqual(errors);
  expect(rows.filter((row) => row[4] === "")).toEqual([]);
});

test("docs/metrics.md has every metric as it is exposed", async () => {
  const telemetry = startTelemetry(
    () => {},
    () => 0,
  );
  const store = openMemoryStore();
  const memory = createTieredStore(store, { maxBytes: 1_000, now: () => 0 });
  const breaker = createCircuitBreaker(store, { now: () => 0, random: () => 0 });
  telemetry.watchStore({ store: memory, memory, breaker, watched: store.control });
  telemetry.watchMaterialized(async () => new Map());
  telemetry.watchParity(async () => new Map());
  telemetry.watchModelQueues({ list: () => [] });
  telemetry.watchModelVersions(() => []);
  telemetry.watchWorkers(() => 0);
  const lines = (await telemetry.metricsText()).split("\n");
  telemetry.stop();
  const exposed = lines.flatMap((line, i) => {
    const [, name, help] = /^# HELP (headgate_\S+) (.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, lines[i + 1]!.split(" ")[3], help]];
  });
  const rows = markdownTable(read("docs/metrics.md"), "Metrics").map((row) => row.map(code));
  expect(rows.map(([name, type, , help]) => [name, type, help])).toEqual(exposed);
  const parts = readdirSync(join(CHECKOUT, "telemetry")).filter((name) => !name.endsWith(".test.ts"));
  const labels = [
    ...parts
      .map((name) => read(`telemetry/${name}`))
      .join("\n")
      .matchAll(
        /(?:name: |gauge\(\s*|total\(\s*)"(headgate_\w+)",\s+(?:help: )?"[^"]+",(?:\s+labelNames: \[([^\]]*)\])?/g,
      ),
  ];
  expect(rows.map(([name, , told]) => [name, told]).sort()).toEqual(
    labels.map(([, name, names]) => [name, names === undefined ? "none" : names.replaceAll('"', "")]).sort(),
  );
});

test("docs/http-api.md has every route of the gateway", () => {
  const routes = [...read("gateway/app.ts").matchAll(/^ {4}"((?:GET|POST|PUT|DELETE) [^"]+)":/gm)].map((match) =>
    match[1]!.replace(/:(\w+)/g, "{$1}"),
  );
  const page = read("docs/http-api.md");
  const headings = headingsOf(page, 2).filter((heading) => heading !== "/v2");
  const told = [...headings, "GET /openapi.json", "GET /", "GET /docs", "GET /docs/{asset}"];
  expect([...told].sort()).toEqual([...routes].sort());
  const protocol = [...read("gateway/inference-protocol/routes.ts").matchAll(/^ {2}"((?:GET|POST) )(v2[^"]*)":/gm)];
  expect(protocol.length).toBeGreaterThan(0);
  for (const [, method, path] of protocol) expect(page).toContain(`\`${method}/${path!.replace("/M", "/{name}")}\``);
});

test("docs/http-api.md's row to write has what the churn example's view takes, all of it", async () => {
  const [, entity, values] = /"entity":(\{.+?\}),\s+"values":(\{.+?\})/.exec(read("docs/http-api.md"))!;
  const view = (await loadFeatureRepository(join(CHECKOUT, "examples/churn"))).views.get("customer_30d_features")!;
  expect(Object.keys(JSON.parse(entity!))).toEqual(Object.keys(viewJoinKeys(view)));
  expect(Object.keys(JSON.parse(values!))).toEqual(Object.keys(view.schema));
});

test("docs/concepts.md's definitions and manifest are ones that Headgate takes", async () => {
  const page = read("docs/concepts.md");
  const [first, second] = codeBlocks(page, "ts");
  const project = temporaryFolder();
  mkdirSync(join(project, "features"));
  writeFileSync(join(project, "features", "customer.ts"), first!);
  writeFileSync(join(project, "features", "ratios.ts"), second!);
  const registry = await loadFeatureRepository(project);
  expect([...registry.services.keys()]).toEqual(["churn_v1", "churn_v2"]);
  const manifest = parseManifest(codeBlocks(page, "json")[0]!, "docs/concepts.md");
  const selected = registry.services.get(manifest.service)!.features.map(({ field }) => field);
  expect(manifest.inputs[0]!.features).toEqual(selected);
});

test("docs/store-format.md's row is what the codec writes", () => {
  const day = Date.UTC(2026, 10, 23);
  const order = {
    eventTimestampUs: day * 1_000,
    createdTimestampUs: (day + 7_200_000) * 1_000,
    generation: 1,
    sourceRank: 2,
    position: 145_305,
  };
  const header = { schemaId: 1, writtenAtMs: Date.UTC(2026, 10, 23, 5, 4, 39, 609), originId: 1 };
  const values = [4, Math.fround(49.2625), -0, Math.fround(9.370243)];
  const row = compileEncodeRow([int64(), float32(), float32(), float32()])(order, header, values);
  const page = read("docs/store-format.md");
  expect(page).toContain(`\n${Buffer.from(row).toString("hex")}\n`);
  const parts = markdownTable(page, "A row, byte by byte").map(([bytes]) => code(bytes!).replaceAll(" ", ""));
  expect(parts.join("")).toBe(Buffer.from(row).toString("hex"));
  expect([row.length, encodeTombstone(order).length]).toEqual([42, 23]);
});

test(`README.md has at most ${README_LINES_MAX} lines, and its commands exist`, () => {
  const readme = read("README.md");
  expect(readme.split("\n").length - 1).toBeLessThanOrEqual(README_LINES_MAX);
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  for (const page of [readme, read("CONTRIBUTING.md")]) {
    const run = [...page.matchAll(/npm run (\w+)/g)].map((match) => match[1]!);
    const short = [...page.matchAll(/npm (start|test)/g)].map((match) => match[1]!);
    expect([...run, ...short].filter((script) => scripts[script] === undefined)).toEqual([]);
  }
});

test("every headgate command that a page mentions exists", () => {
  const known = new Set(usages.map((usage) => usage.replace(/ [<[].*/, "")));
  const unknown = pages().flatMap((page) =>
    [...read(page).matchAll(/(?:`|npx )headgate ((?:features|import|models) [a-z]+|[a-z][a-z-]*)/g)]
      .map((match) => match[1]!)
      .filter((command) => !known.has(command))
      .map((command) => `${page}: headgate ${command}`),
  );
  expect(unknown).toEqual([]);
});

test("every file that ARCHITECTURE.md names is there", () => {
  const named = [...read("ARCHITECTURE.md").matchAll(/`([\w./-]+(?:\.ts|\.mjs|\/))`/g)].map((match) => match[1]!);
  expect(named.filter((path) => !existsSync(join(CHECKOUT, path)))).toEqual([]);
});

test("relative links lead to files and headings that are there", () => {
  const broken = pages().flatMap((page) =>
    linksOf(read(page))
      .filter((link) => !leads(page, link))
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
});

/** Every Markdown page that is committed. */
function pages(): readonly string[] {
  const skipped = new Set(["node_modules", "dist", ".git", ".headgate", "coverage"]);
  const walk = (folder: string): readonly string[] =>
    readdirSync(join(CHECKOUT, folder), { withFileTypes: true })
      .filter(({ name }) => !skipped.has(name))
      .flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? walk(path) : entry.name.endsWith(".md") ? [path] : [];
      });
  return walk("");
}

function leads(page: string, link: string): boolean {
  const [path, anchor] = link.split("#") as [string, string | undefined];
  const target = path === "" ? join(CHECKOUT, page) : resolve(CHECKOUT, dirname(page), path);
  if (!existsSync(target) || anchor === undefined) return existsSync(target);
  const text = readFileSync(target, "utf8");
  const slugs = [1, 2, 3, 4]
    .flatMap((level) => headingsOf(text, level))
    .map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
  return slugs.includes(anchor) || text.includes(`<a id="${anchor}">`);
}
