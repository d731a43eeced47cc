/**
 * A real S3 for the tests, on a free port of the loopback with its objects in a temporary folder, gone when the test
 * file is done; or the server that HEADGATE_TEST_S3 names, where each test file gets buckets of its own.
 */

import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { containerOf } from "./container.ts";
import { freePorts } from "./free-ports.ts";
import { type Running, start, temporaryFolder } from "./project.ts";
import { until } from "./redis.ts";
import type { FoundS3 } from "./s3-program.ts";

export { findS3 } from "./s3-program.ts";

// The client tells every process that its coming versions want a newer Node.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** Objects that are put at the same time. */
const PUTS_AT_ONCE = 8;

/** An S3 that answers. */
export interface S3Server {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  readonly port: number;
  /** What AWS' clients read: the endpoint, the region and the credentials; nothing else is looked for. */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes a bucket and returns its name, which nobody else has. */
  createBucket(): Promise<string>;
  put(bucket: string, key: string, bytes: Uint8Array): Promise<void>;
  /** Puts many, a few at a time. */
  putAll(bucket: string, objects: readonly (readonly [key: string, bytes: Uint8Array])[]): Promise<void>;
  delete(bucket: string, key: string): Promise<void>;
  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on its port and folder, after `stop`. */
  restart(): Promise<void>;
}

/** Variables with which AWS' clients find a server at an endpoint, and look nowhere else for credentials. */
export function s3Environment(endpoint: string, key = "test", secret = "testsecret"): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: key,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
}

/** Starts a server, or takes the one that is there. */
export async function startS3(found: FoundS3): Promise<S3Server> {
  if ("missing" in found) throw new Error(found.missing);
  if ("address" in found) {
    const { origin, username, password } = found.address;
    return serverAt(found.address, s3Environment(origin, decodeURIComponent(username), decodeURIComponent(password)));
  }
  const [port] = await freePorts(1);
  const address = new URL(`http://127.0.0.1:${port}`);
  const server = serverAt(address, s3Environment(address.origin), programAt(found.program, port!));
  await server.restart();
  return server;
}

interface OwnProgram {
  start(): void;
  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  readonly ended: () => Promise<unknown>;
}

function programAt(program: string, port: number): OwnProgram {
  const folder = temporaryFolder();
  const [objects, metadata] = [join(folder, "objects"), join(folder, "metadata")];
  for (const one of [objects, metadata]) mkdirSync(one);
  // Metadata beside the files, as not every file system has extended attributes.
  const words = ["--port", `127.0.0.1:${port}`, "--quiet", "--region", "us-east-1", "posix", "--sidecar", metadata];
  const login = { ROOT_ACCESS_KEY: "test", ROOT_SECRET_KEY: "testsecret" };
  const inContainer = containerOf(program, login);
  let running: Running;
  return {
    start: () => {
      running = start([...(inContainer?.words ?? [program]), ...words, objects], folder, login);
    },
    signal: (name) => (inContainer ?? running).signal(name),
    ended: () => running.ended,
  };
}

function serverAt(address: URL, environment: Record<string, string>, own?: OwnProgram): S3Server {
  const client = new S3Client({
    endpoint: address.origin,
    region: environment.AWS_REGION!,
    forcePathStyle: true,
    credentials: { accessKeyId: environment.AWS_ACCESS_KEY_ID!, secretAccessKey: environment.AWS_SECRET_ACCESS_KEY! },
  });
  const put = async (bucket: string, key: string, bytes: Uint8Array): Promise<void> => {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
  };
  const ofOurs = (): OwnProgram => {
    if (own === undefined) throw new Error("The server that HEADGATE_TEST_S3 names is not the tests' to stop.");
    return own;
  };
  return Object.freeze({
    endpoint: address.origin,
    port: Number(address.port),
    environment,
    createBucket: async () => {
      const bucket = `test-${randomUUID()}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      return bucket;
    },
    put,
    putAll: async (bucket: string, objects: readonly (readonly [string, Uint8Array])[]) => {
      const left = [...objects];
      const putOneByOne = async (): Promise<void> => {
        for (let next = left.pop(); next !== undefined; next = left.pop()) await put(bucket, ...next);
      };
      await Promise.all(Array.from({ length: PUTS_AT_ONCE }, putOneByOne));
    },
    delete: async (bucket: string, key: string) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
    signal: (name: "SIGKILL" | "SIGSTOP" | "SIGCONT") => ofOurs().signal(name),
    stop: async () => {
      ofOurs().signal("SIGKILL");
      await ofOurs().ended();
    },
    restart: async () => {
      ofOurs().start();
      await until("S3 to answer", async () => (await client.send(new ListBucketsCommand({}))) !== undefined);
    },
  });
}
