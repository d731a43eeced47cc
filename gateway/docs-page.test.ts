import { expect, test } from "vitest";
import { openDocsAssets } from "./docs-page.ts";

const assets = openDocsAssets();

test("the page's files are served with their types", () => {
  expect(assets("swagger-ui.css").headers.get("content-type")).toBe("text/css; charset=utf-8");
});

test.each(["constructor", "toString", "__proto__", "", "../package.json"])("there is no file %j", (name) => {
  expect(() => assets(name)).toThrow(expect.objectContaining({ code: "ROUTE_NOT_FOUND" }));
});
