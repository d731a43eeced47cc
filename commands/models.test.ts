import { cpSync, rmSync, writeFileSync } from "node:fs";
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

test("versions that the traffic names and that are not there have a line, and a canary that has a guard says so", async () => {
  const project = copyExample();
  cpSync(join(project, "models", "churn", "1"), join(project, "models", "churn", "2"), { recursive: true });
  const guard = { requests: 500, error_rate: 0.02 };
  const put = (traffic: object) =>
    writeFileSync(join(project, "models", "churn", "traffic.json"), JSON.stringify(traffic));
  put({ stable: 1, canary: { version: 2, percent: 25, guard }, shadow: [66] });
  const guarded = await list(project, false);
  expect(guarded.exitCode).toBe(0);
  expect(guarded.written).toMatch(
    /^churn +- +READY +- +churn\/traffic\.json: shadow is version 66, .* Version 1 serves\.$/m,
  );
  expect(guarded.written).toMatch(/^churn +2 +canary 25 %, guarded +READY /m);
  put({ stable: 99 });
  const { exitCode, written } = await list(project, false);
  expect(exitCode).toBe(1);
  expect(written).toMatch(
    /^churn +- +UNAVAILABLE +- +churn\/traffic\.json: stable is version 99, which is not there; /m,
  );
});

test("a repository without models lists none, whether a gateway would start with it or not", async () => {
  const project = copyExample();
  rmSync(join(project, "models"), { recursive: true });
  expect(await list(project, true)).toEqual({ exitCode: 0, written: '{"models":[]}\n' });
  expect(await list(project, false)).toEqual({
    exitCode: 0,
    written: `The model repository ${join(project, "models")} holds no model.\n`,
  });
});
