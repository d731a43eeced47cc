import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyExample, temporaryFolder } from "../test/harness/project.ts";
import type { CommandContext } from "./command.ts";
import { deployModel } from "./models-deploy.ts";
import { retireVersion } from "./models-traffic.ts";

test("what is said of a deploy holds after others were deleted, too", async () => {
  const project = copyExample();
  const exported = join(temporaryFolder(), "churn");
  cpSync(join(project, "models", "churn"), exported, { recursive: true });
  let written = "";
  const context: CommandContext = {
    ...{ projectDirectory: project, json: false, environment: {}, now: () => 0 },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
    stderr: { write: () => true } as unknown as NodeJS.WriteStream,
  };
  const deploy = async () => {
    written = "";
    const manifest = join(exported, "model.json");
    expect(await deployModel(context, "churn", join(exported, "1", "model.onnx"), { manifest })).toBe(0);
    return written;
  };
  expect(await deploy()).toMatch(
    /^Version 2 of churn is stored and gets no requests yet\. .*\n[\s\S]* canary churn 2 --/,
  );
  await retireVersion(context, "churn", undefined, { all: true });
  expect(await deploy()).toBe("Version 3 of churn is stored. No other served, so it answers all requests.\n");
});
