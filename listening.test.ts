import { expect, test } from "vitest";
import { callable } from "./listening.ts";

test.each([
  ["http://0.0.0.0:8080", "http://127.0.0.1:8080"],
  ["http://[::]:8080", "http://localhost:8080"],
  ["http://[::1]:8080", "http://[::1]:8080"],
  ["http://10.0.0.0:8080", "http://10.0.0.0:8080"],
])("of %s what is printed to be pasted is %s", (url, shown) => {
  expect(callable(url)).toBe(shown);
});
