/**
 * A Python of our own with packages from PyPI, for the tests that run another project's client or server against
 * Headgate: a virtual environment, made once for all runs in a folder outside the checkout. Where it can't be had the
 * tests are skipped by name and reason; with CI=true that is a failure instead.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { reasonOf } from "../../errors.ts";
import { alone } from "./install-lock.ts";
import { onPath } from "./program.ts";

/** How long an install may take, ms: Feast brings pandas and Arrow, some 600 MB, on a busy machine. */
const INSTALL_TIMEOUT_MS = 1_200_000;
/** After so long an install has ended, or its process is gone, ms. */
const LOCK_STALE_MS = INSTALL_TIMEOUT_MS + 10_000;
/** For a hook that calls pythonEnv, ms: an install, or the wait for another's. */
export const PYTHON_ENV_TIMEOUT_MS = LOCK_STALE_MS;

/** Why a test that needs pythonEnv is skipped. */
export const PYTHON_MISSING = "no Python environment: install python3 with venv, and let pip reach PyPI";

/**
 * The interpreter of an environment that has the requirements (pip's words, versions pinned), made when there is none
 * yet; its programs are beside it. Undefined where it can't be made; throws then when CI=true.
 */
export async function pythonEnv(name: string, requirements: readonly string[]): Promise<string | undefined> {
  const cache = process.env.HEADGATE_TEST_CACHE ?? join(homedir(), ".cache", "headgate-test");
  const digest = createHash("sha256").update(requirements.join("\n")).digest("hex").slice(0, 12);
  const folder = join(cache, `python-${name}-${digest}`);
  // Written last: an environment can't be moved to its place when it is whole, as its programs hold its path.
  const whole = join(folder, "whole");
  let reason = "";
  if (!existsSync(whole)) {
    await alone(cache, `python-${name}-${digest}`, LOCK_STALE_MS, async () => {
      if (existsSync(whole)) return;
      try {
        await install(folder, requirements);
        writeFileSync(whole, `${requirements.join("\n")}\n`);
      } catch (cause) {
        reason = reasonOf(cause);
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
  if (existsSync(whole)) return join(folder, "bin", "python");
  if (process.env.CI === "true") throw new Error(`${PYTHON_MISSING} (${reason})`);
  return undefined;
}

async function install(folder: string, requirements: readonly string[]): Promise<void> {
  const run = promisify(execFile);
  const options = { timeout: INSTALL_TIMEOUT_MS, maxBuffer: 2 ** 24 };
  rmSync(folder, { recursive: true, force: true });
  await run(onPath("python3") ?? "python3", ["-m", "venv", folder], options);
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", ...requirements];
  await run(join(folder, "bin", "python"), words, options);
}
