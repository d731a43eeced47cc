/**
 * Deploys that die half way, on a real S3: the gateway is killed, or S3 goes away, after the version's number was
 * claimed. Nothing half-stored is ever listed or served, what serves goes on, and the next deploy works.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type ModelRepository, openModelRepository } from "../../models/repository.ts";
import { deployProject, post, underLoad, versionOfAnswer } from "../harness/deploying.ts";
import { type Environment, headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { findS3, type S3Server, startS3 } from "../harness/s3.ts";
import { S3Gate } from "../harness/s3-gate.ts";

/** A journey on a busy machine, ms. */
const TIMEOUT_MS = 240_000;

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";

describe.skipIf("missing" in found)(`a deploy to S3 that dies after its claim${absent}`, () => {
  let server: S3Server;
  let gate: S3Gate;
  let project: string;
  let address: string;
  let environment: Environment;
  let gateway: ServedProject;
  let model: Uint8Array;

  beforeAll(async () => {
    server = await startS3(found);
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    project = await deployProject();
    model = new Uint8Array(readFileSync(join(project, "models", "churn", "1", "model.onnx")));
  }, TIMEOUT_MS);
  afterAll(async () => {
    vi.unstubAllEnvs();
    if ("program" in found) await server?.stop();
  });

  beforeEach(async () => {
    gate = new S3Gate(server.endpoint);
    address = `s3://${await server.createBucket()}/models`;
    environment = {
      ...server.environment,
      AWS_ENDPOINT_URL_S3: await gate.listen(),
      HEADGATE_MODELS: address,
      HEADGATE_ADMIN_TOKEN: "secret",
    };
    const files = ["models/churn/1/model.onnx", "--manifest", "models/churn/model.json"];
    const first = await run(headgate("models", "deploy", "churn", ...files), project, environment);
    expect(first.exitCode, first.stderr).toBe(0);
    gateway = await serve(project, environment);
  }, TIMEOUT_MS);
  afterEach(() => {
    gateway?.signal("SIGKILL");
    gate.close();
  });

  /** What another process sees of the repository, past the gate. */
  async function seen<T>(look: (repository: ModelRepository) => Promise<T>): Promise<T> {
    const repository = await openModelRepository(address);
    try {
      return await look(repository);
    } finally {
      await repository.close();
    }
  }
  const versions = () => seen((repository) => repository.versions("churn"));
  const nextVersion = () => seen((repository) => repository.nextVersion("churn"));

  test(
    "with its gateway",
    async () => {
      const held = gate.holdPut(/\/2\/model\.onnx/);
      const dying = post(gateway, model).catch((cause: unknown) => cause);
      await held;
      gateway.signal("SIGKILL");
      expect(await dying).toBeInstanceOf(Error);
      await gateway.ended;
      gate.comeBack();
      expect([await versions(), await nextVersion()]).toEqual([[1], 3]);
      gateway = await serve(project, environment);
      expect(await versionOfAnswer(gateway)).toBe(1);
      expect(await post(gateway, model)).toMatchObject({ status: 201, body: { version: 3, state: "READY" } });
      expect(await versions()).toEqual([3, 1]);
    },
    TIMEOUT_MS,
  );

  test.each(["model", "manifest"])(
    "with its S3, before the %s is there",
    async (file) => {
      const { failures } = await underLoad(gateway, async () => {
        const held = gate.holdPut(file === "model" ? /\/2\/model\.onnx/ : /\/2\/model\.json/);
        const dying = post(gateway, model);
        await held;
        gate.goAway();
        expect(await dying).toMatchObject({ status: 503, body: { code: "REPOSITORY_UNREACHABLE" } });
        expect(await versionOfAnswer(gateway)).toBe(1);
        expect([await versions(), await nextVersion()]).toEqual([[1], 3]);
        expect(await post(gateway, model)).toMatchObject({ status: 503, body: { code: "REPOSITORY_UNREACHABLE" } });
        gate.comeBack();
        expect(await post(gateway, model)).toMatchObject({ status: 201, body: { version: 3, state: "READY" } });
        expect(await versions()).toEqual([3, 1]);
      });
      expect(failures).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
