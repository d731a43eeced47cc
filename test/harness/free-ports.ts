/** Ports for the servers of tests and benches. */

import { createServer } from "node:net";

/** Below the range that the system gives to outgoing connections, one of which could take a port before its server does. */
const [PORTS_FROM, PORTS_UNTIL] = [10_240, 32_000];

/** Ports of the loopback that nobody listens on. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_UNTIL - PORTS_FROM));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
