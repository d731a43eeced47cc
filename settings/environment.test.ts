import { expect, test } from "vitest";
import { SETTINGS } from "../config.ts";
import { unknownVariables } from "./environment.ts";

const known = Object.values(SETTINGS).map(({ environment }) => environment);
const unknown = (...names: readonly string[]) =>
  unknownVariables(Object.fromEntries(names.map((name) => [name, "1"])), known);

test("a misspelt setting is told with the one that is meant", () => {
  expect(unknown("HEADGATE_PROT", "HEADGATE_ONLINESTORE", "HEADGATE_ADMIN_TOKENS", "PATH")).toEqual([
    { name: "HEADGATE_ADMIN_TOKENS", nearest: "HEADGATE_ADMIN_TOKEN" },
    { name: "HEADGATE_ONLINESTORE", nearest: "HEADGATE_ONLINE_STORE" },
    { name: "HEADGATE_PROT", nearest: "HEADGATE_PORT" },
  ]);
});

test("settings are known, and so are the variables of tests, benches and Kubernetes", () => {
  const links = ["HEADGATE_SERVICE_HOST", "HEADGATE_REDIS_SERVICE_PORT_HTTP", "HEADGATE_PORT_8080_TCP_ADDR"];
  expect(unknown(...known, "HEADGATE_TEST_REDIS", "HEADGATE_BENCH_HEAP", ...links)).toEqual([]);
  expect(unknownVariables({ HEADGATE_REDIS_PORT: "tcp://10.0.0.7:6379" }, known)).toEqual([]);
});
