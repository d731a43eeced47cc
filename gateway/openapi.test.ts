import { expect, test } from "vitest";
import { openApiDocument } from "./openapi.ts";

const { components, paths } = JSON.parse(JSON.stringify(openApiDocument("0.0.0", Date.UTC(2026, 10, 23))));

test("the example of a row to write has happened now, so that it is newer than what is stored", () => {
  const { example } = paths["/features/{view}/rows"].post.requestBody.content["application/json"];
  expect(example.rows[0].event_timestamp).toBe("2026-11-23T00:00:00.000Z");
});

test("metrics are text", () => {
  expect(Object.keys(paths["/metrics"].get.responses["200"].content)).toEqual(["text/plain"]);
});

test("a prediction's refusals are listed, those of our own failing too", () => {
  const { responses } = paths["/predict"].post;
  expect(responses["400"].description).toContain("REQUEST_ABORTED");
  expect(responses["500"].description).toContain("INTERNAL");
});

test("answers about models have a schema, and the headers that come with them", () => {
  for (const path of Object.keys(paths).filter((one) => one.startsWith("/models"))) {
    for (const [method, { responses }] of Object.entries<{ responses: Record<string, Answer> }>(paths[path])) {
      for (const [status, told] of Object.entries(responses).filter(([one]) => one.startsWith("20"))) {
        if (status === "204") continue;
        const schema = told.content["application/json"].schema.$ref.replace("#/components/schemas/", "");
        expect(components.schemas, `${method} ${path}`).toHaveProperty(schema);
      }
    }
  }
  expect(Object.keys(paths["/models/{name}"].get.responses["200"].headers)).toEqual(["etag"]);
  const stored = paths["/models/{name}/versions"].post.responses["201"];
  expect(Object.keys(stored.headers)).toEqual(["etag", "location"]);
});

interface Answer {
  readonly content: { readonly "application/json": { readonly schema: { readonly $ref: string } } };
}
