import { HonoRequest } from "hono/request";
import { expect, test } from "vitest";
import { readJsonText } from "./request-body.ts";

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream;
type Headers = Readonly<Record<string, string>>;

const JSON_TYPE = { "content-type": "application/json" };
const request = (body: Body, headers: Headers = {}) =>
  new HonoRequest(
    new Request("http://gateway/predict", {
      method: "POST",
      body,
      headers: { ...JSON_TYPE, ...headers },
      duplex: "half",
    }),
  );
const read = async (body: Body, headers?: Headers) => readJsonText(request(body, headers), 100);
const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
/** A body of which no more comes. */
const stalled = () => new ReadableStream({ start: (body) => body.enqueue(Buffer.from('{"model":')) });

test.each<Headers>([{}, { "content-length": "3" }, { "content-type": "application/json; charset=UTF-8" }])(
  "with %j a body is read as UTF-8",
  async (headers) => {
    expect(await read("ä", { ...headers, "content-encoding": "identity" })).toBe("ä");
  },
);

test.each<[Headers, RegExp]>([
  [{ "content-type": "text/csv" }, /as "text\/csv"/],
  [{ "content-type": "application/json;charset=latin1" }, /charset "latin1"/],
  [{ "content-type": 'application/json; charset="utf-16"' }, /charset "utf-16"/],
  [{ "content-encoding": "gzip" }, /content-encoding: gzip/],
])("%j is refused by name", async (headers, message) => {
  await expect(read("{}", headers)).rejects.toEqual(refused("UNSUPPORTED_MEDIA_TYPE", message));
});

test("a long media type is not repeated whole", async () => {
  const type = { "content-type": "x".repeat(9_000) };
  await expect(read("{}", type)).rejects.toEqual(refused("UNSUPPORTED_MEDIA_TYPE", /^.{1,200}$/));
});

test("bytes that are not UTF-8 are refused, however they come", async () => {
  for (const headers of [{}, { "content-length": "4" }] as Headers[]) {
    await expect(read(Uint8Array.of(0x22, 0xc3, 0x28, 0x22), headers)).rejects.toEqual(
      refused("BODY_NOT_JSON", /UTF-8/),
    );
  }
  expect(await read('"\\ufffd"')).toBe('"\\ufffd"');
});

test("a body past the bound is refused, declared or not", async () => {
  for (const headers of [{}, { "content-length": "101" }] as Headers[]) {
    await expect(read("x".repeat(101), headers)).rejects.toEqual(refused("BODY_TOO_LARGE", /100 bytes/));
  }
});

test("a client that goes away in the middle of its body is told apart from a failure of ours", async () => {
  const gone = () => new ReadableStream({ start: (body) => body.error(new Error("ECONNRESET")) });
  for (const headers of [{}, { "content-length": "20" }] as Headers[]) {
    await expect(read(gone(), headers)).rejects.toEqual(refused("REQUEST_ABORTED", /went away/));
  }
});

test("a body that does not come is waited for until the deadline", async () => {
  const wait = { deadline: { atMs: 11, budgetMs: 10 }, nowMs: 11 };
  await expect(readJsonText(request(stalled()), 100, wait)).rejects.toEqual(
    refused("DEADLINE_EXCEEDED", /10 ms budget passed during reading the request body/),
  );
  expect(await readJsonText(request("{}"), 100, { ...wait, nowMs: 0 })).toBe("{}");
});
