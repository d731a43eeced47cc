/** Programs that tests need: found on the PATH, or installed as Debian's package where this is root. */

import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** How long installing may take, ms. */
export const INSTALL_TIMEOUT_MS = 240_000;

/** The first of the commands that is on the PATH. */
export function onPath(...commands: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(isExecutable);
}

/** Installs Debian's package that has the command's name; undefined where that can't be done. */
export function installDebianPackage(command: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const options = { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS } as const;
  try {
    execFileSync("apt-get", ["update", "-qq"], options);
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", command], options);
  } catch {
    return undefined;
  }
  return onPath(command);
}

/** True for a file that may be run. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
