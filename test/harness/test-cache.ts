/**
 * The folder outside the checkout where the tests keep what they install once for all runs: programs, jars, Python
 * environments.
 */

import { homedir } from "node:os";
import { join } from "node:path";

/** HEADGATE_TEST_CACHE, else a folder in the user's cache; it need not be there yet. */
export function testCache(): string {
  return process.env.HEADGATE_TEST_CACHE ?? join(homedir(), ".cache", "headgate-test");
}
