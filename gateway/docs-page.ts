/**
 * GET /docs: the API's documentation as a page, by Swagger UI from this package (no CDN: it works where the internet
 * does not). The build copies the two files it needs beside this module; a checkout serves them from node_modules.
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { excerpt, HeadgateError } from "../errors.ts";

/** Serves one of the page's files by name. */
export type DocsAssets = (name: string) => Response;

const TYPES: ReadonlyMap<string, string> = new Map([
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
]);

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headgate API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, tryItOutEnabled: true, validatorUrl: null });
</script>
</body>
</html>
`;

/** The page. */
export function docsPage(): Response {
  return new Response(PAGE, { headers: { "content-type": "text/html; charset=utf-8" } });
}

/** Opens the page's files; each is read when it is first asked for and kept. */
export function openDocsAssets(): DocsAssets {
  const kept = new Map<string, Buffer<ArrayBuffer>>();
  return (name) => {
    const type = TYPES.get(name);
    if (type === undefined) {
      throw new HeadgateError("ROUTE_NOT_FOUND", `The documentation page has no file "${excerpt(name)}".`);
    }
    let content = kept.get(name);
    if (content === undefined) {
      content = readFileSync(assetPath(name)) as Buffer<ArrayBuffer>;
      kept.set(name, content);
    }
    return new Response(content, { headers: { "content-type": type, "cache-control": "public, max-age=3600" } });
  };
}

function assetPath(name: string): string {
  const copied = fileURLToPath(new URL(`docs-assets/${name}`, import.meta.url));
  return existsSync(copied) ? copied : createRequire(import.meta.url).resolve(`swagger-ui-dist/${name}`);
}
