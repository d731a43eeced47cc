/** Whatever is done to the bytes of an infer request, it is answered or refused: nothing of ours fails. */

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ChurnGateway, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { binaryRequest, entityRequest, jsonRequest, sendInfer } from "./fixtures/infer-client.ts";

let gateway: ChurnGateway;
beforeAll(async () => {
  gateway = await openChurnGateway();
});
afterAll(() => gateway.close());

const whole = binaryRequest();
const BODIES = [whole.body, Buffer.from(jsonRequest()), Buffer.from(entityRequest([1, 2, 3]))];

/** Bytes put over others, and where the body ends. */
const damage = fc.record({
  body: fc.constantFrom(...BODIES),
  bytes: fc.array(fc.tuple(fc.nat({ max: 260 }), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
  cut: fc.option(fc.nat({ max: 260 }), { nil: undefined }),
  jsonBytes: fc.oneof(
    fc.constant(whole.headers["inference-header-content-length"]),
    fc.nat({ max: 300 }).map(String),
    fc.constant(undefined),
    fc.string({ unit: fc.constantFrom("0", "9", "-", ".", "e"), minLength: 1, maxLength: 14 }),
  ),
  encoding: fc.constantFrom(undefined, undefined, undefined, "gzip", "deflate"),
});

/** A member of the request put over by any JSON. */
const member = fc.record({
  name: fc.constantFrom("name", "shape", "datatype", "data", "parameters"),
  value: fc.jsonValue({ maxDepth: 3 }),
  ofInput: fc.boolean(),
});

test("damaged bytes", async () => {
  await fc.assert(
    fc.asyncProperty(damage, async ({ body, bytes, cut, encoding, jsonBytes }) => {
      const sent = Buffer.from(body);
      for (const [at, byte] of bytes) sent[at % sent.length] = byte;
      const headers: Record<string, string> = {};
      if (jsonBytes !== undefined) headers["inference-header-content-length"] = jsonBytes;
      if (encoding !== undefined) headers["content-encoding"] = encoding;
      const { error, status } = await sendInfer(gateway, sent.subarray(0, cut), headers);
      expect(status, error).toBeLessThan(500);
      if (status !== 200) expect(error).not.toBe("");
    }),
    { numRuns: 300 },
  );
});

test("members of any kind", async () => {
  await fc.assert(
    fc.asyncProperty(member, async ({ name, ofInput, value }) => {
      const over = { [name]: value };
      const { error, status } = await sendInfer(gateway, ofInput ? jsonRequest({}, over) : jsonRequest(over));
      expect(status, error).toBeLessThan(500);
    }),
    { numRuns: 300 },
  );
});
