import fc from "fast-check";
import { expect, it } from "vitest";
import { answerReader } from "./http-answers.ts";

const answer = (status: number, body: string) =>
  `HTTP/1.1 ${status} Text\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

it("reads answers however they are cut", () => {
  const bodies = fc.array(
    fc.tuple(fc.constantFrom(200, 404, 503), fc.string({ unit: "grapheme-ascii", minLength: 0 })),
  );
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 50 }), (answers, cut) => {
      const seen: number[] = [];
      const read = answerReader((status) => void seen.push(status));
      for (const [status, body] of answers) {
        const bytes = Buffer.from(answer(status, body));
        for (let at = 0; at < bytes.length; at += cut) read(bytes.subarray(at, at + cut));
      }
      expect(seen).toEqual(answers.map(([status]) => status));
    }),
  );
});

it("refuses what it can't tell the end of", () => {
  const read = answerReader(() => {});
  expect(() => read(Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))).toThrow("Content-Length");
});

it("refuses bytes that belong to no answer", () => {
  const read = answerReader(() => {});
  expect(() => read(Buffer.from(`${answer(200, "ab")}c`))).toThrow("longer");
});
