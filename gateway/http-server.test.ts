import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openHttpServer } from "./http-server.ts";

const OPTIONS = { host: "127.0.0.1", port: 0, drainGrace: 0, drainTimeout: 5_000, clock: () => performance.now() };

test("who has come before the port closes is answered, also where the kernel alone knows of him", async () => {
  const server = await openHttpServer(OPTIONS, (_, response) => response.end("answered"));
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

test("a port that is taken is refused with what to do next", async () => {
  const server = await openHttpServer(OPTIONS, (_, response) => response.end());
  const port = Number(new URL(server.url).port);
  await expect(openHttpServer({ ...OPTIONS, port }, () => {})).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(
      new RegExp(`^127\\.0\\.0\\.1:${port} is taken by .*; stop that one, or .* HEADGATE_PORT=<port>\\.$`),
    ),
  });
  await server.drain();
});

test("the port is closed where somebody comes in every turn", async () => {
  // Each look at the clock is ten milliseconds later, so that the wait is over after a few turns.
  let nowMs = 0;
  const clock = () => {
    nowMs += 10;
    return nowMs;
  };
  const server = await openHttpServer({ ...OPTIONS, clock }, (_, response) => response.end());
  let isOpen = true;
  const coming = (async () => {
    while (isOpen) {
      const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
      await once(socket, "connect").then(
        () => socket.destroy(),
        () => {
          isOpen = false;
        },
      );
    }
  })();
  await server.drain();
  await coming;
  expect(nowMs).toBeLessThan(100);
});
