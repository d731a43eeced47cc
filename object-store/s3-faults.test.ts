import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { s3Environment } from "../test/harness/s3.ts";
import { type S3Fault, SCRIPTED_ETAG, type ScriptedS3, startScriptedS3 } from "../test/harness/scripted-s3.ts";

const OBJECT = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
const PATH = "s3://features/customer.parquet";
const ATTEMPTS = 4;
/** Above what a busy machine makes of an answer from itself. */
const STALL_MS = 1_000;
/** What the cloud's own credentials are waited for, on top. */
const TIMEOUT_MS = 60_000;

let server: ScriptedS3;
let objects: ObjectStore;
const open = (more: { readonly partBytes?: number } = {}) =>
  openObjectStore({ directory: "/", s3: { attempts: ATTEMPTS, backoffMs: 1, stallMs: STALL_MS, ...more } });
const read = () => objects.read(PATH, 100, 5_100, SCRIPTED_ETAG);

beforeEach(async () => {
  server = await startScriptedS3(OBJECT);
  for (const [name, value] of Object.entries(s3Environment(server.endpoint))) vi.stubEnv(name, value);
  objects = open();
});
afterEach(async () => {
  await objects.close();
  await server.close();
  vi.unstubAllEnvs();
});

const PASSING: readonly (readonly [string, S3Fault])[] = [
  ["503 SlowDown", { status: 503, code: "SlowDown" }],
  ["500 without a word", { status: 500 }],
  ["429", { status: 429 }],
  ["400 RequestTimeout", { status: 400, code: "RequestTimeout" }],
  ["stalls", "stalls"],
  ["stalls in the body", "stalls in the body"],
  ["is reset", "is reset"],
  ["is cut short", "is cut short"],
  ["is half", "is half"],
  ["is whole", "is whole"],
];

test.each(PASSING)(
  "a read whose answer %s is asked for again, and gives the right bytes",
  async (_, fault) => {
    server.failNext(fault, fault);
    expect(Buffer.from(await read()).equals(OBJECT.subarray(100, 5_100))).toBe(true);
    expect(server.requests).toEqual(Array(3).fill("GET bytes=100-5099"));
  },
  TIMEOUT_MS,
);

test.each(PASSING)(
  "a read whose answer %s every time ends as SOURCE_UNREACHABLE after its last try",
  async (_, fault) => {
    server.failNext(...Array<S3Fault>(ATTEMPTS).fill(fault));
    await expect(read()).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
      message: expect.stringMatching(/^s3:\/\/features\/customer\.parquet can't be reached: .+\. Check the network/),
    });
    expect(server.requests).toHaveLength(ATTEMPTS);
  },
  TIMEOUT_MS,
);

test.each<readonly [string, S3Fault, object]>([
  ["412", { status: 412, code: "PreconditionFailed" }, { code: "SOURCE_CHANGED" }],
  ["416", { status: 416, code: "InvalidRange" }, { code: "SOURCE_CHANGED" }],
  [
    "404",
    { status: 404, code: "NoSuchKey" },
    { code: "SOURCE_CHANGED", message: expect.stringContaining("was removed") },
  ],
  ["of another version", "is of another version", { code: "SOURCE_CHANGED" }],
  [
    "403",
    { status: 403, code: "AccessDenied" },
    { code: "SOURCE_DENIED", message: expect.stringContaining("AccessDenied, Scripted. Check the credentials") },
  ],
  [
    "403 without a word",
    { status: 403 },
    { code: "SOURCE_DENIED", message: expect.stringContaining('s3:ListBucket on "features"') },
  ],
  [
    "301",
    { status: 301, code: "PermanentRedirect", headers: { "x-amz-bucket-region": "eu-central-1" } },
    { code: "SOURCE_NOT_FOUND", message: expect.stringContaining("Set AWS_REGION=eu-central-1.") },
  ],
  [
    "AuthorizationHeaderMalformed",
    { status: 400, code: "AuthorizationHeaderMalformed", more: "<Region>eu-west-3</Region>" },
    { code: "SOURCE_NOT_FOUND", message: expect.stringContaining("Set AWS_REGION=eu-west-3.") },
  ],
])("a read whose answer is %s is not asked for again", async (_, fault, expected) => {
  server.failNext(fault);
  await expect(read()).rejects.toMatchObject(expected);
  expect(server.requests).toHaveLength(1);
});

test("each part of a large range is asked for again by itself", async () => {
  const inParts = open({ partBytes: 1_000 });
  server.failNext("is cut short", { status: 503 }, "is half");
  const bytes = await inParts.read(PATH, 0, 10_000, SCRIPTED_ETAG);
  expect(Buffer.from(bytes).equals(OBJECT)).toBe(true);
  expect(server.requests).toHaveLength(13);
  await inParts.close();
});

test("a stat in the wrong region, of a HEAD that can tell no reason, names the region", async () => {
  server.failNext({ status: 301, headers: { "x-amz-bucket-region": "eu-central-1" } });
  await expect(objects.stat(PATH)).rejects.toThrow(
    'bucket "features" is in another region. Set AWS_REGION=eu-central-1.',
  );
});

test("who may read but not list gets the one object that a path names", async () => {
  server.failNext({ status: 403, code: "AccessDenied" });
  const version = { bytes: OBJECT.length, etag: SCRIPTED_ETAG, lastModifiedMs: Date.UTC(2026, 0, 1) };
  expect(await objects.list(PATH)).toEqual([{ path: PATH, version }]);
  server.failNext({ status: 403, code: "AccessDenied" }, { status: 403 });
  await expect(objects.list(PATH)).rejects.toThrow(/AccessDenied/);
});

test("a put is asked for again; with a condition only when the server says it was not done", async () => {
  const put = (condition?: { readonly ifAbsent: true }) => objects.put(PATH, OBJECT, condition);
  server.failNext("is reset", { status: 500 }, { status: 503, code: "SlowDown" });
  expect(await put()).toBe(SCRIPTED_ETAG);
  server.failNext({ status: 503, code: "SlowDown" });
  expect(await put({ ifAbsent: true })).toBe(SCRIPTED_ETAG);
  server.failNext("is reset");
  await expect(put({ ifAbsent: true })).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
  server.failNext({ status: 412, code: "PreconditionFailed" });
  await expect(put({ ifAbsent: true })).rejects.toMatchObject({ code: "CONTROL_CONFLICT" });
});

test("an address where nobody listens is SOURCE_UNREACHABLE", async () => {
  await server.close();
  await expect(objects.list(PATH)).rejects.toMatchObject({
    code: "SOURCE_UNREACHABLE",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("closing ends what waits", async () => {
  server.failNext("stalls");
  const reading = read();
  const ended = expect(reading).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
  await vi.waitFor(() => expect(server.requests).toHaveLength(1));
  await objects.close();
  await ended;
  expect(server.requests).toHaveLength(1);
});
