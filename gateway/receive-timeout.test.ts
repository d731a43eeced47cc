import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { receiveByRoute, receiveWithin } from "./receive-timeout.ts";

const HEAD = "POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n";
let server: Server | undefined;
afterEach(() => server?.close());

/** Sends a text to a server whose route answers with the body, and gives all that comes back. */
async function exchange(text: string, timeoutMs: number, letOff = false, later = ""): Promise<string> {
  server = createServer(
    receiveWithin(timeoutMs, (request, response) => {
      if (letOff) receiveByRoute(request);
      request.on("error", () => {});
      request.setEncoding("utf8");
      let body = "";
      request.on("data", (chunk: string) => (body += chunk));
      request.on("end", () => response.writeHead(200, { connection: "close" }).end(body));
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.setEncoding("utf8");
  let answer = "";
  socket.on("data", (chunk: string) => (answer += chunk));
  socket.write(text);
  // Long after the bound, as the server's timers see it.
  if (later !== "") setTimeout(() => socket.write(later), timeoutMs * 5);
  await once(socket, "close");
  return answer;
}

test("a body that does not come in time ends the connection with a 408", async () => {
  expect(await exchange(`${HEAD}ab`, 20)).toMatch(/^HTTP\/1\.1 408 /);
});

test("one that does is answered", async () => {
  expect(await exchange(`${HEAD}abcd`, 10_000)).toMatch(/^HTTP\/1\.1 200 [\s\S]*abcd/);
});

test("a route may bound it itself", async () => {
  expect(await exchange(`${HEAD}ab`, 20, true, "cd")).toMatch(/^HTTP\/1\.1 200 [\s\S]*abcd/);
});

test("what is no request of node:http is let be", () => {
  for (const other of [undefined, null, {}]) receiveByRoute(other);
});
