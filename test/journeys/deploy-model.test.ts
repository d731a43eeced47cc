/**
 * A model's life as its owner sees it: deployed, given a share, made stable, taken back and retired, by the command line
 * and over HTTP, on a folder and on a real S3, while a gateway answers. Whatever is done, no prediction fails.
 */

import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADMIN, deployProject, post, putTraffic, underLoad, versionOfAnswer } from "../harness/deploying.ts";
import { type Environment, headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { until } from "../harness/redis.ts";
import { findS3, type S3Server, startS3 } from "../harness/s3.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

/** A journey on a busy machine, ms. */
const TIMEOUT_MS = 240_000;
const fixture = (path: string) => new Uint8Array(readFileSync(join(CHECKOUT, "models", "fixtures", path)));

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";
let server: S3Server | undefined;

beforeAll(async () => {
  if (!("missing" in found)) server = await startS3(found);
}, TIMEOUT_MS);
afterAll(async () => {
  if ("program" in found) await server?.stop();
});

const PLACES = [
  {
    place: "a folder",
    settingsOf: async (project: string): Promise<Environment> => ({ HEADGATE_MODELS: `${project}/m` }),
  },
  {
    place: `S3${absent}`,
    settingsOf: async (): Promise<Environment> => ({
      ...server!.environment,
      HEADGATE_MODELS: `s3://${await server!.createBucket()}/models`,
    }),
  },
];

describe.each(PLACES)("on $place", ({ place, settingsOf }) => {
  const isAbsent = place.startsWith("S3") && "missing" in found;
  let project: string;
  let environment: Environment;
  let gateway: ServedProject;
  let model: string;

  /** Runs a command to its end and gives what it answered. */
  const command = async (...words: readonly string[]) => {
    const { exitCode, stdout, stderr } = await run(headgate("models", ...words, "--json"), project, environment);
    return { exitCode, answer: stdout === "" ? undefined : JSON.parse(stdout), stderr };
  };
  const done = async (...words: readonly string[]) => {
    const { exitCode, answer, stderr } = await command(...words);
    expect(exitCode, stderr).toBe(0);
    return answer;
  };
  const described = async () => (await fetch(`${gateway.url}/models/churn`)).json() as Promise<Described>;
  const answers = (version: number) =>
    until(`version ${version} to answer`, async () => (await versionOfAnswer(gateway)) === version);

  beforeAll(async () => {
    if (isAbsent) return;
    project = await deployProject();
    // The example's own model is what is deployed, not what is there.
    cpSync(join(project, "models"), join(project, "exported"), { recursive: true });
    rmSync(join(project, "models"), { recursive: true });
    model = join(project, "exported", "churn", "1", "model.onnx");
    environment = {
      ...(await settingsOf(project)),
      HEADGATE_ADMIN_TOKEN: "secret",
      HEADGATE_MODELS_POLL: "200ms",
      HEADGATE_MAX_MODEL_BYTES: "2000000",
    };
    const manifest = join(project, "exported", "churn", "model.json");
    expect(await done("deploy", "churn", model, "--manifest", manifest)).toMatchObject({ version: 1, stored: true });
    gateway = await serve(project, environment);
  }, TIMEOUT_MS);

  test.skipIf(isAbsent)(
    "by the command line: deploy, canary, promote, rollback, retire, and a gateway that follows",
    async () => {
      const { failures, answered } = await underLoad(gateway, async () => {
        const { version } = await done("deploy", "churn", model);
        await until("the new version to be ready", async () =>
          (await described()).versions.some((one) => one.version === version && one.state === "READY"),
        );
        expect(await versionOfAnswer(gateway)).toBe(1);
        await done("canary", "churn", String(version), "--percent", "100", "--guard", "error_rate=0.5");
        await answers(version);
        await done("rollback", "churn");
        await answers(1);
        await done("shadow", "churn", String(version));
        await until("the shadow", async () => (await described()).shadows.includes(version));
        await done("promote", "churn", String(version));
        await answers(version);
        expect(await done("traffic", "churn")).toMatchObject({ traffic: { stable: version, previous: 1 } });
        await done("rollback", "churn");
        await answers(1);
        expect(await command("retire", "churn", "1")).toMatchObject({
          exitCode: 1,
          stderr: expect.stringContaining("VERSION_IN_USE"),
        });
        await done("retire", "churn", String(version));
        await until("the version to be gone", async () => (await described()).versions.length === 1);
      });
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test.skipIf(isAbsent)(
    "over HTTP, at once on the gateway that is asked",
    async () => {
      const { failures } = await underLoad(gateway, async () => {
        const bytes = new Uint8Array(readFileSync(model));
        const deployed = await post(gateway, bytes);
        expect(deployed).toMatchObject({ status: 201, body: { state: "READY" } });
        const version = deployed.body.version!;
        expect(await versionOfAnswer(gateway)).toBe(1);
        const canary = { stable: 1, canary: { version, percent: 100 } };
        expect(await putTraffic(gateway, canary, { "if-match": deployed.etag! })).toMatchObject({ status: 200 });
        expect(await versionOfAnswer(gateway)).toBe(version);
        expect(await putTraffic(gateway, { stable: 1 }, { "if-match": deployed.etag! })).toMatchObject({ status: 412 });
        expect(await putTraffic(gateway, { stable: version, previous: 1 })).toMatchObject({ status: 200 });
        expect(await putTraffic(gateway, { stable: 1, previous: version })).toMatchObject({ status: 200 });
        expect(await versionOfAnswer(gateway)).toBe(1);
        const gone = await fetch(`${gateway.url}/models/churn/versions/${version}`, {
          method: "DELETE",
          headers: ADMIN,
        });
        expect(gone.status).toBe(204);
      });
      expect(failures).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test.skipIf(isAbsent)(
    "of two deploys at once one wins and the other is told",
    async () => {
      const bytes = new Uint8Array(readFileSync(model));
      const both = await Promise.all([post(gateway, bytes), post(gateway, bytes)]);
      expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
      expect(both.find(({ status }) => status === 409)!.body.code).toBe("DEPLOY_CONFLICT");
    },
    TIMEOUT_MS,
  );

  test.skipIf(isAbsent)(
    "files that can't be a version are refused by name while others are answered, and nothing of them is left",
    async () => {
      const before = (await described()).versions;
      const bad: readonly (readonly [string, Uint8Array, string])[] = [
        ["corrupt", fixture("broken/corrupt.onnx"), "MODEL_FILE_INVALID"],
        ["truncated", fixture("broken/truncated.onnx"), "MODEL_FILE_INVALID"],
        ["of a future opset", fixture("broken/future-opset.onnx"), "MODEL_FILE_INVALID"],
        ["with an unknown operator", fixture("broken/unknown-operator.onnx"), "MODEL_FILE_INVALID"],
        ["of another signature", fixture("zoo/mixed-pipeline/1/model.onnx"), "SIGNATURE_MISMATCH"],
        ["enormous", new Uint8Array(3_000_000), "BODY_TOO_LARGE"],
      ];
      const { failures } = await underLoad(gateway, async () => {
        for (const [what, bytes, code] of bad) {
          const { body } = await post(gateway, bytes);
          expect([what, body.code]).toEqual([what, code]);
          expect(body.detail, what).not.toBe("");
        }
      });
      expect(failures).toEqual([]);
      expect((await described()).versions).toEqual(before);
    },
    TIMEOUT_MS,
  );

  test.skipIf(isAbsent)(
    "an upload that breaks off leaves nothing",
    async () => {
      const before = (await described()).versions;
      const aborted = new AbortController();
      const half = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new Uint8Array(100_000)),
        pull: () => aborted.abort(),
      });
      const request = { method: "POST", headers: ADMIN, body: half, duplex: "half", signal: aborted.signal };
      await expect(fetch(`${gateway.url}/models/churn/versions`, request as RequestInit)).rejects.toThrow();
      const deployed = await post(gateway, new Uint8Array(readFileSync(model)));
      expect(deployed.status).toBe(201);
      expect((await described()).versions.map(({ version }) => version)).toEqual([
        deployed.body.version,
        ...before.map(({ version }) => version),
      ]);
    },
    TIMEOUT_MS,
  );
});

interface Described {
  readonly versions: readonly { readonly version: number; readonly state: string }[];
  readonly shadows: readonly number[];
}
