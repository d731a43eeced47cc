/**
 * The program kubernetes-validate for the test of deploy/: the one on the PATH, else the Python package of that name in
 * a virtual environment of its own. Its schemas are in the package, so a check needs no network. Where it can't be had
 * the test is skipped by name and reason; with CI=true that is a failure instead.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { INSTALL_TIMEOUT_MS, isExecutable, onPath } from "./program.ts";
import { testCache } from "./test-cache.ts";

/** The version whose schemas the manifests are held to: those of Kubernetes 1.31 to 1.37. */
const VERSION = "1.37.0";

/** A program, or why there is none. */
export type FoundKubernetesValidate = { readonly program: string } | { readonly missing: string };

/** Finds or installs it. Throws instead of telling what is missing when CI=true. */
export function findKubernetesValidate(): FoundKubernetesValidate {
  const program = onPath("kubernetes-validate") ?? installed();
  if (program !== undefined) return { program };
  const missing = "no kubernetes-validate: pip could not install it";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

/** Installed once for all runs, in a folder outside the checkout. */
function installed(): string | undefined {
  const cache = testCache();
  const folder = join(cache, `kubernetes-validate-${VERSION}`);
  const program = join(folder, "bin", "kubernetes-validate");
  if (isExecutable(program)) return program;
  const options = { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS } as const;
  try {
    execFileSync("python3", ["-m", "venv", folder], options);
    const words = ["-m", "pip", "install", "--quiet", `kubernetes-validate==${VERSION}`];
    execFileSync(join(folder, "bin", "python"), words, options);
  } catch {
    return undefined;
  }
  return isExecutable(program) ? program : undefined;
}
