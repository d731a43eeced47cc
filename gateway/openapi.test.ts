import { expect, test } from "vitest";
import { openApiDocument } from "./openapi.ts";

const { paths } = JSON.parse(JSON.stringify(openApiDocument("0.0.0")));

test("metrics are text", () => {
  expect(Object.keys(paths["/metrics"].get.responses["200"].content)).toEqual(["text/plain"]);
});

test("a prediction's refusals are listed, those of our own failing too", () => {
  const { responses } = paths["/predict"].post;
  expect(responses["400"].description).toContain("REQUEST_ABORTED");
  expect(responses["500"].description).toContain("INTERNAL");
});
