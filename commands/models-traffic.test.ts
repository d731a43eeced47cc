import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { HeadgateError } from "../errors.ts";
import { copyExample } from "../test/harness/project.ts";
import type { CommandContext } from "./command.ts";
import {
  canaryModel,
  promoteModel,
  retireVersion,
  rollbackModel,
  shadowModel,
  trafficOfModel,
} from "./models-traffic.ts";

let churn: string;
let context: CommandContext;
let written: string;

beforeEach(() => {
  const projectDirectory = copyExample();
  churn = join(projectDirectory, "models", "churn");
  for (const version of ["2", "3"]) cpSync(join(churn, "1"), join(churn, version), { recursive: true });
  context = {
    ...{ projectDirectory, json: false, environment: {}, now: () => 0 },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
    stderr: process.stderr,
  };
});

const put = (traffic: object) => writeFileSync(join(churn, "traffic.json"), JSON.stringify(traffic));
const stored = () => JSON.parse(readFileSync(join(churn, "traffic.json"), "utf8"));
/** What a command says, or is refused with. */
async function told(command: () => Promise<number>): Promise<string> {
  written = "";
  return command().then(
    () => written,
    (thrown: HeadgateError) => `${thrown.message} [${thrown.code}]`,
  );
}

describe("a file that names versions which are not there", () => {
  const gone = { stable: 3, canary: { version: 55, percent: 50 }, shadow: [66] };
  const notThere = (version: number) =>
    `Model "churn" has no version ${version}; there is 3, 2, 1. [VERSION_NOT_FOUND]`;

  test("shuts nobody out: what a change leaves as it is and is not there is left out", async () => {
    put(gone);
    expect(await told(() => promoteModel(context, "churn", "3"))).toBe("churn: stable is 3.\n");
    expect(stored()).toEqual({ stable: 3 });
    put(gone);
    expect(await told(() => rollbackModel(context, "churn"))).toBe("churn: stable is 3.\n");
    put(gone);
    expect(await told(() => shadowModel(context, "churn", undefined, { remove: true }))).toBe("churn: stable is 3.\n");
    put(gone);
    expect(await told(() => canaryModel(context, "churn", "2", { percent: "10" }))).toBe(
      "churn: stable is 3, canary is 2 with 10 %.\n",
    );
  });

  test("is left by a promotion where its stable version is not there, and nothing is deleted before", async () => {
    put({ stable: 99 });
    const refused =
      'churn/traffic.json: stable is version 99, which is not there; "headgate models promote churn <version>" puts another in its place. [TRAFFIC_INVALID]';
    expect(await told(() => canaryModel(context, "churn", "2", { percent: "10" }))).toBe(refused);
    // Nobody knows whether it answers.
    expect(await told(() => retireVersion(context, "churn", "3", {}))).toBe(refused);
    expect(await told(() => trafficOfModel(context, "churn", undefined))).toBe(
      `churn: stable is 99. ${refused.replace(" [TRAFFIC_INVALID]", "")}\n`,
    );
    expect(await told(() => promoteModel(context, "churn", "2"))).toBe("churn: stable is 2.\n");
  });

  test("is refused where the change names one of them itself", async () => {
    put(gone);
    const asked = join(churn, "asked.json");
    writeFileSync(asked, JSON.stringify(gone));
    expect(await told(() => promoteModel(context, "churn", "55"))).toBe(notThere(55));
    expect(await told(() => canaryModel(context, "churn", "55", { percent: "10" }))).toBe(notThere(55));
    expect(await told(() => shadowModel(context, "churn", "66", {}))).toBe(notThere(66));
    expect(await told(() => trafficOfModel(context, "churn", asked))).toBe(notThere(55));
    expect(stored()).toEqual(gone);
  });
});

test("a canary's guard is told with its share", async () => {
  put({ stable: 1 });
  const guarded =
    "churn: stable is 1, canary is 2 with 25 %, ended over error_rate 0.02 or psi 0.25 of its last 500 requests.\n";
  const guard = "error_rate=0.02,psi=0.25";
  expect(await told(() => canaryModel(context, "churn", "2", { percent: "25", guard }))).toBe(guarded);
  expect(await told(() => trafficOfModel(context, "churn", undefined))).toBe(guarded);
});

test("where there is no shadow to take out, that is said", async () => {
  put({ stable: 1 });
  expect(await told(() => shadowModel(context, "churn", undefined, { remove: true }))).toBe(
    'Model "churn" has no shadow that could be taken out. [TRAFFIC_INVALID]',
  );
});
