import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { strayedSuites } from "./view-suite.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "headgate-view-suite-"));
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

const write = (...names: readonly string[]) => {
  mkdirSync(join(project, "expectations"), { recursive: true });
  for (const name of names) writeFileSync(join(project, "expectations", name), "{}");
};

test("a suite that is named after no view is told of, with the names there are", async () => {
  expect(await strayedSuites(project, ["orders"])).toBeUndefined();
  write("orders.json", "orders.online.json", "README.md");
  expect(await strayedSuites(project, ["orders", "customers"])).toBeUndefined();
  write("order.json");
  expect(await strayedSuites(project, ["orders", "customers"])).toBe(
    "expectations/order.json is named after no feature view that has files, so it never runs; these have: customers, orders.",
  );
  write(...Array.from({ length: 9 }, (_, i) => `stray${i}.json`));
  expect(await strayedSuites(project, ["orders"])).toContain("stray3.json and 5 more are named after no feature view");
});
