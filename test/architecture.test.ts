/**
 * Holds the shape of the code: who may import whom, where each package lives, how long things are, what they may be
 * called. The two tables of ARCHITECTURE.md are the rule; this test reads them, so that the page can't drift from the
 * code. Each failure lists every offender as file:line.
 */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { markdownTable } from "./harness/markdown.ts";
import { CHECKOUT, type ModuleImport, type ModuleSource, readSourceTree } from "./harness/source-tree.ts";

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 70;
/** A first comment shorter than this says nothing. */
const PROSE_CHARACTERS_MIN = 20;
const BANNED_WORDS = ["manager", "managers", "util", "utils", "helper", "helpers", "common", "misc"];
const BANNED_NAMES = ["data", "info", "process"];

const text = (path: string) => readFileSync(`${CHECKOUT}/${path}`, "utf8");
const modules = readSourceTree().filter(({ path }) => !path.endsWith("_pb.ts"));
const isTest = (path: string) => /\.test\.ts$|\/conformance\.ts$|fixtures\/|^test\/|^vitest\.config/.test(path);
const production = modules.filter(({ path }) => !isTest(path));
const isExample = (path: string) => path.startsWith("examples/");
const isConfigFile = (path: string) => path.endsWith(".config.ts");
/** Where the clock may be read, because nothing calls it. */
const isEntry = (path: string) => /^cli\.ts$|^commands\/|\/main\.ts$|^models\/session-worker\.ts$|^bench\//.test(path);

const backticked = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
const importRows = markdownTable(text("ARCHITECTURE.md"), "Who may import whom");
const dependencyRows = markdownTable(text("ARCHITECTURE.md"), "Dependencies");

test("every part imports only what ARCHITECTURE.md allows it", () => {
  const offenders = production.flatMap((module) =>
    module.imports
      .filter((one) => one.isOwn && !isAllowed(module, one))
      .map((one) => `${module.path}:${one.line} imports ${one.from}`),
  );
  expect(offenders).toEqual([]);
});

test("every part of the code has its line in the import table, and every line its part", () => {
  const listed = importRows.flatMap(([parts]) => backticked(parts!)).filter((part) => !part.includes("*"));
  const parts = new Set(production.map(({ path }) => partOf(path)).filter((part) => !isConfigFile(part)));
  expect(listed.filter((part) => part !== "test/").sort()).toEqual([...parts].sort());
});

test("no module imports itself through others", () => {
  expect(importCycles(production)).toEqual([]);
});

test("each package is imported only at its home, and each has one", () => {
  const homes = new Map(dependencyRows.map(([name, home]) => [backticked(name!)[0]!, backticked(home!)]));
  const offenders = production.flatMap(({ path, imports }) =>
    imports
      .filter(({ from, isOwn }) => !isOwn && !from.startsWith("node:") && from !== "headgate")
      .filter(({ from }) => !homes.get(from)?.some((home) => isAt(path, home)) && !path.startsWith("bench/"))
      .map(({ from, line }) => `${path}:${line} imports ${from}`),
  );
  expect(offenders).toEqual([]);
  const manifest = JSON.parse(text("package.json")) as { dependencies: Record<string, string> };
  const missing = Object.keys(manifest.dependencies).filter((name) => !homes.has(name));
  expect(missing, "dependencies without a line in ARCHITECTURE.md").toEqual([]);
});

test("every home that ARCHITECTURE.md names uses its package", () => {
  const plain = ["build.mjs", "examples/churn/prepare.mjs"].map((path) => ({ path, text: text(path) }));
  const files = [...modules, { path: "models/onnx_pb.ts", text: text("models/onnx_pb.ts") }, ...plain];
  const unused = dependencyRows.flatMap(([name, homes]) =>
    backticked(homes!)
      .filter((home) => !files.some((file) => isAt(file.path, home) && uses(file.text, backticked(name!)[0]!)))
      .map((home) => `${name} in ${home}`),
  );
  expect(unused).toEqual([]);
});

test("the public face only re-exports", () => {
  expect(modules.find(({ path }) => path === "headgate.ts")!.reexportsOnly).toBe(true);
});

test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const offenders = modules.filter(({ lineCount }) => lineCount > FILE_LINES_MAX);
  expect(offenders.map(({ path, lineCount }) => `${path} has ${lineCount} lines`)).toEqual([]);
});

test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => {
  const offenders = modules.flatMap(({ path, functions }) =>
    functions
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ line, name, lines }) => `${path}:${line} ${name} has ${lines} lines`),
  );
  expect(offenders).toEqual([]);
});

test("exports are named", () => {
  const offenders = modules.filter(
    ({ path, exports }) => !isConfigFile(path) && exports.some(({ name }) => name === "default"),
  );
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

test("every exported name has a docstring", () => {
  const offenders = production
    .filter(({ path }) => !isExample(path))
    .flatMap(({ path, exports }) =>
      exports.filter(({ documented }) => !documented).map(({ line, name }) => `${path}:${line} ${name}`),
    );
  expect(offenders).toEqual([]);
});

test("every file says first what it is", () => {
  // A unit test is about the file beside it, which says it.
  const told = modules.filter(({ path }) => (!isTest(path) || path.startsWith("test/")) && !isExample(path));
  const offenders = told.filter(({ text }) => {
    const prose = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1]?.replace(/[\s*]+/g, " ") ?? "";
    return prose.length < PROSE_CHARACTERS_MIN;
  });
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

test("names are words of the field", () => {
  const offenders = modules.flatMap(({ path, exports }) =>
    [{ name: basename(path).replace(/\..*$/, ""), line: 1 }, ...exports]
      .filter(({ name }) => isBanned(name))
      .map(({ line, name }) => `${path}:${line} ${name}`),
  );
  expect(offenders).toEqual([]);
});

test("time and chance are passed in below the entry files", () => {
  const offenders = production
    .filter(({ path }) => !isEntry(path))
    .flatMap(({ path, impurities }) => impurities.map(({ name, line }) => `${path}:${line} ${name}`));
  expect(offenders).toEqual([]);
});

/** "features/" for a file of the folder, the file itself at the top. */
function partOf(path: string): string {
  return path.includes("/") ? `${path.split("/")[0]}/` : path;
}

function allowedParts(part: string): readonly string[] {
  const row = importRows.find(([parts]) => backticked(parts!).includes(part));
  if (row === undefined) return [];
  return row[1] === "anything" ? ["*"] : backticked(row[1]!);
}

function isAllowed({ path }: ModuleSource, { from, typeOnly }: ModuleImport): boolean {
  const [own, imported] = [partOf(path), partOf(from)];
  if (own === imported) return true;
  const allowed = [...allowedParts(own), ...(/^\w+\/main\.ts$/.test(path) ? allowedParts("*/main.ts") : [])];
  return allowed.includes("*") || allowed.includes(imported) || (typeOnly && path.startsWith("telemetry"));
}

/** `home` may hold a "*", which stands for a part of one name. */
function isAt(path: string, home: string): boolean {
  return new RegExp(`^${home.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}$`).test(path);
}

/** Imports, and files that the package is asked for by path. */
function uses(source: string, name: string): boolean {
  return ['from "', "resolve(`", "import("].some((use) => source.includes(`${use}${name}`));
}

function isBanned(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[\s_-]+/);
  return words.some((word) => BANNED_WORDS.includes(word)) || BANNED_NAMES.includes(name.toLowerCase());
}

/** Every ring of imports, each told once. Types count: a ring of types is a wrong cut too. */
function importCycles(sources: readonly ModuleSource[]): readonly string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (done.has(path) || trail.includes(path)) return;
    for (const { from, isOwn } of byPath.get(path)?.imports ?? []) if (isOwn) walk(from, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) walk(path, []);
  return cycles;
}
