import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "./config.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "headgate-config-"));
});
afterEach(() => rmSync(project, { recursive: true }));

const load = (settings: string, environment: NodeJS.ProcessEnv = {}) => {
  writeFileSync(
    join(project, "headgate.config.ts"),
    `import { defineConfig } from "headgate"; export default defineConfig(${settings});`,
  );
  return loadConfig(project, environment);
};

test("a project needs no setting but its name", async () => {
  expect(await load(`{ project: "shop" }`)).toMatchObject({
    project: "shop",
    projectDirectory: project,
    onlineStore: "lmdb:.headgate/online",
    port: 8080,
    host: "127.0.0.1",
    deadline: 5_000,
    expiryGrace: 7 * 86_400_000,
  });
});

test("the environment overrides the file, and an empty variable does not", async () => {
  const file = `{ project: "shop", port: 9000, deadline: "2s" }`;
  expect(await load(file, { HEADGATE_PORT: "9001", HEADGATE_DEADLINE: "" })).toMatchObject({
    port: 9001,
    deadline: 2_000,
  });
});

test.each([
  [`{}`, {}, /project must be a name/],
  [`{ project: "a b" }`, {}, /project must be a name/],
  [
    `{ project: "shop", prot: 1 }`,
    {},
    /no setting "prot"\. Did you mean port\? docs\/configuration\.md lists them all\.$/,
  ],
  [`{ project: "shop", onlinestore: "" }`, {}, /no setting "onlinestore"\. Did you mean onlineStore\?/],
  [`{ project: "shop", logLevel: 1 }`, {}, /no setting "logLevel"\. docs\/configuration\.md lists them all\.$/],
  [
    `{ project: "shop", port: 70000 }`,
    {},
    /headgate\.config\.ts: port is 70000; it takes a TCP port from 0 to 65535, such as 8080/,
  ],
  [`{ project: "shop", deadline: 5 }`, {}, /deadline is 5; it takes a duration of at most 24d, such as "5s"/],
  [`{ project: "shop", deadline: "25d" }`, {}, /deadline is "25d"; it takes a duration of at most 24d/],
  [`{ project: "shop", deadline: "0s" }`, {}, /deadline is "0s"/],
  [`{ project: "shop", maxFuture: "5" }`, {}, /maxFuture is "5"; it takes a duration, such as "5m"/],
  [`{ project: "shop" }`, { HEADGATE_ADMIN_TOKEN: "\n" }, /HEADGATE_ADMIN_TOKEN is of the wrong form/],
  [`{ project: "shop" }`, { HEADGATE_PORT: "http" }, /HEADGATE_PORT is "http"/],
  [`{ project: "shop" }`, { HEADGATE_KAFKA_BROKERS: "a:1,b" }, /takes a list of brokers, host:port,host:port\.$/],
  [`{ project: "shop" }`, { HEADGATE_KAFKA_SASL_MECHANISM: "SCRAM" }, /one of none, plain, .*, such as "none"/],
  [`{ project: "shop" }`, { HEADGATE_SCHEMA_REGISTRY: "h/u:pw" }, /HEADGATE_SCHEMA_REGISTRY is of the wrong form/],
  [
    `{ project: "shop" }`,
    { HEADGATE_SCHEMA_REGISTRY: "https://u:50%@h" },
    /HEADGATE_SCHEMA_REGISTRY is of the wrong form/,
  ],
  [`{ project: "shop", ingestStart: "soon" }`, {}, /ingestStart is "soon"; it takes a place: earliest, latest or/],
  [`{ project: "shop" }`, { HEADGATE_MAX_ENTITIES: "1.5" }, /HEADGATE_MAX_ENTITIES is "1.5"; it takes entities from 1/],
  [`{ project: "shop", host: "" }`, {}, /: host is ""; it takes an address, such as/],
  [`{ project: "shop", port: Number(undefined) }`, {}, /^headgate\.config\.ts: port is NaN; it takes a TCP port/],
  [`{ project: "shop", port: 8080n }`, {}, /: port is 8080n; it takes/],
  [`{ project: "shop", port: () => 1 }`, {}, /: port is \[Function: port\]; it takes/],
  [`{ project: "shop", port: "9".repeat(1_000) }`, {}, /: port is "9{79}…; it takes/],
  [`{ project: "shop" }`, { HEADGATE_DRAIN_TIMEOUT: "10 s" }, /HEADGATE_DRAIN_TIMEOUT is "10 s"/],
  [`nonsense`, {}, /headgate\.config\.ts: nonsense is not defined/],
])("%s with %j is refused by name", async (settings, environment, sentence) => {
  await expect(load(settings, environment)).rejects.toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(sentence) }),
  );
});

test("what no timer waits for may be longer, and the drain may wait for nothing", async () => {
  const settings = `{ project: "shop", expiryGrace: "400d", drainGrace: "0s", drainTimeout: "24d" }`;
  expect(await load(settings)).toMatchObject({
    expiryGrace: 400 * 86_400_000,
    drainGrace: 0,
    drainTimeout: 24 * 86_400_000,
  });
});

test("the newline at the end of a secret's file is none of the secret", async () => {
  const environment = { HEADGATE_ADMIN_TOKEN: "s3cret\r\n" };
  expect(await load(`{ project: "shop" }`, environment)).toMatchObject({ adminToken: "s3cret" });
});

test("a folder without a config file is no project, and init is named", async () => {
  await expect(loadConfig(project, {})).rejects.toThrow(
    expect.objectContaining({ code: "PROJECT_NOT_FOUND", message: expect.stringContaining("headgate init") }),
  );
});
