/**
 * A Python of our own with packages from PyPI, for what runs another project's client or server beside Headgate: a
 * virtual environment, made once for all runs in a folder outside the checkout and named by what is pinned, so that
 * another pin makes another one. Where it can't be had tests are skipped by name and reason; with CI=true that is a
 * failure instead.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { reasonOf } from "../../errors.ts";
import { alone } from "./install-lock.ts";
import { testCache } from "./test-cache.ts";

/** How long an install may take, ms: Feast brings pandas and Arrow, some 600 MB, on a busy machine. */
const INSTALL_TIMEOUT_MS = 1_200_000;
/** After so long an install has ended, or its process is gone, ms. */
const LOCK_STALE_MS = INSTALL_TIMEOUT_MS + 10_000;
/** For a hook that calls pythonEnv, ms: an install, or the wait for another's. */
export const PYTHON_ENV_TIMEOUT_MS = LOCK_STALE_MS;

/** Why a test that needs pythonEnv is skipped. */
export const PYTHON_MISSING = "no Python environment: install python3 with venv, and let pip reach PyPI";

/** How an environment is made. */
export interface PythonInstall {
  /** What makes it; the PATH's python3 by default. */
  readonly python?: string;
  /** Told of the folder before the packages are fetched. */
  readonly onInstall?: (folder: string) => void;
}

/** makePythonEnv for tests: undefined where it can't be made; rejects then when CI=true. */
export async function pythonEnv(name: string, requirements: readonly string[]): Promise<string | undefined> {
  try {
    return await makePythonEnv(name, requirements);
  } catch (cause) {
    if (process.env.CI === "true") throw new Error(`${PYTHON_MISSING} (${reasonOf(cause)})`);
    return undefined;
  }
}

/**
 * The interpreter of an environment that has the requirements (pip's words, versions pinned), made when there is none
 * yet; its programs are beside it. Rejects with what pip wrote where it can't be made.
 */
export async function makePythonEnv(
  name: string,
  requirements: readonly string[],
  { python = "python3", onInstall = () => {} }: PythonInstall = {},
): Promise<string> {
  const cache = testCache();
  const environment = pythonEnvName(name, requirements);
  const folder = join(cache, environment);
  // Written last: an environment can't be moved to its place when it is whole, as its programs hold its path.
  const whole = join(folder, "whole");
  if (!existsSync(whole)) {
    await alone(cache, environment, LOCK_STALE_MS, async () => {
      if (existsSync(whole)) return;
      onInstall(folder);
      try {
        await install(python, folder, requirements);
        writeFileSync(whole, `${requirements.join("\n")}\n`);
      } catch (cause) {
        rmSync(folder, { recursive: true, force: true });
        throw cause;
      }
    });
  }
  return join(folder, "bin", "python");
}

/** A name that changes with the requirements; of a file of them (after -r or -c) with what is in it, not where it is. */
export function pythonEnvName(name: string, requirements: readonly string[]): string {
  const pins = requirements.map((word, i) => (/^-[rc]$/.test(requirements[i - 1] ?? "") ? readFileSync(word) : word));
  return `python-${name}-${createHash("sha256").update(pins.join("\n")).digest("hex").slice(0, 12)}`;
}

async function install(python: string, folder: string, requirements: readonly string[]): Promise<void> {
  const run = promisify(execFile);
  const options = { timeout: INSTALL_TIMEOUT_MS, maxBuffer: 2 ** 24 };
  rmSync(folder, { recursive: true, force: true });
  await run(python, ["-m", "venv", folder], options);
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", ...requirements];
  await run(join(folder, "bin", "python"), words, options);
}
