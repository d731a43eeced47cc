import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadFeatureRepository } from "./feature-repository.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "headgate-repository-"));
});
afterEach(() => rmSync(project, { recursive: true }));

function write(file: string, text: string) {
  mkdirSync(dirname(join(project, file)), { recursive: true });
  writeFileSync(join(project, file), text);
}

const CUSTOMER = `import { entity, int64 } from "headgate"; export const customer = entity("customer", { joinKeys: { customer_id: int64() } });`;
const SPEND = `import { featureView, float32, type FeatureView } from "headgate"; import { customer } from "./customer.ts";
export const spend = featureView("spend", { entities: [customer], schema: { amount: float32() } });`;

describe("the feature repository", () => {
  test("loads TypeScript as it is, from files that import one another", async () => {
    write("features/customer.ts", CUSTOMER);
    write("features/spend/daily.ts", SPEND.replace("./customer", "../customer"));
    write("features/index.ts", `export { customer } from "./customer.ts"; export const answer = 42;`);
    const registry = await loadFeatureRepository(project);
    expect([...registry.views.keys()]).toEqual(["spend"]);
    expect([...registry.entities.keys()]).toEqual(["customer"]);
  });

  test("takes definitions in default exports and in lists too", async () => {
    write("features/customer.ts", CUSTOMER.replace("export const customer =", "export default"));
    write(
      "features/views.ts",
      `import { featureView, int64 } from "headgate"; import customer from "./customer.ts";
      export const all = ["a", "b"].map((name) => featureView(name, { entities: [customer], schema: { x: int64() } }));`,
    );
    write(
      "features/default-list.ts",
      `import { requestSource, int64 } from "headgate"; export default [requestSource("cart", { y: int64() })];`,
    );
    const registry = await loadFeatureRepository(project);
    expect([...registry.entities.keys(), ...registry.views.keys()]).toEqual(["customer", "a", "b"]);
    expect([...registry.requestSources.keys()]).toEqual(["cart"]);
  });

  test("leaves tests and declarations alone", async () => {
    write("features/customer.ts", CUSTOMER);
    write("features/customer.test.ts", `throw new Error("loaded a test");`);
    write("features/customer.d.ts", `declare const x: number;`);
    expect((await loadFeatureRepository(project)).entities.size).toBe(1);
  });

  test.each([
    ["a syntax error", `export const x = ;`, /features\/broken\.ts: /],
    [
      "an import of what is not there",
      `import { y } from "./nowhere.ts"; export const x = y;`,
      /features\/broken\.ts: .*nowhere/,
    ],
    [
      "a misspelt import",
      `import { featureVeiw } from "headgate"; export const x = featureVeiw("x", {});`,
      /features\/broken\.ts: .*Is headgate's export spelt right: "featureVeiw"\?/,
    ],
    [
      "a refused declaration",
      `import { entity } from "headgate"; export const x = entity("x", { joinKeys: {} });`,
      /features\/broken\.ts: entity "x" has no join key/,
    ],
  ])("names the file of %s", async (_, text, sentence) => {
    write("features/broken.ts", text);
    await expect(loadFeatureRepository(project)).rejects.toThrow(
      expect.objectContaining({ code: "DEFINITION_INVALID", message: expect.stringMatching(sentence) }),
    );
  });

  test("says what to write where there is nothing", async () => {
    await expect(loadFeatureRepository(project)).rejects.toThrow(/has no definition file\. Write features\/<name>\.ts/);
  });
});
