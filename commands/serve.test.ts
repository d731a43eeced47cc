import { expect, test } from "vitest";
import type { ExampleRequest } from "./example-request.ts";
import { jsonLine, warnOfOpenReads } from "./serve.ts";

const warning = (host: string, adminToken: string) => {
  let told = "";
  const stderr = { write: (text: string) => (told += text) } as unknown as NodeJS.WriteStream;
  warnOfOpenReads({ stderr }, { host, adminToken });
  return told;
};

test("who listens to the network without a token is told what whoever reaches it is answered", () => {
  for (const host of ["0.0.0.0", "::", "10.0.0.1"]) {
    expect(warning(host, "")).toMatch(
      /^headgate: warning: the gateway listens on \S+ without an admin token: .* HEADGATE_ADMIN_TOKEN, .*\.\n$/,
    );
    expect(warning(host, "secret")).toBe("");
  }
  for (const host of ["127.0.0.1", "127.0.0.2", "::1", "localhost"]) expect(warning(host, "")).toBe("");
});

test("a program is told a URL that it can call, and beside it where is listened", () => {
  const example = { route: "/predict", body: { model: "churn" } } as unknown as ExampleRequest;
  expect(JSON.parse(jsonLine("http://0.0.0.0:8080", "0.0.0.0", example))).toEqual({
    url: "http://127.0.0.1:8080",
    host: "0.0.0.0",
    route: "/predict",
    example: { model: "churn" },
  });
  expect(jsonLine("http://[::1]:80", "::1", undefined)).toBe(
    '{"url":"http://[::1]:80","host":"::1","route":null,"example":null}\n',
  );
});
