/**
 * Builds the package into dist/: the compiler's output, the two files of the documentation page, the command's
 * executable bit. `prepack` calls it; with install scripts off it is called by hand before `npm pack`.
 */

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = (path) => fileURLToPath(new URL(path, import.meta.url));
const require = createRequire(import.meta.url);

rmSync(root("dist"), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [require.resolve("typescript/package.json").replace("package.json", "bin/tsc"), "-p", root("tsconfig.build.json")],
  {
    stdio: "inherit",
  },
);
mkdirSync(root("dist/gateway/docs-assets"), { recursive: true });
for (const asset of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
  copyFileSync(require.resolve(`swagger-ui-dist/${asset}`), root(`dist/gateway/docs-assets/${asset}`));
}
chmodSync(root("dist/cli.js"), 0o755);
