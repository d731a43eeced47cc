import { expect, test } from "vitest";
import { pastable, warnOfOpenReads } from "./serve.ts";

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

test.each([
  ["http://0.0.0.0:8080", "http://127.0.0.1:8080"],
  ["http://[::]:8080", "http://localhost:8080"],
  ["http://[::1]:8080", "http://[::1]:8080"],
  ["http://10.0.0.0:8080", "http://10.0.0.0:8080"],
])("of %s what is printed to be pasted is %s", (url, shown) => {
  expect(pastable(url)).toBe(shown);
});
