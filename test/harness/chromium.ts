/**
 * A real browser for the tests that look at a page: the one that HEADGATE_TEST_CHROMIUM names, else one on the PATH,
 * else Debian's package, installed when this is root. Where none can be had the test is skipped by name and reason;
 * with CI=true that is a failure instead.
 */

import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** How long installing may take, ms. */
const INSTALL_TIMEOUT_MS = 240_000;

/** Whether there is a browser, and why not. */
export type FoundChromium = { readonly path: string } | { readonly missing: string };

/** Finds or installs a browser. Throws instead of telling what is missing when CI=true. */
export function findChromium(): FoundChromium {
  const path = process.env.HEADGATE_TEST_CHROMIUM ?? onPath() ?? installed();
  if (path !== undefined) return { path };
  const missing = "no Chromium: set HEADGATE_TEST_CHROMIUM to one, or install the package chromium";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

/** Starts a browser with a fresh profile that asks no one but the page's own server. */
export function openChromium(path: string): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

function onPath(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command))).find(isExecutable);
}

function installed(): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const options = { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS } as const;
  try {
    execFileSync("apt-get", ["update", "-qq"], options);
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium"], options);
  } catch {
    return undefined;
  }
  return onPath();
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
