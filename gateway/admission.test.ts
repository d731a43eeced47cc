import fc from "fast-check";
import { expect, test } from "vitest";
import type { HeadgateError } from "../errors.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import { type AdmissionOptions, admitting, expectedOfModels } from "./admission.ts";
import { problemAnswer } from "./error-response.ts";
import { feastProblem } from "./feast-http/feast-error.ts";
import { inferProblem } from "./inference-protocol/infer-problem.ts";
import type { PredictCall } from "./predict.ts";

const ANSWER = Object.freeze({ status: 200, headers: [], body: "answered" });

const callWith = (headers: Readonly<Record<string, string>>): PredictCall => ({
  header: (name) => headers[name],
  text: () => expect.fail("the body is read"),
});

/** Models of which only the queues are looked at; undefined has no version that is ready. */
const modelsOf = (queuesMs: readonly (number | undefined)[]) => ({
  list: () =>
    queuesMs.map((expectedMs) => ({ stable: expectedMs === undefined ? undefined : { expectedMs } }) as ServedModel),
});

function gateway({
  lagMs = 0,
  queuesMs = [0] as readonly (number | undefined)[],
  problem = problemAnswer as AdmissionOptions["problem"],
} = {}) {
  const state = { lagMs, queuesMs };
  const models = { list: () => modelsOf(state.queuesMs).list() };
  const expectedMs = expectedOfModels(models, { waitedMs: () => state.lagMs });
  const refused: unknown[] = [];
  const publish = (thrown: unknown) => void refused.push(thrown);
  const options = { expectedMs, publish, deadlineMs: 100, clock: () => 0 };
  const predict = admitting(async (_: PredictCall) => ANSWER, { ...options, problem });
  return { state, predict, refused };
}

test("an idle gateway answers whatever the deadline", async () => {
  const { predict } = gateway();
  expect(await predict(callWith({ "x-deadline-ms": "0.001" }))).toBe(ANSWER);
});

test("the refusal is a whole problem answer, with the request's own id and when to try again", async () => {
  const { predict } = gateway({ lagMs: 81 });
  const { body, headers, status } = await predict(callWith({ "x-request-id": 'a"\\b{request-id}' }));
  expect(status).toBe(503);
  expect(JSON.parse(body)).toMatchObject({ code: "OVERLOADED", status: 503, request_id: 'a"\\b{request-id}' });
  const named = Object.fromEntries(
    Array.from({ length: headers.length / 2 }, (_, i) => headers.slice(2 * i, 2 * i + 2)),
  );
  expect(named).toEqual({
    "content-type": "application/problem+json",
    "x-request-id": 'a"\\b{request-id}',
    "retry-after": "1",
  });
});

test("one idle model is enough to look further, and a model that is not ready is none", async () => {
  expect(await gateway({ queuesMs: [500, 0, 900] }).predict(callWith({}))).toBe(ANSWER);
  expect(await gateway({ queuesMs: [undefined] }).predict(callWith({}))).toBe(ANSWER);
  expect(await gateway({ queuesMs: [undefined, 500] }).predict(callWith({}))).toMatchObject({ status: 503 });
});

test.each(["soon", "0", "-5", "NaN"])("a deadline of %s is left to be told what is wrong with it", async (deadline) => {
  const { predict } = gateway({ lagMs: 1_000 });
  expect(await predict(callWith({ "x-deadline-ms": deadline }))).toBe(ANSWER);
});

test.each([problemAnswer, feastProblem, inferProblem])("in the form of %o whatever the id is", async (problem) => {
  const { predict, refused } = gateway({ lagMs: 81, problem });
  for (const id of ["plain", 'a"\\b']) {
    const answer = await predict(callWith({ "x-request-id": id }));
    expect(answer).toEqual(problem(refused.at(-1) as HeadgateError, id));
    expect(answer.headers).toContain("retry-after");
  }
  expect(refused).toHaveLength(2);
});

test("a queue is looked at for each request: what was let in just now is ahead of the next", async () => {
  const { predict, state } = gateway({ queuesMs: [500] });
  expect(await predict(callWith({}))).toMatchObject({ status: 503 });
  state.queuesMs = [74];
  expect(await predict(callWith({}))).toBe(ANSWER);
  state.queuesMs = [76];
  expect(await predict(callWith({}))).toMatchObject({ status: 503 });
});

test("whatever is ahead, a request is refused when, and only when, three quarters of its deadline go for that", async () => {
  const milliseconds = fc.double({ min: 0, max: 1e4, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      milliseconds,
      fc.array(fc.option(milliseconds, { nil: undefined }), { maxLength: 5 }),
      fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined }),
      async (lagMs, queuesMs, deadlineMs) => {
        const { predict } = gateway({ lagMs, queuesMs });
        const call = callWith(deadlineMs === undefined ? {} : { "x-deadline-ms": String(deadlineMs) });
        const known = queuesMs.filter((queueMs) => queueMs !== undefined);
        const aheadMs = lagMs + (known.length === 0 ? 0 : Math.min(...known));
        const { status } = await predict(call);
        expect(status).toBe(aheadMs > 0.75 * (deadlineMs ?? 100) ? 503 : 200);
      },
    ),
  );
});
