/**
 * An S3 for the benches: the server that HEADGATE_TEST_S3 names, else versitygw as the tests use it, in a process of its
 * own with its objects in a temporary folder.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { freePorts } from "../test/harness/free-ports.ts";
import { findS3 } from "../test/harness/s3-program.ts";

const START_TIMEOUT_MS = 20_000;
const LOOK_PAUSE_MS = 50;

/** An S3 with a bucket. */
export interface BenchS3 {
  /** What AWS' clients read. */
  readonly environment: Readonly<Record<string, string>>;
  /** Puts a file; returns its s3:// address. */
  put(file: string, key: string): Promise<string>;
  stop(): Promise<void>;
}

/** Why there is no S3 to measure with; undefined where there is. */
export async function missingS3(): Promise<string | undefined> {
  const found = await findS3();
  return "missing" in found ? found.missing : undefined;
}

/** Starts one. Rejects where there is none. */
export async function startBenchS3(): Promise<BenchS3> {
  const found = await findS3();
  if ("missing" in found) throw new Error(`This bench needs an S3: ${found.missing}.`);
  if ("address" in found) {
    const { origin, username, password } = found.address;
    return bucketAt(origin, decodeURIComponent(username), decodeURIComponent(password), async () => {});
  }
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-s3-"));
  const [objects, metadata] = [join(folder, "objects"), join(folder, "metadata")];
  for (const one of [objects, metadata]) mkdirSync(one);
  const [port] = await freePorts(1);
  const words = [
    "--port",
    `127.0.0.1:${port}`,
    "--quiet",
    "--region",
    "us-east-1",
    "posix",
    "--sidecar",
    metadata,
    objects,
  ];
  const env = { ...process.env, ROOT_ACCESS_KEY: "test", ROOT_SECRET_KEY: "testsecret" };
  const server = spawn(found.program, words, { env, stdio: "ignore" });
  const stop = async () => {
    await ended(server);
    rmSync(folder, { recursive: true, force: true });
  };
  return bucketAt(`http://127.0.0.1:${port}`, "test", "testsecret", stop);
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, "exit");
  server.kill("SIGKILL");
  await exit;
}

async function bucketAt(
  endpoint: string,
  accessKeyId: string,
  secretAccessKey: string,
  end: () => Promise<void>,
): Promise<BenchS3> {
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  const bucket = `headgate-bench-${process.pid}`;
  const stop = async () => {
    client.destroy();
    await end();
  };
  for (const deadline = Date.now() + START_TIMEOUT_MS; ; ) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      break;
    } catch (cause) {
      if (Date.now() > deadline) {
        await stop();
        throw cause;
      }
      await pause(LOOK_PAUSE_MS);
    }
  }
  const environment = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const put = async (file: string, key: string) => {
    const ContentLength = statSync(file).size;
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: createReadStream(file), ContentLength }));
    return `s3://${bucket}/${key}`;
  };
  return Object.freeze({ environment, put, stop });
}
