#!/usr/bin/env node
/**
 * The command as npm links it: a file that is there before the first build, too, which a checkout begins without.
 */

import { existsSync } from "node:fs";

const cli = new URL("../dist/cli.js", import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  const isInstalled = existsSync(new URL("../node_modules", import.meta.url));
  const next = isInstalled ? "npm run build" : "npm ci && npm run build";
  process.stderr.write(`headgate: this checkout of Headgate is not built yet; run ${next} in it.\n`);
  process.exitCode = 1;
}
