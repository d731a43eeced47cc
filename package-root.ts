/** Where this package lies, for the few files that ship beside the code. */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder with package.json: the source lies in it, the build one folder below. */
export function packageRoot(): string {
  const here = fileURLToPath(new URL(".", import.meta.url));
  return existsSync(`${here}package.json`) ? here : fileURLToPath(new URL("..", import.meta.url));
}

/** This package's package.json, as far as it is used. */
export function packageManifest(): {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(`${packageRoot()}/package.json`, "utf8")) as ReturnType<typeof packageManifest>;
}
