/**
 * What a user installs: the packed tarball in an empty folder, `npx headgate init shop`, and the new project's own
 * quickstart, up to the request that it prints.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { run, start, temporaryFolder } from "../harness/project.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

/** Bounds of the tarball; what grows past them should be looked at. */
const PACKED_BYTES_MAX = 3_500_000;
const INSTALL_TIMEOUT_MS = 240_000;

interface Tarball {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

const folder = temporaryFolder();
const shop = join(folder, "shop");
let tarball: Tarball;

beforeAll(async () => {
  const packed = await run(["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder], CHECKOUT);
  expect(packed.exitCode, packed.stderr).toBe(0);
  tarball = (JSON.parse(packed.stdout) as Tarball[])[0]!;
});

test("the tarball has what a user runs and reads, and nothing else", () => {
  const paths = tarball.files.map(({ path }) => path);
  const tops = new Set(paths.map((path) => (path.startsWith("examples/") ? "examples/churn" : path.split("/")[0]!)));
  expect([...tops].sort()).toEqual(
    ["CHANGELOG.md", "LICENSE", "README.md", "bin", "deploy", "dist", "docs", "examples/churn", "package.json"].sort(),
  );
  expect(paths.filter((path) => /\.test\.|fixtures|conformance|\/tools\/|\.headgate\/|__/.test(path))).toEqual([]);
  for (const needed of [
    "bin/headgate.mjs",
    "dist/cli.js",
    "dist/headgate.d.ts",
    "dist/gateway/docs-assets/swagger-ui.css",
  ]) {
    expect(paths).toContain(needed);
  }
  expect(tarball.size).toBeLessThan(PACKED_BYTES_MAX);
});

test("it installs in an empty folder", { timeout: INSTALL_TIMEOUT_MS }, async () => {
  const words = ["npm", "install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  const { exitCode, stderr } = await run([...words, `./${tarball.filename}`], folder);
  expect(exitCode, stderr).toBe(0);
});

test("headgate init makes a project", async () => {
  const { exitCode, stdout, stderr } = await run(["npx", "headgate", "init", "shop"], folder);
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/cd shop\n\s+npm install\n\s+npm start/);
  for (const file of [
    "headgate.config.ts",
    "features/customer.ts",
    "models/churn/1/model.onnx",
    ".npmrc",
    "README.md",
  ]) {
    expect(existsSync(join(shop, file)), file).toBe(true);
  }
  expect(readFileSync(join(shop, "headgate.config.ts"), "utf8")).toContain('project: "shop"');
  const manifest = JSON.parse(readFileSync(join(shop, "package.json"), "utf8"));
  // Installed from a tarball, the project is, too: the registry may not have this version.
  expect(manifest).toMatchObject({ name: "shop", dependencies: { headgate: `file:../${tarball.filename}` } });
});

test("a second init leaves the project alone", async () => {
  const { exitCode, stderr } = await run(["npx", "headgate", "init", "shop"], folder);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("PROJECT_EXISTS")]);
});

test("npm start serves the new project, and the printed request works", { timeout: 60_000 }, async () => {
  // The packages are those of the folder above, as with an `npm install` here.
  const gateway = start(["npm", "start"], shop, { HEADGATE_PORT: "0" });
  const [, curl] = await gateway.waitFor(/^ {2}(curl .*)$/m);
  const asked = await run(["bash", "-c", curl!], shop);
  expect(JSON.parse(asked.stdout)).toMatchObject({
    model: "churn",
    predictions: [{ version: 1 }],
    features: [{ status: "PRESENT" }],
  });
  gateway.signal("SIGTERM");
  await gateway.ended;
});
