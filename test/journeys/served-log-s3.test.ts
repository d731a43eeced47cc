/**
 * The served log in S3: files of a gateway are found there by the parity command; an S3 that goes away takes nothing from
 * the predictions nor from the gateway's end, and what is lost by it is counted and told.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyExample, type Environment, headgate, run, type ServedProject, serve } from "../harness/project.ts";
import { findS3, type S3Server, startS3 } from "../harness/s3.ts";

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";
const TIMEOUT_MS = 240_000;

describe.skipIf(!("program" in found))(`the served log in S3${absent}`, () => {
  let server: S3Server;
  let environment: Environment;
  const project = copyExample();

  beforeAll(async () => {
    server = await startS3(found);
    const bucket = await server.createBucket();
    environment = {
      ...server.environment,
      HEADGATE_SERVED_LOG: `s3://${bucket}/logs/served`,
      HEADGATE_SERVED_LOG_SHARE: "1",
      HEADGATE_SERVED_LOG_BATCH_ROWS: "5",
      HEADGATE_SERVED_LOG_COMPRESSION: "gzip",
    };
    for (const words of [["apply"], ["materialize-incremental", "now"]]) {
      if (words[0] === "apply") expect((await run([process.execPath, "prepare.mjs"], project)).exitCode).toBe(0);
      expect((await run(headgate(...words), project)).exitCode).toBe(0);
    }
  }, TIMEOUT_MS);
  afterAll(() => server?.stop());

  const predictAll = async (gateway: ServedProject, ids: readonly number[]) => {
    for (const customer_id of ids) {
      const body = JSON.stringify({ model: "churn", entities: { customer_id } });
      const headers = { "content-type": "application/json" };
      expect((await fetch(`${gateway.url}/predict`, { method: "POST", headers, body })).status).toBe(200);
    }
  };
  const writtenRows = async (gateway: ServedProject, rows: number) => {
    const isWritten = new RegExp(`^headgate_served_log_rows_total ${rows}$`, "m");
    while (!isWritten.test(await (await fetch(`${gateway.url}/metrics`)).text()));
  };

  test("what is in the bucket is compared; what is lost with S3 is told", { timeout: TIMEOUT_MS }, async () => {
    const gateway = await serve(project, environment);
    await predictAll(gateway, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await writtenRows(gateway, 10);
    await server.stop();
    await predictAll(gateway, [11, 12, 13, 14, 15, 16, 17]);
    gateway.signal("SIGTERM");
    const { exitCode, stderr } = await gateway.ended;
    expect(exitCode).toBe(0);
    const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
    const dropped = lines
      .map((line) => JSON.parse(line))
      .filter(({ message }) => message.includes("missing from the log"));
    expect(dropped).toMatchObject([{ level: "warn", rows: 7, reason: "closed" }]);

    await server.restart();
    const compared = await run(headgate("parity", "--served", "--json"), project, environment);
    expect(JSON.parse(compared.stdout)).toMatchObject({
      ok: true,
      log: { files: 2, vectors: 10, lines_bad: 0 },
      views: [{ outcomes: { match: 10 } }],
    });
    expect(compared.exitCode).toBe(0);
  });
});
