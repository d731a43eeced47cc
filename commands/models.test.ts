import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyExample } from "../test/harness/project.ts";
import { listModels } from "./models.ts";

async function list(projectDirectory: string, json: boolean) {
  let written = "";
  const exitCode = await listModels({
    ...{ projectDirectory, json, environment: {}, now: () => 0 },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
    stderr: process.stderr,
  });
  return { exitCode, written };
}

test("a traffic file that can't be understood is named beside its model's versions", async () => {
  const project = copyExample();
  cpSync(join(project, "models", "churn", "1"), join(project, "models", "churn", "2"), { recursive: true });
  const file = join(project, "models", "churn", "traffic.json");
  writeFileSync(file, '{"stable": 1}');
  const sound = await list(project, false);
  expect([sound.exitCode, sound.written.trimEnd().split("\n").length]).toEqual([0, 4]);
  writeFileSync(file, "stable:\n1");
  const { exitCode, written } = await list(project, false);
  expect(exitCode).toBe(1);
  const [heading, , model, ...versions] = written.trimEnd().split("\n");
  expect(heading).toMatch(/^model +version +traffic +state +one run +reason$/);
  expect(model).toMatch(/^churn +- +UNAVAILABLE +- +\S+\/churn\/traffic\.json is not JSON: .* Mend it, or put another/);
  expect(versions).toEqual([
    expect.stringMatching(/^churn +2 +not loaded +- +Not loaded: no version serves\.$/),
    expect.stringMatching(/^churn +1 +not loaded +- +Not loaded: no version serves\.$/),
  ]);
  const told = JSON.parse((await list(project, true)).written);
  expect(told.models).toMatchObject([{ name: "churn", reason: expect.stringContaining(`${file} is not JSON`) }]);
});
