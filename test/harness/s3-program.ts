/**
 * The server program for the tests that need a real S3: versitygw, which keeps objects as plain files, built by Go once
 * for all runs into a folder outside the checkout, or its image where Docker runs. Where it can't be had the tests are skipped by name and reason; with
 * CI=true that is a failure instead.
 */

import { execFile } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { dockerProgram } from "./container.ts";
import { alone } from "./install-lock.ts";
import { isExecutable, onPath } from "./program.ts";
import { testCache } from "./test-cache.ts";

const VERSION = "1.8.0";
const PACKAGE = `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`;
/** How long a build may take, ms; with empty caches on a busy machine of two cores it took seven minutes. */
const BUILD_TIMEOUT_MS = 1_200_000;
/** After so long a build has ended, or its process is gone, ms. */
const LOCK_STALE_MS = BUILD_TIMEOUT_MS + 10_000;

/** A server program, the address of a server that is there already, or why there is neither. */
export type FoundS3 = { readonly program: string } | { readonly address: URL } | { readonly missing: string };

/** HEADGATE_TEST_S3 (`http://key:secret@host:port`), else versitygw. Throws instead of telling what is missing when CI=true. */
export async function findS3(): Promise<FoundS3> {
  const address = process.env.HEADGATE_TEST_S3;
  if (address !== undefined && address !== "") return { address: new URL(address) };
  const cache = testCache();
  const program = join(cache, `versitygw-${VERSION}`);
  const onThePath = onPath("versitygw");
  if (onThePath !== undefined) return { program: onThePath };
  if (!isExecutable(program)) await alone(cache, "versitygw", LOCK_STALE_MS, () => build(cache, program));
  if (isExecutable(program)) return { program };
  const image = dockerProgram(`versity/versitygw:v${VERSION}`);
  if (image !== undefined) return { program: image };
  const missing = "no S3: install Go (or versitygw), start Docker, or name a server in HEADGATE_TEST_S3";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

async function build(cache: string, program: string): Promise<void> {
  const go = onPath("go");
  if (go === undefined || isExecutable(program)) return;
  const folder = mkdtempSync(join(cache, "versitygw-build-"));
  try {
    await new Promise<void>((done, fail) => {
      const env = { ...process.env, GOBIN: folder };
      const words = ["install", "-trimpath", "-ldflags=-s -w", PACKAGE];
      execFile(go, words, { env, timeout: BUILD_TIMEOUT_MS }, (cause) => (cause === null ? done() : fail(cause)));
    });
    // At once, so that nobody finds half a program.
    renameSync(join(folder, "versitygw"), program);
  } catch {
    // Told as missing.
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
