/** The peers' Python: the packages that are pinned beside this, in an environment as the tests make theirs. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { reasonOf } from "../../errors.ts";
import { makePythonEnv } from "../../test/harness/python-env.ts";

/** The folder of the peers' programs. */
export const PEERS = fileURLToPath(new URL(".", import.meta.url));
/** Characters of pip's complaint that are told. */
const REASON_LENGTH = 2_000;

/** The folder of the environment's programs; it is made where it is missing. Rejects with what to do when it can't be. */
export async function findPython(tell: (line: string) => void): Promise<string> {
  const python = process.env.HEADGATE_BENCH_PYTHON ?? "python3";
  const requirements = join(PEERS, "requirements.txt");
  const packages = readFileSync(requirements, "utf8").match(/^\w.*$/gm)!;
  const onInstall = (folder: string) => tell(`Installing into ${folder}, once, about 1.2 GB: ${packages.join(", ")}`);
  try {
    const words = ["-r", requirements, "-c", join(PEERS, "constraints.txt")];
    return dirname(await makePythonEnv("peers", words, { python, onInstall }));
  } catch (thrown) {
    throw new Error(
      "The peers are Python programs, and their packages could not be installed. They need Python 3.10 or later with " +
        `venv: install python3 and python3-venv, or name another than "${python}" in HEADGATE_BENCH_PYTHON. No other ` +
        `bench needs it. ${reasonOf(thrown).slice(-REASON_LENGTH)}`,
    );
  }
}
