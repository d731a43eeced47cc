import { expect, test } from "vitest";
import { ERRORS, type ErrorCode } from "../../errors.ts";
import { type Json, operationsOf } from "../fixtures/documented-api.ts";
import { openApiDocument } from "./document.ts";

const document = JSON.parse(JSON.stringify(openApiDocument("0.0.0", Date.UTC(2026, 10, 23))));
const { components, paths } = document;
const operations = [...operationsOf(document)];

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

/** What answers without a body where all is well, or never does. */
const BODILESS = ["GET /health", "POST /push", "POST /v2/repository/models/{model}/unload"];

test("every answer that has a body has a schema", () => {
  const lacking = operations.filter(([, { responses }]) => {
    const answers = Object.entries<Json>(responses).filter(([status]) => /^2/.test(status) && status !== "204");
    const isGone = responses["204"] !== undefined;
    return !isGone && (answers.length === 0 || answers.some(([, { content }]) => !hasSchema(content)));
  });
  expect(lacking.map(([route]) => route).sort()).toEqual(BODILESS);
});

const hasSchema = (content: Json = {}) => {
  const schemas = Object.values<Json>(content).map(({ schema }) => schema);
  return schemas.length > 0 && schemas.every((schema) => schema !== undefined && Object.keys(schema).length > 0);
};

test("every schema is used, and every schema that is used is there", () => {
  const used = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  expect([...new Set(used)].sort()).toEqual(Object.keys(components.schemas).sort());
});

test("every status of a problem tells its codes, each with its own example", () => {
  const problems = operations.flatMap(([route, { responses }]) =>
    Object.entries<Json>(responses).flatMap(([status, { content, description, headers }]) => {
      const told = content?.["application/problem+json"];
      return told === undefined ? [] : [{ route, status, headers, description, examples: told.examples }];
    }),
  );
  expect(problems.length).toBeGreaterThan(50);
  for (const { description, examples, headers, route, status } of problems) {
    const codes = Object.keys(examples) as ErrorCode[];
    expect(codes.length, `${route} ${status}`).toBeGreaterThan(0);
    for (const code of codes) {
      const { retriable, sentence, status: own } = ERRORS[code];
      expect(examples[code].value).toMatchObject({ code, title: sentence, status: own });
      expect(String(own)).toBe(status);
      const told = `\`${code}\`: ${sentence}${retriable ? " The same request can succeed later." : ""}`;
      expect(description.split("\n\n")).toContain(told);
      if (retriable && own === 503) expect(headers).toHaveProperty("retry-after");
    }
  }
});

test("answers about models tell the headers that come with them", () => {
  expect(Object.keys(paths["/models/{name}"].get.responses["200"].headers)).toEqual(["etag"]);
  const stored = paths["/models/{name}/versions"].post.responses["201"];
  expect(Object.keys(stored.headers)).toEqual(["etag", "location"]);
});
