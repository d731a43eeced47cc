#!/usr/bin/env node
/**
 * The command as npm links it: a file that is there before the first build, too, which a checkout begins without.
 */

import { existsSync } from "node:fs";

const cli = new URL("../dist/cli.js", import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  process.stderr.write("headgate: this checkout of Headgate is not built yet; run npm run build in it.\n");
  process.exitCode = 1;
}
