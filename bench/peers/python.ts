/**
 * The Python environment of the peers: made once, outside of the checkout, in the folder where the tests keep what they
 * install, and named by what is pinned, so that another pin makes another one.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { alone } from "../../test/harness/install-lock.ts";

/** The folder of the peers' programs. */
export const PEERS = fileURLToPath(new URL(".", import.meta.url));
const PINS = ["requirements.txt", "constraints.txt"].map((file) => join(PEERS, file));
/** The file that an environment ends with. */
const WHOLE = "headgate-peers";
/** How long an install may take, ms: some 300 MB of packages. */
const INSTALL_TIMEOUT_MS = 1_200_000;

/** The bin folder of the environment, which is made where it is missing. Throws with what to do when it can't be. */
export async function findPython(tell: (line: string) => void): Promise<string> {
  const python = process.env.HEADGATE_BENCH_PYTHON ?? "python3";
  const asked = spawnSync(python, ["-c", "import sys, venv; print(sys.version_info[:2] >= (3, 10))"], {
    encoding: "utf8",
  });
  if (asked.error !== undefined || asked.stdout.trim() !== "True") {
    throw new Error(
      `The peers are Python programs and need Python 3.10 or later with venv, which "${python}" is not. ` +
        "Install python3 and python3-venv, or name another in HEADGATE_BENCH_PYTHON. No other bench needs it.",
    );
  }
  const cache = process.env.HEADGATE_TEST_CACHE ?? join(homedir(), ".cache", "headgate-test");
  const folder = join(cache, `peers-${environmentName(PINS.map((file) => readFileSync(file, "utf8")))}`);
  if (!isWhole(folder)) {
    await alone(cache, "peers", INSTALL_TIMEOUT_MS, () => {
      if (!isWhole(folder)) install(python, folder, tell);
    });
  }
  return join(folder, "bin");
}

/** A name that changes with the pins. */
export function environmentName(pins: readonly string[]): string {
  return createHash("sha256").update(pins.join("\0")).digest("hex").slice(0, 12);
}

const isWhole = (folder: string) => existsSync(join(folder, WHOLE));

function install(python: string, folder: string, tell: (line: string) => void): void {
  const packages = readFileSync(PINS[0]!, "utf8").split("\n");
  const named = packages.filter((line) => /^\w/.test(line)).join(", ");
  tell(`Installing into ${folder}, once, about 1.2 GB: ${named}`);
  const [requirements, constraints] = PINS as [string, string];
  try {
    // An environment's scripts name its folder, so it is made in place, and marked when it is whole.
    rmSync(folder, { recursive: true, force: true });
    execFileSync(python, ["-m", "venv", folder], { stdio: "pipe" });
    const words = ["install", "--quiet", "--disable-pip-version-check", "-r", requirements, "-c", constraints];
    execFileSync(join(folder, "bin/pip"), words, { stdio: ["ignore", "pipe", "pipe"], timeout: INSTALL_TIMEOUT_MS });
    writeFileSync(join(folder, WHOLE), "");
  } catch (thrown) {
    rmSync(folder, { recursive: true, force: true });
    const { stderr } = thrown as { stderr?: Buffer };
    throw new Error(`The peers' packages could not be installed: ${String(stderr ?? thrown).slice(-2_000)}`);
  }
}
