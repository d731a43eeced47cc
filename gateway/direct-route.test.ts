import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { reasonOf } from "../errors.ts";
import { type AnswerCall, answerAtOnce, answerByFetch } from "./direct-route.ts";
import { problemAnswer } from "./error-response.ts";

const MAX_BYTES = 64;
/** Answers with what it was asked: the body, and the headers that a prediction looks at. */
const echo: AnswerCall = async (call) => {
  try {
    const text = await call.text({ deadline: { atMs: 60_000, budgetMs: 60_000 }, nowMs: 0 });
    const body = JSON.stringify({ text, id: call.header("x-request-id") ?? "none" });
    return { status: 200, headers: ["content-type", "application/json", "x-request-id", "1"], body };
  } catch (thrown) {
    return problemAnswer(thrown, reasonOf(thrown).slice(0, 5));
  }
};
/** Answers with the path and the body's bytes in hexadecimal digits, as bytes. */
const bytesOf: AnswerCall = async (call) => {
  try {
    const bytes = await call.bytes({ deadline: { atMs: 60_000, budgetMs: 60_000 }, nowMs: 0 });
    return { status: 200, headers: [], body: Buffer.from(`${call.path} ${Buffer.from(bytes).toString("hex")}`) };
  } catch (thrown) {
    return problemAnswer(thrown, reasonOf(thrown).slice(0, 5));
  }
};
/** Notes when it is asked, and when its answer leaves; takes as long as it is told to, by the listener's clock. */
const steps: string[] = [];
let [nowMs, tookMs] = [0, 0];
const noting: AnswerCall = async () => {
  steps.push("asked");
  nowMs += tookMs;
  return {
    status: 200,
    headers: [],
    get body() {
      steps.push("left");
      return "";
    },
  };
};
const ROUTES = { "/predict": echo, "/bytes/*": bytesOf, "/noting": noting };
let server: Server;
/** Requests that went to Hono. */
let slow = 0;

beforeAll(async () => {
  const app = new Hono().post("/predict", answerByFetch(echo, MAX_BYTES));
  app.post("/bytes/*", answerByFetch(bytesOf, MAX_BYTES));
  const hono = getRequestListener(app.fetch);
  const others = (request: IncomingMessage, response: ServerResponse) => {
    slow++;
    void hono(request, response);
  };
  server = createServer(answerAtOnce(ROUTES, MAX_BYTES, () => nowMs, others)).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
});
afterAll(() => void server.close());
beforeEach(() => {
  slow = 0;
});

/**
 * Sends bytes on a connection of its own, the second part once the server has read the first; resolves with everything
 * that came until the server closed it.
 */
function exchange(first: string | Buffer, second?: string | Buffer): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((done, fail) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    if (second !== undefined) server.once("request", () => socket.write(second));
    socket.on("data", (bytes) => {
      received += bytes.toString();
    });
    socket.once("close", () => done(received.replace(/^date: .*\r\n/gim, "")));
    socket.once("error", fail);
    socket.write(first);
  });
}

const post = (body: string | Buffer, headers = "", target = "/predict") =>
  Buffer.concat([
    Buffer.from(
      `POST ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);
/** An answer without the order and the case of its headers. */
const parsed = (answer: string) => {
  const [head, body] = answer.split("\r\n\r\n");
  const [status, ...headers] = head!.split("\r\n");
  return { status, headers: headers.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())).sort(), body };
};

test.each<[string, string | Buffer, string]>([
  ["a body", '{"a":"ä"}', "x-request-id: r-1\r\n"],
  ["no body", "", ""],
  ["a body after a byte order mark", "\ufeff{}", ""],
  ["bytes that are not UTF-8", Buffer.of(0x22, 0xc3, 0x28, 0x22), ""],
  ["a body that is too large", "x".repeat(MAX_BYTES + 1), ""],
  ["a compressed body", "{}", "content-encoding: gzip\r\n"],
])("%s that is all here is answered at once, and as Hono would", async (_, body, headers) => {
  const atOnce = await exchange(post(body, headers));
  expect(slow).toBe(0);
  const byHono = await exchange(post(body, headers, "/predict?"));
  expect(slow).toBe(1);
  expect(parsed(atOnce)).toEqual(parsed(byHono));
  expect(parsed(atOnce).headers).toContain("connection: close");
});

test("what has not arrived whole, comes in chunks or is another method is Hono's", async () => {
  const whole = post('{"b":2}').toString();
  expect(await exchange(whole.slice(0, -3), whole.slice(-3))).toMatch(/200 OK[\s\S]*\{\\"b\\":2\}/);
  const chunked = whole.replace(
    /content-length: .*\r\n\r\n.*/,
    "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  );
  expect(await exchange(chunked)).toMatch(/200 OK[\s\S]*"\{\}"/);
  expect(await exchange(whole.replace("POST", "PUT"))).toMatch(/404/);
  expect(slow).toBe(3);
});

test.each([
  ["any bytes", Buffer.of(0, 0xc3, 0x28, 255), /\/bytes\/a%2Fb 00c328ff$/],
  ["no bytes", Buffer.alloc(0), /\/bytes\/a%2Fb $/],
  ["too many bytes", Buffer.alloc(MAX_BYTES + 1), /BODY_TOO_LARGE/],
])("%s go to the route of the path's beginning, by both doors", async (_, body, answered) => {
  const sent = post(body, "content-encoding: gzip\r\n", "/bytes/a%2Fb?query");
  expect(await exchange(sent)).toMatch(answered);
  expect(slow).toBe(0);
  // The server reads the body's first part once it has the head, so the route is Hono's.
  const head = sent.indexOf("\r\n\r\n") + 4;
  if (body.length === 0) return;
  expect(await exchange(sent.subarray(0, head + 1), sent.subarray(head + 1))).toMatch(answered);
  expect(slow).toBe(1);
});

test("requests that come together on one connection are answered in their order", async () => {
  const kept = (body: string) => post(body).toString().replace("connection: close\r\n", "");
  const answers = await exchange(kept("1") + kept("2") + post("3").toString());
  expect([...answers.matchAll(/"text":"(\d)"/g)].map((match) => match[1])).toEqual(["1", "2", "3"]);
});

/** Sends a request on each of so many connections so that all are read in one turn; tells what came after what. */
async function stepsOfTurn(connections: number): Promise<readonly string[]> {
  const { port } = server.address() as AddressInfo;
  const accepted = new Promise<void>((done) => {
    let left = connections;
    server.on("connection", () => --left === 0 && done());
  });
  const sockets = Array.from({ length: connections }, () => connect(port, "127.0.0.1"));
  await Promise.all([accepted, ...sockets.map((socket) => once(socket, "connect"))]);
  steps.length = 0;
  // A write to an idle socket is done when this returns, so that the server finds all of them when it next reads.
  for (const socket of sockets) socket.write(post("", "", "/noting"));
  await Promise.all(sockets.map((socket) => once(socket.resume(), "close")));
  return [...steps];
}

/** A busy machine may deliver what was written at once in two turns, so it may take several tries. */
const expectOfTurn = (connections: number, expected: readonly string[]) =>
  expect.poll(() => stepsOfTurn(connections), { timeout: 10_000 }).toEqual(expected);

test("answers to requests that are read in one turn of the event loop leave together", async () => {
  tookMs = 0;
  await expectOfTurn(3, ["asked", "asked", "asked", "left", "left", "left"]);
});

test("an answer that took its time takes those before it along, and holds none", async () => {
  tookMs = 0.6;
  await expectOfTurn(4, ["asked", "asked", "left", "left", "asked", "asked", "left", "left"]);
});
