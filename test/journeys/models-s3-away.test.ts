/**
 * A gateway whose models are in S3, when S3 is away: what is loaded goes on, a gateway that starts then takes the copy
 * that it has, and both go by S3 again once it is back.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployProject, underLoad, versionOfAnswer } from "../harness/deploying.ts";
import { type Environment, headgate, run, type ServedProject, serve, temporaryFolder } from "../harness/project.ts";
import { until } from "../harness/redis.ts";
import { findS3, type S3Server, startS3 } from "../harness/s3.ts";

const found = await findS3();
const reason = "missing" in found ? ` (${found.missing})` : "";
/** A journey on a busy machine, ms. */
const TIMEOUT_MS = 240_000;

// A server that is given by its address is not the tests' to stop.
describe.skipIf(!("program" in found))(`models in S3 while it is away${reason}`, () => {
  let server: S3Server;
  let project: string;
  let environment: Environment;
  let isStopped = false;

  beforeAll(async () => {
    server = await startS3(found);
    project = await deployProject();
    environment = { ...server.environment, HEADGATE_MODELS: `s3://${await server.createBucket()}/models` };
  }, TIMEOUT_MS);
  afterAll(async () => {
    if (!isStopped) await server?.stop();
  });

  const deploy = async (...more: readonly string[]): Promise<void> => {
    const words = ["models", "deploy", "churn", "models/churn/1/model.onnx", ...more];
    const { exitCode, stderr } = await run(headgate(...words), project, environment);
    expect(exitCode, stderr).toBe(0);
  };
  const metricsOf = async ({ url }: ServedProject) => (await fetch(`${url}/metrics`)).text();
  const isReady = async ({ url }: ServedProject) => (await fetch(`${url}/readyz`)).status;

  test(
    "what was loaded goes on, also in a gateway that starts then, and a deploy is noticed once S3 is back",
    async () => {
      await deploy("--manifest", "models/churn/model.json");
      const first = await serve(project, environment);
      expect(await versionOfAnswer(first)).toBe(1);
      const { failures } = await underLoad(first, async () => {
        await server.stop();
        isStopped = true;
        await until("the outage to be noticed", async () =>
          (await metricsOf(first)).includes("headgate_model_repository_up 0"),
        );
        expect(await isReady(first)).toBe(200);
      });
      expect(failures).toEqual([]);
      first.signal("SIGKILL");

      const started = await serve(project, environment);
      expect(await versionOfAnswer(started)).toBe(1);
      expect(await isReady(started)).toBe(200);
      const elsewhere = { ...environment, HEADGATE_MODELS_CACHE: temporaryFolder(), HEADGATE_PORT: "0" };
      const without = await run(headgate("serve"), project, elsewhere);
      expect(without).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("[REPOSITORY_UNREACHABLE]") });

      await server.restart();
      isStopped = false;
      await deploy("--promote");
      await until("the deploy to be noticed", async () => (await versionOfAnswer(started)) === 2);
      started.signal("SIGTERM");
      expect((await started.ended).exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );
});
