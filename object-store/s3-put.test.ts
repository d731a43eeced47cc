/** Large objects: put in parts, over connections that drop, to the end or not at all. */

import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { findS3, type S3Server, startS3 } from "../test/harness/s3.ts";

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";
const MIB = 1024 * 1024;

describe.skipIf("missing" in found)(`Large objects in S3${absent}`, () => {
  let server: S3Server;
  let objects: ObjectStore;
  let proxy: Server;
  let path: string;
  let asked: string[];
  /** Whether a request may pass; one that may not is cut off. */
  let mayPass: (request: string) => boolean;
  /** What a request waits for before it is sent on. */
  let before: (request: string) => Promise<void>;
  /** The content types that requests told. */
  let types: (string | undefined)[];

  beforeAll(async () => {
    server = await startS3(found);
  });
  afterAll(async () => {
    if ("program" in found) await server?.stop();
  });
  beforeEach(async () => {
    [asked, types] = [[], []];
    before = async () => {};
    mayPass = () => true;
    proxy = createServer(async (incoming, answer) => {
      const shown = shownOf(incoming);
      asked.push(shown);
      types.push(incoming.headers["content-type"]);
      if (!mayPass(shown)) return void incoming.socket.destroy();
      await before(shown);
      // The head as it is: it is signed.
      const { method, url, headers } = incoming;
      const onward = request(new URL(url!, server.endpoint), { method, headers }, (answered) => {
        answer.writeHead(answered.statusCode!, answered.headers);
        answered.pipe(answer);
      });
      onward.on("error", () => answer.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    vi.stubEnv("AWS_ENDPOINT_URL_S3", `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    objects = openObjectStore({ directory: "/", s3: { attempts: 3, backoffMs: 5 } });
    path = `s3://${await server.createBucket()}/large`;
  });
  afterEach(async () => {
    await objects.close();
    proxy.close();
    vi.unstubAllEnvs();
  });

  const shownOf = ({ method, url }: IncomingMessage): string => {
    const { searchParams: words } = new URL(url!, "http://s3");
    return [method, words.get("partNumber") ?? (words.has("uploads") ? "create" : words.has("uploadId") ? "end" : "")]
      .join(" ")
      .trim();
  };
  const contentOf = (length: number): Buffer => Buffer.alloc(length, "0123456789abcde");
  const read = async () => {
    const { bytes, etag } = await objects.stat(path);
    return Buffer.from(await objects.read(path, 0, bytes, etag));
  };

  test.each([
    [5 * MIB, ["PUT"]],
    [5 * MIB + 1, ["POST create", "PUT 1", "PUT 2", "POST end"]],
    [17 * MIB, ["POST create", "PUT 1", "PUT 2", "PUT 3", "PUT 4", "POST end"]],
  ])(
    "%d bytes are put whole, with %j",
    async (length, requests) => {
      const bytes = contentOf(length);
      const etag = await objects.put(path, bytes);
      expect(asked).toEqual(requests);
      expect((await objects.stat(path)).etag).toBe(etag);
      expect((await read()).equals(bytes)).toBe(true);
    },
    60_000,
  );

  test("a connection that drops at the first try of each part costs only time", async () => {
    const seen = new Set<string>();
    mayPass = (shown) => /end$/.test(shown) || seen.size === seen.add(shown).size;
    const bytes = contentOf(12 * MIB);
    await objects.put(path, bytes);
    expect(asked.filter((shown) => shown === "PUT 2")).toHaveLength(2);
    expect((await read()).equals(bytes)).toBe(true);
  }, 60_000);

  test("parts say what the object is, as one request does", async () => {
    for (const length of [1, 6 * MIB]) {
      const page = `${path}-${length}.html`;
      await objects.put(page, contentOf(length));
      expect(asked.splice(0)).toHaveLength(length === 1 ? 1 : 4);
      expect(types.splice(0).filter((type) => type?.startsWith("text/html"))).toHaveLength(1);
    }
  }, 60_000);

  test("an upload is given up only when no part of it is on its way any more", async () => {
    let goOn = () => {};
    const slow = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    // The second part fails for good while the first is still being sent.
    mayPass = (shown) => shown !== "PUT 2";
    before = (shown) => (shown === "PUT 1" ? slow : Promise.resolve());
    const putting = objects.put(path, contentOf(12 * MIB)).catch((thrown: unknown) => thrown);
    await expect.poll(() => asked.filter((shown) => shown === "PUT 2").length, { timeout: 20_000 }).toBe(3);
    for (let i = 0; i < 3; i++) await objects.put(`${path}-other`, contentOf(1));
    expect(asked).not.toContain("DELETE end");
    goOn();
    expect(await putting).toMatchObject({ code: "SOURCE_UNREACHABLE" });
    expect(asked.at(-1)).toBe("DELETE end");
  }, 60_000);

  test.each(["PUT 2", "POST end"])(
    "a server that never takes %s leaves what was there, and no parts",
    async (never) => {
      await objects.put(path, Buffer.from("before"));
      mayPass = (shown) => shown !== never;
      await expect(objects.put(path, contentOf(22 * MIB))).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
      expect((await read()).toString()).toBe("before");
      expect(asked).toContain("DELETE end");
      if (never === "PUT 2") expect(asked).not.toContain("PUT 5");
    },
    60_000,
  );
});
