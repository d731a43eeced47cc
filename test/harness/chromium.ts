/**
 * A real browser for the tests that look at a page: the one that HEADGATE_TEST_CHROMIUM names, else one on the PATH,
 * else Debian's package, installed when this is root. Where none can be had the test is skipped by name and reason;
 * with CI=true that is a failure instead.
 */

import { type Browser, chromium } from "playwright-core";
import { installDebianPackage, onPath } from "./program.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Whether there is a browser, and why not. */
export type FoundChromium = { readonly path: string } | { readonly missing: string };

/** Finds or installs a browser. Throws instead of telling what is missing when CI=true. */
export function findChromium(): FoundChromium {
  const path = process.env.HEADGATE_TEST_CHROMIUM ?? onPath(...COMMANDS) ?? installDebianPackage("chromium");
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
