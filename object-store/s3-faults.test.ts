import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { s3Environment } from "../test/harness/s3.ts";
import { type S3Fault, SCRIPTED_ETAG, type ScriptedS3, startScriptedS3 } from "../test/harness/scripted-s3.ts";
import type { S3Limits } from "./s3-attempts.ts";
import { isNotDone, isTransient } from "./s3-failure.ts";

const OBJECT = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
const PATH = "s3://features/customer.parquet";
const ATTEMPTS = 4;
/** Above what a busy machine makes of an answer from itself. */
const STALL_MS = 1_000;
/** What the cloud's own credentials are waited for, on top. */
const TIMEOUT_MS = 60_000;

let server: ScriptedS3;
let objects: ObjectStore;
const open = (more: S3Limits = {}, signal?: AbortSignal) =>
  openObjectStore({ directory: "/", s3: { attempts: ATTEMPTS, backoffMs: 1, stallMs: STALL_MS, ...more }, signal });
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
  ["400 RequestLimitExceeded", { status: 400, code: "RequestLimitExceeded" }],
  ["503 EC2ThrottledException", { status: 503, code: "EC2ThrottledException" }],
  ["400 IDPCommunicationError", { status: 400, code: "IDPCommunicationError" }],
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
    "501",
    { status: 501, code: "NotImplemented" },
    { code: "SOURCE_UNSUPPORTED", message: expect.stringMatching(/this S3 can't do .*NotImplemented.*ListObjectsV2/) },
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

/** Far above what a test may take: what ends in a test was ended. */
const NEVER_MS = 600_000;
const WAITS: readonly (readonly [string, (store: ObjectStore) => Promise<unknown>, S3Fault, S3Limits])[] = [
  ["a list", (store) => store.list("s3://features/data"), "stalls", {}],
  ["a stat", (store) => store.stat(PATH), "stalls", {}],
  ["a read", (store) => store.read(PATH, 0, 9, SCRIPTED_ETAG), "stalls", {}],
  ["a body", (store) => store.read(PATH, 0, 9_999, SCRIPTED_ETAG), "stalls in the body", {}],
  ["a turn", (store) => store.read(PATH, 0, 9_999, SCRIPTED_ETAG), "stalls", { requestsMax: 1, partBytes: 1_000 }],
  ["a wait before the next try", (store) => store.stat(PATH), { status: 503 }, { backoffMs: NEVER_MS }],
];
const limitsOf = (more: S3Limits): S3Limits => ({ stallMs: NEVER_MS, backoffMaxMs: NEVER_MS, ...more });

test.each(WAITS)("closing ends %s under way", async (_, work, fault, limits) => {
  const store = open(limitsOf(limits));
  server.failNext(fault);
  const ended = expect(work(store)).rejects.toMatchObject({
    code: "SOURCE_UNREACHABLE",
    message: expect.stringContaining("The object store was closed"),
  });
  await vi.waitFor(() => expect(server.requests).toHaveLength(1));
  await store.close();
  await ended;
  expect(server.requests).toHaveLength(1);
});

test.each(WAITS)("a signal ends %s under way, for its own reason", async (_, work, fault, limits) => {
  const stopped = new AbortController();
  const store = open(limitsOf(limits), stopped.signal);
  server.failNext(fault);
  const reason = new Error("SIGTERM");
  const ended = expect(work(store)).rejects.toBe(reason);
  await vi.waitFor(() => expect(server.requests).toHaveLength(1));
  stopped.abort(reason);
  await ended;
  await expect(work(store)).rejects.toBe(reason);
  expect(server.requests).toHaveLength(1);
  await store.close();
});

test("what gives no ETag is refused by name, since a change of it would go unnoticed", async () => {
  server.failNext("has no ETag");
  await expect(objects.stat(PATH)).rejects.toMatchObject({
    code: "SOURCE_UNSUPPORTED",
    message: expect.stringMatching(
      /gives no ETag for s3:\/\/features\/customer\.parquet.*put the file through the S3 API/,
    ),
  });
});

test("a weak ETag, which no read can have as its condition, is compared with the answer's", async () => {
  server.failNext("has a weak ETag", "has a weak ETag");
  const { etag } = await objects.stat(PATH);
  expect(etag).toBe(`W/"${SCRIPTED_ETAG}"`);
  expect((await objects.read(PATH, 0, 9, etag)).byteLength).toBe(9);
  await expect(objects.read(PATH, 0, 9, etag)).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
  expect(server.conditions).toEqual([undefined, undefined, undefined]);
});

test("credentials that can't be had are asked for a few times, as the service that gives a role's may be slow", () => {
  const none = Object.assign(new Error("Could not load credentials from any providers"), {
    name: "CredentialsProviderError",
  });
  for (const mayRetry of [isTransient, isNotDone]) {
    expect([1, 2, 3].map((tried) => mayRetry(none, tried))).toEqual([true, true, false]);
  }
  const refused = Object.assign(new Error("x"), { name: "SignatureDoesNotMatch", $metadata: { httpStatusCode: 403 } });
  expect(isTransient(refused, 1)).toBe(false);
});
