/**
 * Materializing from a real S3 by the built command line, as a user does: a partitioned folder that grows and changes,
 * more files than a page of a listing, a connection that drops, and what is refused with which sentence.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyExample, type Environment, headgate, run } from "../harness/project.ts";
import { findS3, type S3Server, startS3 } from "../harness/s3.ts";

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";
/** A materialization on a busy machine, ms. */
const TIMEOUT_MS = 240_000;

describe.skipIf("missing" in found)(`Parquet in S3${absent}`, () => {
  let server: S3Server;
  let bucket: string;

  beforeAll(async () => {
    server = await startS3(found);
    bucket = await server.createBucket();
  });
  afterAll(async () => {
    if ("program" in found) await server?.stop();
  });

  const materialize = async (project: string, environment: Environment = {}): Promise<Outcome> => {
    const words = headgate("materialize-incremental", "now", "--json");
    const { exitCode, stdout, stderr } = await run(words, project, { ...server.environment, ...environment });
    expect(stdout, stderr).not.toBe("");
    const [view] = (JSON.parse(stdout) as { views: [Outcome] }).views;
    expect(exitCode, stdout).toBe(view.status === "done" ? 0 : 1);
    return view;
  };

  test(
    "what is new is loaded, once, and nothing else",
    async () => {
      const project = await projectOver(`s3://${bucket}/customers/dt=*/*.parquet`);
      await server.put(bucket, "customers/dt=2026-01-01/part 0+%.parquet", customers(0, 1_000));
      await server.put(bucket, "customers/dt=2026-01-01/_SUCCESS", new Uint8Array());
      expect(await materialize(project)).toMatchObject({ files: 1, rows_read: 1_000, rows_written: 1_000 });
      expect(await materialize(project)).toMatchObject({ files: 0, files_skipped: 1, rows_read: 0 });

      await server.put(bucket, "customers/dt=2026-01-02/part-0.parquet", customers(1_000, 10));
      expect(await materialize(project)).toMatchObject({ files: 1, files_skipped: 1, rows_written: 10 });

      await server.put(bucket, "customers/dt=2026-01-01/part 0+%.parquet", customers(0, 1_001, 2));
      expect(await materialize(project)).toMatchObject({ files: 1, files_skipped: 1, rows_read: 1_001 });
      const row = headgate("features", "get", "customer_30d_features", "customer_id=1000");
      expect((await run(row, project)).stdout).toContain("served: PRESENT");

      await server.delete(bucket, "customers/dt=2026-01-01/part 0+%.parquet");
      expect(await materialize(project)).toMatchObject({ status: "done", files: 0, files_skipped: 1 });
      await server.delete(bucket, "customers/dt=2026-01-02/part-0.parquet");
      expect(await materialize(project)).toMatchObject({ status: "failed", error: { code: "SOURCE_NOT_FOUND" } });
    },
    TIMEOUT_MS,
  );

  test(
    "more files than a page of a listing holds are all loaded",
    async () => {
      const project = await projectOver(`s3://${bucket}/many`);
      const files = Array.from({ length: 1_200 }, (_, i) => [`many/${i}.parquet`, customers(i, 1)] as const);
      await server.putAll(bucket, files);
      expect(await materialize(project)).toMatchObject({ status: "done", files: 1_200, rows_written: 1_200 });
      expect(await materialize(project)).toMatchObject({ files: 0, files_skipped: 1_200 });
    },
    TIMEOUT_MS,
  );

  test(
    "a connection that drops whenever something is asked for the first time changes nothing",
    async () => {
      const project = await projectOver(`s3://${bucket}/dropped.parquet`);
      await server.put(bucket, "dropped.parquet", customers(0, 5_000));
      const dropped = new Set<string>();
      const wasDropped = async ({ method, url, headers }: IncomingMessage): Promise<boolean> => {
        const request = `${method} ${url} ${headers.range}`;
        const isKnown = dropped.has(request);
        dropped.add(request);
        return isKnown;
      };
      const proxy = await startProxy(server, wasDropped);
      expect(await materialize(project, proxy.environment)).toMatchObject({ status: "done", rows_written: 5_000 });
      expect(dropped.size).toBeGreaterThan(1);
      proxy.server.close();
    },
    TIMEOUT_MS,
  );

  test(
    "a file replaced while it is read is noticed, and the next run loads the new one",
    async () => {
      const project = await projectOver(`s3://${bucket}/changing.parquet`);
      await server.put(bucket, "changing.parquet", customers(0, 200_000));
      let reads = 0;
      const proxy = await startProxy(server, async ({ method, url, headers }) => {
        const isRead = method === "GET" && url!.includes("changing.parquet") && headers.range !== undefined;
        if (isRead && ++reads === 3) await server.put(bucket, "changing.parquet", customers(0, 200_000, 2));
        return true;
      });
      const changed = await materialize(project, proxy.environment);
      expect(changed).toMatchObject({ status: "failed", error: { code: "SOURCE_CHANGED" }, checkpoint: null });
      expect(await materialize(project, proxy.environment)).toMatchObject({ status: "done", rows_read: 200_000 });
      proxy.server.close();
    },
    TIMEOUT_MS,
  );

  test(
    "a bucket that is not there, a wrong secret and a server that is away are told apart",
    async () => {
      const nowhere = await projectOver(`s3://none-${bucket}/*.parquet`);
      expect((await materialize(nowhere)).error).toMatchObject({
        code: "SOURCE_NOT_FOUND",
        detail: expect.stringContaining(`there is no bucket "none-${bucket}"`),
      });
      const project = await projectOver(`s3://${bucket}/refused.parquet`);
      await server.put(bucket, "refused.parquet", customers(0, 1));
      const denied = await materialize(project, { AWS_SECRET_ACCESS_KEY: "wrong" });
      expect(denied.error).toMatchObject({ code: "SOURCE_DENIED", detail: expect.stringContaining("refused.parquet") });
      const away = await startProxy(server, async () => false);
      expect((await materialize(project, away.environment)).error).toMatchObject({ code: "SOURCE_UNREACHABLE" });
      away.server.close();
    },
    TIMEOUT_MS,
  );
});

interface Outcome {
  readonly status: "done" | "failed" | "aborted";
  readonly error?: { readonly code: string; readonly detail: string };
}

/** The example with its view over another path, applied. */
async function projectOver(path: string): Promise<string> {
  const project = copyExample();
  const file = join(project, "features", "customer.ts");
  writeFileSync(file, readFileSync(file, "utf8").replace(".headgate/customer_30d.parquet", path));
  const { exitCode, stderr } = await run(headgate("apply"), project);
  expect(exitCode, stderr).toBe(0);
  return project;
}

/** Customers of an hour ago, the rows' created time being the version. */
function customers(first: number, count: number, version = 1): Uint8Array {
  const atMs = Date.now() - 3_600_000;
  const column = <T>(value: (id: number) => T) => Array.from({ length: count }, (_, i) => value(first + i));
  const time = (name: string) => ({
    name,
    type: "INT64",
    converted_type: "TIMESTAMP_MILLIS",
    repetition_type: "REQUIRED",
  });
  const number = (name: string, type: string) => ({ name, type, repetition_type: "REQUIRED" });
  return new Uint8Array(
    parquetWriteBuffer({
      rowGroupSize: 50_000,
      schema: [
        { name: "root", num_children: 7 },
        number("customer_id", "INT64"),
        number("orders_30d", "INT64"),
        number("aov_30d", "FLOAT"),
        number("returns_rate_30d", "FLOAT"),
        number("time_since_last_d", "FLOAT"),
        time("event_ts"),
        time("created"),
      ] as Parameters<typeof parquetWriteBuffer>[0]["schema"] & object,
      columnData: [
        { name: "customer_id", data: column(BigInt) },
        { name: "orders_30d", data: column((id) => BigInt(id % 7)) },
        { name: "aov_30d", data: column((id) => id / 4) },
        { name: "returns_rate_30d", data: column((id) => (id % 10) / 10) },
        { name: "time_since_last_d", data: column((id) => id % 30) },
        { name: "event_ts", data: column(() => BigInt(atMs)) },
        { name: "created", data: column(() => BigInt(atMs + version)) },
      ],
    }),
  );
}

/** A proxy before the server that asks, for each request, whether it may pass; one that may not is cut. */
async function startProxy(
  { endpoint, environment }: S3Server,
  mayPass: (request: IncomingMessage) => Promise<boolean>,
): Promise<{ readonly server: Server; readonly environment: Environment }> {
  const server = createServer(async (incoming, response) => {
    if (!(await mayPass(incoming))) return void incoming.socket.destroy();
    const { method, url, headers } = incoming;
    // The head as it is: it is signed.
    const onward = request(new URL(url!, endpoint), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  return { server, environment: { ...environment, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` } };
}
