import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { findModel } from "../models/alias.ts";
import { type ChurnGateway, openChurnGateway } from "./fixtures/churn-gateway.ts";
import { churnVersions } from "./fixtures/churn-versions.ts";
import type { JoinedModel } from "./joined-model.ts";

let gateway: ChurnGateway | undefined;
afterEach(() => gateway?.close());

/** Versions 1 and 2, the second with a max_age of its own where one is given. */
async function joinBoth(maxAge?: string): Promise<readonly JoinedModel[]> {
  const repository = await churnVersions({ canary: { version: 2, percent: 50, guard: undefined } });
  if (maxAge !== undefined) {
    const file = join(repository, "churn", "2", "model.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), max_age: maxAge }));
  }
  gateway = await openChurnGateway(repository);
  const { models, join: joinModel } = gateway.options;
  const { stable, canary } = findModel(models, "churn");
  return [stable!, canary!.model].map(joinModel);
}

test("a version with another max_age reads by that", async () => {
  const [first, second] = await joinBoth("1h");
  expect(second!.reader.plan.keys[0]!.views[0]!.maxAgeUs).toBe(3_600_000_000);
  expect(first!.reader.plan.keys[0]!.views[0]!.maxAgeUs).toBe(2 * 86_400_000_000);
});
