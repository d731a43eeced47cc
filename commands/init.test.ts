import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import type { CommandContext } from "./command.ts";
import { init } from "./init.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-init-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const silent = { write: () => true } as unknown as NodeJS.WriteStream;
const context: CommandContext = {
  projectDirectory: ".",
  json: false,
  environment: {},
  stdout: silent,
  stderr: silent,
  now: () => 0,
};

test("a folder that can't be written is told as that", async () => {
  writeFileSync(join(folder, "file"), "");
  // Node's own recursive mkdir never ends under /proc.
  const paths = [join(folder, "file"), join(folder, "file/shop"), "/proc/shop", "/proc/a/shop"];
  for (const target of process.platform === "linux" ? paths : paths.slice(0, 2)) {
    await expect(init(context, target)).rejects.toMatchObject({ code: "PROJECT_UNWRITABLE" });
  }
});

test("a folder that holds something is left alone", async () => {
  writeFileSync(join(folder, "file"), "");
  await expect(init(context, folder)).rejects.toMatchObject({ code: "PROJECT_EXISTS" });
});

test("its TypeScript settings take imports that end in .ts", async () => {
  await init(context, join(folder, "shop"));
  const { compilerOptions } = JSON.parse(readFileSync(join(folder, "shop", "tsconfig.json"), "utf8"));
  expect(compilerOptions).toMatchObject({ allowImportingTsExtensions: true, noEmit: true });
});

test("what its README says to take out goes with the example's data, and the start with it", async () => {
  await init(context, join(folder, "shop"));
  const { scripts } = JSON.parse(readFileSync(join(folder, "shop", "package.json"), "utf8"));
  const readme = readFileSync(join(folder, "shop", "README.md"), "utf8");
  const [, taken] = /`prepare\.mjs` \|.* take `([^`]+)` out of `start` in `package\.json`/.exec(readme)!;
  expect(scripts.start.replace(taken, "").trim()).toBe(
    "headgate apply && headgate materialize-incremental now && headgate serve",
  );
});

test("of a checkout's command the project takes its headgate from there: no registry may have it", async () => {
  await init(context, join(folder, "shop"));
  const { dependencies } = JSON.parse(readFileSync(join(folder, "shop", "package.json"), "utf8"));
  expect(dependencies.headgate).toBe(`file:${relative(join(folder, "shop"), CHECKOUT)}`);
});
