import { cpSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadConfig } from "../config.ts";
import { applyRegistry } from "../features/applied-registry.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { openOnlineStore } from "../features/store/open.ts";
import { startGateway } from "./main.ts";

const EXAMPLE = new URL("../examples/churn", import.meta.url).pathname;
const BODY = JSON.stringify({ model: "churn", entities: { customer_id: 17 } });
const HEADERS = { "content-type": "application/json", "content-length": BODY.length };

const project = realpathSync(mkdtempSync(join(tmpdir(), "headgate-main-")));
cpSync(EXAMPLE, project, { recursive: true, filter: (file) => basename(file) !== ".headgate" });
afterAll(() => rmSync(project, { recursive: true }));

const configOf = async (environment: NodeJS.ProcessEnv) => {
  const config = await loadConfig(project, { HEADGATE_PORT: "0", ...environment });
  const store = await openOnlineStore(config.onlineStore, { ...config, redis: { minReplicas: 0 } });
  const registry = await loadFeatureRepository(project);
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: Date.UTC(2026, 10, 23) });
  await store.close();
  return config;
};

/** Resolves when the server has parsed the head; the body is still to come. */
function openHalfSent(url: string): Promise<ClientRequest> {
  const asked = request(`${url}/predict`, { method: "POST", headers: { ...HEADERS, expect: "100-continue" } });
  return new Promise((open, fail) => {
    asked.once("continue", () => open(asked));
    asked.once("error", fail);
    asked.flushHeaders();
  });
}

test("an upload that breaks off is no failure of the gateway's", async () => {
  const logged: string[] = [];
  const gateway = await startGateway(await configOf({ HEADGATE_DRAIN_GRACE: "0s" }), (line) => void logged.push(line));
  const half = await openHalfSent(gateway.url);
  half.on("error", () => {});
  half.write(BODY.slice(0, 10));
  half.destroy();
  const refused = /^headgate_prediction_refusals_total\{code="REQUEST_ABORTED"\} 1$/m;
  let metrics = "";
  while (!refused.test(metrics)) metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toContain("\nheadgate_unexpected_errors_total 0\n");
  await gateway.close();
  expect(logged.join("")).not.toContain('"level":"error"');
});

test("while it drains, every answer asks for the connection to be closed", async () => {
  const gateway = await startGateway(await configOf({ HEADGATE_DRAIN_GRACE: "200ms" }), () => {});
  expect((await fetch(`${gateway.url}/livez`)).headers.get("connection")).toBe("keep-alive");
  const closed = gateway.close();
  expect((await fetch(`${gateway.url}/readyz`)).headers.get("connection")).toBe("close");
  await closed;
});

test("a port that is taken leaves nothing open behind", async () => {
  const other = createServer();
  await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
  const { port } = other.address() as { port: number };
  const config = await configOf({ HEADGATE_PORT: String(port) });
  await expect(startGateway(config, () => {})).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  await new Promise((done) => other.close(done));
  // The store was closed, and the next one starts as if there had been none.
  const gateway = await startGateway({ ...config, drainGrace: 0 }, () => {});
  await new Promise<void>((open, fail) => {
    const socket = connect(port, "127.0.0.1", () => open(void socket.destroy())).once("error", fail);
  });
  await gateway.close();
});
