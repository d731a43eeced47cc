/**
 * Bodies that no client should send, thrown at the served gateway: the named cases one by one, then thousands at
 * random. The answer is always a prediction or a 4xx problem that says what is wrong; never a 5xx, never a crash. The
 * project has join keys of every kind and request features, so that each is reached.
 */

import { rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";

const DEFINITIONS = `
import { bool, entity, featureService, featureView, float64, int64, requestSource, string, timestamp } from "headgate";
const visit = entity("visit", {
  joinKeys: { customer_id: int64(), shop: string(), day: timestamp(), member: bool() },
});
const visits = featureView("visits", { entities: [visit], schema: { orders_30d: int64(), aov_30d: float64() } });
const cart = requestSource("cart", { returns_rate_30d: float64(), time_since_last_d: int64() });
export const churn_v1 = featureService("churn_v1", [visits, cart]);
export { cart, visit, visits };
`;
const GOOD_ENTITY = { customer_id: 17, shop: "Wien", day: 86_400_000_000, member: true };
const GOOD = {
  model: "churn",
  entities: [GOOD_ENTITY],
  context: { returns_rate_30d: 0.5, time_since_last_d: 3 },
};
const TAKEN = [200, 400, 404, 413, 415, 422];
const RANDOM_BODIES = 4_000;

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const project = copyExample();
let gateway: ServedProject;

beforeAll(async () => {
  rmSync(join(project, "features", "customer.ts"));
  writeFileSync(join(project, "features", "visits.ts"), DEFINITIONS);
  const manifest = {
    service: "churn_v1",
    inputs: { input: ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"] },
    outputs: { label: "label", probabilities: "probabilities" },
    missing: { policy: "null" },
  };
  writeFileSync(join(project, "models", "churn", "model.json"), JSON.stringify(manifest));
  const applied = await run(headgate("apply"), project);
  expect(applied.exitCode, applied.stderr).toBe(0);
  gateway = await serve(project);
});

afterAll(() => agent.destroy());

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Record<string, unknown>;
}

/** Sends bytes as they are; resolves with whatever is answered. */
function send(body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((done, fail) => {
    const sent = request(`${gateway.url}/predict`, {
      method: "POST",
      agent,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers },
    });
    sent.once("error", fail);
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        done({
          status: response.statusCode!,
          type: response.headers["content-type"] ?? "",
          body: JSON.parse(text) as Record<string, unknown>,
        });
      });
    });
    sent.end(body);
  });
}

const good = (changes: object) => JSON.stringify({ ...GOOD, ...changes });
const keyed = (changes: object) => good({ entities: [{ ...GOOD_ENTITY, ...changes }] });
const nested = (depth: number) => `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`;

describe("a named case", () => {
  const cases: readonly (readonly [string, string | Uint8Array, number, string, RegExp])[] = [
    ["nothing", "", 400, "BODY_NOT_JSON", /JSON/],
    ["not JSON", "model=churn", 400, "BODY_NOT_JSON", /JSON/],
    ["half of it", good({}).slice(0, -5), 400, "BODY_NOT_JSON", /JSON/],
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0, 1), 400, "BODY_NOT_JSON", /UTF-8/],
    ["a list", "[]", 422, "REQUEST_INVALID", /body/],
    ["null", "null", 422, "REQUEST_INVALID", /body/],
    ["an unknown member", good({ modle: "churn" }), 422, "REQUEST_INVALID", /"modle"/],
    ["a __proto__ member", good({}).replace("{", '{"__proto__":{"model":"x"},'), 422, "REQUEST_INVALID", /__proto__/],
    [
      "a __proto__ join key",
      keyed({}).replace('"shop"', '"__proto__":1,"shop"'),
      422,
      "ENTITY_KEY_INVALID",
      /__proto__/,
    ],
    ["a number as the model", good({ model: 7 }), 422, "REQUEST_INVALID", /model/],
    ["an unknown model", good({ model: "chrun" }), 404, "MODEL_NOT_FOUND", /chrun/],
    ["a model called __proto__", good({ model: "__proto__" }), 404, "MODEL_NOT_FOUND", /__proto__/],
    ["no entity", good({ entities: [] }), 422, "REQUEST_INVALID", /entities/],
    [
      "10,001 entities",
      good({ entities: Array(10_001).fill(GOOD_ENTITY) }),
      413,
      "TOO_MANY_ENTITIES|BODY_TOO_LARGE",
      /most|larger/,
    ],
    ["1,001 entities", good({ entities: Array(1_001).fill({ customer_id: 1 }) }), 413, "TOO_MANY_ENTITIES", /1000/],
    ["1.7 as an int64 key", keyed({ customer_id: 1.7 }), 422, "ENTITY_KEY_INVALID", /customer_id.*1\.7/],
    ['"abc" as an int64 key', keyed({ customer_id: "abc" }), 422, "ENTITY_KEY_INVALID", /customer_id.*abc/],
    ['"17" as an int64 key', keyed({ customer_id: "17" }), 422, "ENTITY_KEY_INVALID", /customer_id/],
    ["null as a key", keyed({ customer_id: null }), 422, "ENTITY_KEY_INVALID", /customer_id/],
    ["a key past int64", keyed({}).replace("17", "9223372036854775808"), 422, "ENTITY_KEY_INVALID", /customer_id/],
    ["a missing join key", keyed({ shop: undefined }), 422, "ENTITY_KEY_INVALID", /"shop"/],
    ["an extra join key", keyed({ till: 4 }), 422, "ENTITY_KEY_INVALID", /"till"/],
    ["half a character", keyed({ shop: "\ud800" }), 422, "ENTITY_KEY_INVALID", /shop/],
    ["a key too long", keyed({ shop: "x".repeat(5_000) }), 422, "ENTITY_KEY_INVALID", /long/],
    ["a missing request feature", good({ context: {} }), 422, "CONTEXT_INVALID", /returns_rate_30d/],
    ["an unknown request feature", good({ context: { ...GOOD.context, x: 1 } }), 422, "CONTEXT_INVALID", /context\.x/],
    [
      "a text as a request feature",
      good({ context: { ...GOOD.context, time_since_last_d: "3" } }),
      422,
      "CONTEXT_INVALID",
      /time_since_last_d/,
    ],
    ["deep nesting in a key", keyed({}).replace("17", nested(20_000)), 422, "ENTITY_KEY_INVALID", /customer_id/],
    [
      "a long integer deep in a key",
      keyed({}).replace("17", "[12345678901234567890]"),
      422,
      "ENTITY_KEY_INVALID",
      /customer_id/,
    ],
    ["deep nesting", nested(20_000), 422, "REQUEST_INVALID", /model/],
    [
      "deep nesting with a long integer",
      nested(20_000).replace("1", "12345678901234567890"),
      400,
      "BODY_NOT_JSON",
      /deep/,
    ],
    ["10 MB", `"${"x".repeat(10 * 1_048_576)}"`, 413, "BODY_TOO_LARGE", /1048576/],
  ];

  test.each(cases)("%s", async (_, body, status, code, says) => {
    const answer = await send(body);
    expect(answer.body).toMatchObject({ status, code: expect.stringMatching(new RegExp(`^(${code})$`)) });
    expect([answer.status, answer.type]).toEqual([status, "application/problem+json"]);
    expect(answer.body.detail).toMatch(says);
    expect(answer.body.title).toEqual(expect.any(String));
  });

  test("another media type", async () => {
    expect(await send(good({}), { "content-type": "text/csv" })).toMatchObject({ status: 415 });
  });

  test("a body as it should be", async () => {
    expect(await send(good({}))).toMatchObject({ status: 200, type: "application/json" });
    // JSON.parse can't tell 17.0 from 17, and both are the integer.
    expect(await send(keyed({}).replace("17", "17.0"))).toMatchObject({ status: 200 });
  });
});

describe("at random", () => {
  test(`${RANDOM_BODIES} bodies are answered with a prediction or a 4xx`, { timeout: 120_000 }, async () => {
    const seen = new Map<number, number>();
    const holds = fc.asyncProperty(hostileBody(), async (body) => {
      const answer = await send(body);
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      expect(TAKEN).toContain(answer.status);
      if (answer.status !== 200) {
        expect(answer.type).toBe("application/problem+json");
        expect(answer.body).toMatchObject({ status: answer.status, code: expect.any(String) });
        expect(answer.body.detail).toEqual(expect.not.stringMatching(/\n\s+at /));
      }
    });
    await fc.assert(holds, { numRuns: RANDOM_BODIES });
    // The generator reaches the model, the checks and the parser.
    for (const status of [200, 400, 404, 422])
      expect(seen.get(status) ?? 0, `answers with ${status}`).toBeGreaterThan(10);
  });

  test("and the gateway is as it was", async () => {
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(/^headgate_unexpected_errors_total .*$/m.exec(metrics)?.[0]).toBe("headgate_unexpected_errors_total 0");
    expect(await send(good({}))).toMatchObject({ status: 200 });
    expect(gateway.stderr()).not.toContain('"level":"error"');
  });
});

/** JSON text written by hand, since JSON.stringify writes neither `__proto__` nor the numbers that matter. */
function hostileBody(): fc.Arbitrary<string | Uint8Array> {
  const token = fc.constantFrom(
    "1e400",
    "-0",
    "17.0",
    "1.7",
    "9223372036854775807",
    "1e2",
    "12345678901234567890123",
    "-1",
  );
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "\ud800", "NaN", "__proto__", "\u0000"),
  );
  const name = fc.oneof(
    fc.constantFrom(
      "model",
      "entities",
      "context",
      "explain",
      "__proto__",
      "constructor",
      "toString",
      "customer_id",
      "shop",
    ),
    fc.string(),
  );
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: "medium", withCrossShrink: true },
      token,
      fc.constantFrom("null", "true", "false"),
      text.map((one) => JSON.stringify(one)),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
      fc
        .array(fc.tuple(name, tie("value")), { maxLength: 4 })
        .map((members) => `{${members.map(([key, one]) => `${JSON.stringify(key)}:${one}`).join(",")}}`),
    ),
  }));
  const oneMemberWrong = (whole: object) =>
    fc
      .tuple(fc.constantFrom(...Object.keys(whole)), value)
      .map(([key, one]) => objectText({ ...texts(whole), [key]: one }));
  const entity = oneMemberWrong(GOOD_ENTITY);
  return fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    text,
    value,
    oneMemberWrong(GOOD),
    entity.map((one) => objectText({ ...texts(GOOD), entities: `[${one}]` })),
    fc.array(entity, { minLength: 1, maxLength: 5 }).map((all) => objectText({ ...texts(GOOD), entities: `[${all}]` })),
    oneMemberWrong(GOOD.context).map((one) => objectText({ ...texts(GOOD), context: one, explain: "true" })),
    fc.tuple(name, value).map(([key, one]) => objectText({ ...texts(GOOD), [key]: one })),
  );
}

const texts = (whole: object): Record<string, string> =>
  Object.fromEntries(Object.entries(whole).map(([key, one]) => [key, JSON.stringify(one)]));
const objectText = (members: Readonly<Record<string, string>>): string =>
  `{${Object.entries(members)
    .map(([key, one]) => `${JSON.stringify(key)}:${one}`)
    .join(",")}}`;
