import { expect, test } from "vitest";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import { fail, warnOfUnknownVariables } from "./command.ts";

const told = (thrown: unknown, json = false) => {
  const written: string[] = [];
  const stderr = { write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
  return { exitCode: fail({ json, stderr }, thrown), text: written.join("") };
};

test.each<[ErrorCode, number]>([
  ["USAGE", 2],
  ["INTERVAL_INVALID", 2],
  ["VIEW_NOT_FOUND", 2],
  ["ENTITY_KEY_INVALID", 2],
  ["SOURCE_NOT_FOUND", 1],
])("%s ends with %i", (code, exitCode) => {
  expect(told(new HeadgateError(code, "Why."))).toEqual({ exitCode, text: `headgate: Why. [${code}]\n` });
});

test("with --json it is one object", () => {
  expect(JSON.parse(told(new HeadgateError("USAGE", "Why."), true).text)).toMatchObject({
    error: { code: "USAGE", detail: "Why." },
  });
});

test("a variable that is no setting is warned of, but not beside JSON and not by a worker", () => {
  const written: string[] = [];
  const stderr = { write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
  const context = { projectDirectory: ".", environment: { HEADGATE_PROT: "1" }, stdout: stderr, stderr, now: () => 0 };
  warnOfUnknownVariables({ ...context, json: true });
  const worker = { ...context.environment, HEADGATE_WORKER_PLACE: "1" };
  warnOfUnknownVariables({ ...context, environment: worker, json: false });
  expect(written).toEqual([]);
  warnOfUnknownVariables({ ...context, json: false });
  expect(written).toEqual([
    "headgate: warning: HEADGATE_PROT is no setting, and has no effect; the nearest is HEADGATE_PORT.\n",
  ]);
});
