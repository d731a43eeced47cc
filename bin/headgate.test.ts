import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run } from "../test/harness/project.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";

test("a checkout that is not built says so, and runs once it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bin-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["bin", "dist"]) mkdirSync(join(folder, name));
  copyFileSync(join(CHECKOUT, "bin", "headgate.mjs"), join(folder, "bin", "headgate.mjs"));
  const headgate = ["node", join(folder, "bin", "headgate.mjs"), "serve"];
  const unbuilt = await run(headgate, folder);
  expect([unbuilt.exitCode, unbuilt.stdout]).toEqual([1, ""]);
  expect(unbuilt.stderr).toMatch(/^headgate: .* run npm ci && npm run build in it\.\n$/);
  mkdirSync(join(folder, "node_modules"));
  expect((await run(headgate, folder)).stderr).toMatch(/^headgate: .* run npm run build in it\.\n$/);
  writeFileSync(join(folder, "dist", "cli.js"), "console.log(process.argv[2]); process.exitCode = 3;");
  expect(await run(headgate, folder)).toMatchObject({ exitCode: 3, stdout: "serve\n" });
});
