import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { pythonEnvName } from "../../test/harness/python-env.ts";
import { isSame } from "./same-answer.ts";

it("names an environment by its pins, wherever they are", () => {
  const nameOf = (...pins: string[]) => {
    const folder = mkdtempSync(join(tmpdir(), "headgate-pins-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "requirements.txt");
    writeFileSync(file, pins.join("\n"));
    return pythonEnvName("peers", ["-r", file]);
  };
  expect(nameOf("a==1", "b==2")).toBe(nameOf("a==1", "b==2"));
  expect(nameOf("a==1", "b==2")).not.toBe(nameOf("a==1", "b==3"));
  expect(nameOf("a==1", "b==2")).toMatch(/^python-peers-[0-9a-f]{12}$/);
});

it("takes predictions as the same within a float32's precision", () => {
  const of = (label: number, ...probabilities: number[]) => ({ predictions: [{ label, probabilities }] as const });
  expect(isSame(of(0, 0.9474602341651917, 0.0525397), of(0, 0.9474602, 0.0525398))).toBe(true);
  expect(isSame(of(0, 0.9, 0.1), of(0, 0.8999, 0.1001))).toBe(false);
  expect(isSame(of(0, 0.5, 0.5), of(1, 0.5, 0.5))).toBe(false);
});
