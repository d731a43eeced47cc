import { expect, test } from "vitest";
import { failingView, passingView } from "./fixtures/parity-reports.ts";
import { formatViewParity } from "./parity-text.ts";

test("a sample bounds what it was taken of, the entities in the files, and says that nothing else was looked for", () => {
  const sampled = { ...passingView("orders"), sample: { share: 0.5, seed: 7 }, mismatch_rate_bound: 0.393 };
  expect(formatViewParity(sampled)).toMatch(
    / A sample of 50% \(seed 7\): with 95% confidence at most 39\.3% of the entities in the files differ; rows that only the store has are not looked for in a sample\.$/,
  );
  expect(formatViewParity(passingView("orders"))).not.toContain("sample");
});

test("a verdict, its causes and its repair are a line each, or two", () => {
  const lines = formatViewParity(failingView()).split("\n");
  const [head, first, command] = lines;
  expect(head).toMatch(/^customer_30d_features: fail\. 12,951 of 98,412 entities differ/);
  expect(first).toMatch(/^ {2}late_event \(807\): The file came, /);
  expect(command).toBe("    headgate features get customer_30d_features customer_id=17003");
  expect(lines.at(-1)).toMatch(
    /^ {2}A repair would write 3,168 .*; 15 left alone, as no file has them\. headgate parity/,
  );
});
