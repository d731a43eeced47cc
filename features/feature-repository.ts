/**
 * The feature repository: the user's folder of definition files, loaded as they are, TypeScript without a build step.
 *
 * Every export of every .ts file under `features/` that a declaration function made belongs to the registry, the
 * default export and the members of exported lists included. Files are read in the order of their names; helpers that
 * export no definition are fine. jiti compiles and caches nothing on disk, and resolves "headgate" to this very
 * package, so that a project needs no install of its own to be loaded.
 */

import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { globSync } from "tinyglobby";
import { HeadgateError, reasonOf } from "../errors.ts";
import { isDefinition } from "./definition.ts";
import { createRegistry, type FoundDefinition, type Registry } from "./registry.ts";

/** Loads a TypeScript or JavaScript module of the user's; rejects with what its code threw. */
export type ImportUserModule = (file: string) => Promise<Record<string, unknown>>;

/** One loader: modules it loads share one another, so that two files that import a third see the same definitions. */
export function createUserModuleLoader(): ImportUserModule {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const face = fileURLToPath(new URL(`../headgate.${extension}`, import.meta.url));
  const jiti = createJiti(import.meta.url, { alias: { headgate: face }, fsCache: false });
  return (file) => jiti.import(file);
}

/** Loads the definitions of a project. Throws DEFINITION_INVALID naming the file at fault, or that there is none. */
export async function loadFeatureRepository(projectDirectory: string): Promise<Registry> {
  const directory = resolve(projectDirectory, "features");
  const files = existsSync(directory)
    ? globSync("**/*.{ts,mts,js,mjs}", {
        cwd: directory,
        absolute: true,
        ignore: ["**/*.test.*", "**/*.d.ts", "**/node_modules/**"],
      }).sort()
    : [];
  if (files.length === 0) {
    throw new HeadgateError(
      "DEFINITION_INVALID",
      `${directory} has no definition file. Write features/<name>.ts that exports an entity and a featureView.`,
    );
  }
  const load = createUserModuleLoader();
  const found: FoundDefinition[] = [];
  for (const file of files) found.push(...(await definitionsOf(load, file, relative(projectDirectory, file))));
  return createRegistry(found);
}

async function definitionsOf(
  load: ImportUserModule,
  file: string,
  shownFile: string,
): Promise<readonly FoundDefinition[]> {
  let exports: Record<string, unknown>;
  try {
    exports = await load(file);
  } catch (cause) {
    const reason = reasonOf(cause);
    const misspelt = /_headgate\.(\w+)/.exec(reason)?.[1];
    const hint = misspelt === undefined ? "" : `. Is headgate's export spelt right: "${misspelt}"?`;
    throw new HeadgateError("DEFINITION_INVALID", `${shownFile}: ${reason}${hint}`, cause);
  }
  const values = Object.values(exports).flat().filter(isDefinition);
  return values.map((definition) => ({ definition, file: shownFile }));
}
