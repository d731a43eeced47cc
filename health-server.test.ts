import { afterEach, expect, test } from "vitest";
import { HeadgateError } from "./errors.ts";
import { type HealthServer, type HealthServerOptions, openHealthServer } from "./health-server.ts";

const opened: HealthServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function open(changes: Partial<HealthServerOptions> = {}): Promise<HealthServer> {
  const server = await openHealthServer({
    host: "127.0.0.1",
    port: 0,
    portSetting: "HEADGATE_HEALTH_PORT",
    readiness: async () => ({ ready: true, body: { status: "ready" } }),
    metricsText: async () => "headgate_x 1\n",
    ...changes,
  });
  opened.push(server);
  return server;
}

const ask = async (url: string, method = "GET") => {
  const response = await fetch(url, { method });
  return [response.status, response.headers.get("content-type"), await response.text()];
};

test("a process tells that it lives, whether its work goes on, and its metrics", async () => {
  const { url } = await open();
  expect(await ask(`${url}/livez`)).toEqual([200, "application/json; charset=utf-8", '{"status":"live"}']);
  expect(await ask(`${url}/readyz?verbose`)).toEqual([200, "application/json; charset=utf-8", '{"status":"ready"}']);
  expect(await ask(`${url}/metrics`)).toEqual([200, "text/plain; version=0.0.4; charset=utf-8", "headgate_x 1\n"]);
  expect(await ask(`${url}/livez`, "HEAD")).toEqual([200, "application/json; charset=utf-8", ""]);
});

test("not ready is 503 with the reason, and so is a readiness that can't be told", async () => {
  const unready = await open({ readiness: async () => ({ ready: false, body: { status: "not ready", reason: "x" } }) });
  expect(await ask(`${unready.url}/readyz`)).toMatchObject([503, {}, '{"status":"not ready","reason":"x"}']);
  const failing = await open({
    readiness: () => Promise.reject(new HeadgateError("STORE_UNREACHABLE", "It is away.")),
  });
  expect((await ask(`${failing.url}/readyz`)).slice(0, 1)).toEqual([503]);
  expect((await ask(`${failing.url}/livez`)).slice(0, 1)).toEqual([200]);
});

test("other routes and methods are refused as everywhere, a failure is a problem and no crash", async () => {
  const { url } = await open({ metricsText: () => Promise.reject(new Error("no metrics")) });
  const problem = async (path: string, method?: string) => {
    const [status, type, body] = await ask(`${url}${path}`, method);
    return [status, type, JSON.parse(String(body)).code];
  };
  expect(await problem("/predict")).toEqual([404, "application/problem+json", "ROUTE_NOT_FOUND"]);
  expect(await problem("/readyz", "POST")).toEqual([405, "application/problem+json", "METHOD_NOT_ALLOWED"]);
  expect(await problem("/metrics")).toEqual([500, "application/problem+json", "INTERNAL"]);
});

test("a port that is taken is refused by the name of its setting", async () => {
  const { url } = await open();
  await expect(open({ port: Number(new URL(url).port) })).rejects.toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(
        /^127\.0\.0\.1:\d+ is taken by .*; stop that one, or choose another port: HEADGATE_HEALTH_PORT=<port>\.$/,
      ),
    }),
  );
});

test("an address that can't be listened on is refused by the names of its settings", async () => {
  // Of the block for documentation, which no machine has (RFC 5737).
  await expect(open({ host: "192.0.2.1" })).rejects.toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(
        /^192\.0\.2\.1:0 can't be listened on \(.*\); choose another with HEADGATE_HEALTH_HOST or HEADGATE_HEALTH_PORT\.$/,
      ),
    }),
  );
});
