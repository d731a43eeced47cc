/** POST /predict on a real store and a real model, in process: what it answers, and how it refuses. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ChurnGateway, EXPECTED, openChurnGateway, problemOf } from "./fixtures/churn-gateway.ts";

let gateway: ChurnGateway;
beforeAll(async () => {
  gateway = await openChurnGateway();
});
afterAll(() => gateway.close());

const predict: ChurnGateway["predict"] = (...call) => gateway.predict(...call);
const HOUR = 3_600_000;

describe("POST /predict", () => {
  test("answers what Python's onnxruntime answers, one by one and together", async () => {
    const ids = EXPECTED.rows.map((_, customer_id) => ({ customer_id }));
    const together = (await (await predict({ model: "churn", entities: ids })).json()) as Answer;
    const alone = await Promise.all(
      ids.map(async (id) => (await (await predict({ model: "churn", entities: id })).json()) as Answer),
    );
    expect(together.predictions).toHaveLength(1_200);
    for (const [i, prediction] of together.predictions.entries()) {
      for (const answer of [prediction, alone[i]!.predictions[0]!]) {
        expect(answer.version).toBe(1);
        expect(answer.label).toBe(EXPECTED.label[i]);
        for (const c of [0, 1])
          expect(Math.abs(answer.probabilities[c]! - EXPECTED.probabilities[i]![c]!)).toBeLessThan(1e-6);
      }
    }
  });

  test("says how old the features were, and with explain each value", async () => {
    const answer = (await (
      await predict({ model: "churn", entities: { customer_id: 0 }, explain: true })
    ).json()) as Answer;
    expect(answer.features).toEqual([
      {
        status: "PRESENT",
        event_timestamp: "2026-11-23T05:00:00.000Z",
        age_seconds: 3_600,
        defaulted: [],
        values: expect.objectContaining({
          "customer_30d_features:orders_30d": {
            value: EXPECTED.rows[0]![0],
            status: "PRESENT",
            event_timestamp: "2026-11-23T05:00:00.000Z",
            tier: "memory",
          },
        }),
      },
    ]);
  });

  test("an entity without features is its own error in a list, and the answer when it is alone", async () => {
    const listed = await predict({
      model: "churn",
      entities: [{ customer_id: 0 }, { customer_id: 999_999 }, { customer_id: 1 }],
    });
    expect(listed.status).toBe(200);
    const answer = (await listed.json()) as Answer;
    expect(answer.predictions[1]).toEqual({
      version: 1,
      error: { code: "FEATURES_MISSING", detail: expect.stringContaining("NOT_FOUND") },
    });
    expect(answer.predictions[2]!.label).toBe(EXPECTED.label[1]);
    expect(answer.features[1]).toEqual({
      status: "NOT_FOUND",
      event_timestamp: null,
      age_seconds: null,
      defaulted: [],
    });
    expect(await problemOf(await predict({ model: "churn", entities: { customer_id: 999_999 } }))).toMatchObject({
      status: 422,
      code: "FEATURES_MISSING",
    });
  });

  test("too old is told as too old", async () => {
    gateway.advance(48 * HOUR);
    const problem = await problemOf(await predict({ model: "churn", entities: { customer_id: 0 } }));
    gateway.advance(-48 * HOUR);
    expect(problem.detail).toContain("customer_30d_features is OUTSIDE_MAX_AGE");
  });

  test("honours a request id and tells where the time went", async () => {
    const response = await predict({ model: "churn", entities: { customer_id: 0 } }, { "x-request-id": "abc-1" });
    expect(((await response.json()) as Answer).request_id).toBe("abc-1");
    expect(response.headers.get("x-request-id")).toBe("abc-1");
    expect(response.headers.get("server-timing")).toMatch(/^features;dur=[\d.]+, model;dur=[\d.]+, total;dur=[\d.]+$/);
    const replaced = await predict(
      { model: "churn", entities: { customer_id: 0 } },
      { "x-request-id": "no spaces allowed" },
    );
    expect(replaced.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each([
    ["{", 400, "BODY_NOT_JSON"],
    [{ model: "churn", entities: { customer_id: 1.7 } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: { customer_id: "abc" } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: {} }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: { customer_id: 1, shop: 2 } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "nope", entities: { customer_id: 1 } }, 404, "MODEL_NOT_FOUND"],
    [{ model: "churn", entities: [] }, 422, "REQUEST_INVALID"],
    [{ model: "churn", entities: Array.from({ length: 2_001 }, () => ({ customer_id: 1 })) }, 413, "TOO_MANY_ENTITIES"],
    [{ model: "churn", entities: { customer_id: 1 }, pad: "x".repeat(100_000) }, 413, "BODY_TOO_LARGE"],
    [{ model: "churn", entities: { customer_id: 1 }, context: { x: 1 } }, 422, "CONTEXT_INVALID"],
  ])("refuses %j with %i %s", async (body, status, code) => {
    const response = await predict(body);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await problemOf(response)).toMatchObject({ status, code, type: `urn:headgate:error:${code}` });
  });

  test("a wrong join key of a list is refused with its place", async () => {
    const entities = [{ customer_id: 1 }, { customer_id: "x" }];
    expect(await problemOf(await predict({ model: "churn", entities }))).toMatchObject({
      code: "ENTITY_KEY_INVALID",
      detail: 'entities[1]: Join key "customer_id" must be an int64, not "x".',
    });
    expect((await problemOf(await predict({ model: "churn", entities: entities[1] }))).detail).toBe(
      'Join key "customer_id" must be an int64, not "x".',
    );
  });

  test("1.0 is 1 for an int64 key: JSON can't tell them apart", async () => {
    expect((await predict('{"model":"churn","entities":{"customer_id":1.0}}')).status).toBe(200);
  });

  test("refuses another media type, a bad deadline and a spent one", async () => {
    const body = { model: "churn", entities: { customer_id: 1 } };
    expect((await predict(body, { "content-type": "text/plain" })).status).toBe(415);
    expect((await predict(body, { "x-deadline-ms": "soon" })).status).toBe(422);
    let clockMs = 0;
    const ticking = { clock: () => (clockMs += 10) };
    const problem = await problemOf(await predict(body, { "x-deadline-ms": "15" }, ticking));
    expect(problem).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
  });
});

interface Answer {
  readonly request_id: string;
  readonly predictions: readonly { version: number; label: number; probabilities: number[] }[];
  readonly features: readonly object[];
}
