import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openHttpServer } from "./http-server.ts";

test("who has come before the port closes is answered, also where the kernel alone knows of him", async () => {
  const options = { host: "127.0.0.1", port: 0, drainGrace: 0, drainTimeout: 5_000 };
  const server = await openHttpServer(options, (_, response) => response.end("answered"));
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes.toString();
  });
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const drained = server.drain();
  // The grace is over before the event loop looks at its sockets again.
  const untilMs = performance.now() + 5;
  while (performance.now() < untilMs);
  await Promise.all([drained, once(socket, "close")]);
  expect(received).toMatch(/200 OK[\s\S]*connection: close[\s\S]*answered/i);
});
