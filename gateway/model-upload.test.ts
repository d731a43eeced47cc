import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { temporaryFolder } from "../test/harness/project.ts";
import { receiveModel, type UploadBounds } from "./model-upload.ts";

const MODEL = randomBytes(300_000);
const WEIGHTS = randomBytes(100_000);
const bounds: UploadBounds = { maxModelBytes: 1_000_000 };

/** A body in chunks of a size, cut at the end or not; `stall` never ends it. */
function bodyOf(bytes: Uint8Array, { chunk = 7_000, fail = false, stall = false } = {}): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent < bytes.length) {
        controller.enqueue(bytes.slice(sent, sent + chunk));
        sent += chunk;
      } else if (fail) controller.error(new Error("gone"));
      else if (!stall) controller.close();
      else return new Promise(() => {});
      return undefined;
    },
  });
}

function receive(
  body: ReadableStream<Uint8Array> | null,
  headers: Record<string, string>,
  over: Partial<UploadBounds> = {},
) {
  return receiveModel({ header: (name) => headers[name], raw: { body } }, { ...bounds, ...over });
}

/** A form as clients write it, and its content-type. */
async function formOf(parts: readonly (readonly [string, string | Uint8Array, string?])[]) {
  const form = new FormData();
  for (const [name, content, filename] of parts) {
    if (filename === undefined) form.append(name, content as string);
    else form.append(name, new Blob([content]), filename);
  }
  const response = new Response(form);
  return { bytes: new Uint8Array(await response.arrayBuffer()), type: response.headers.get("content-type")! };
}

const folder = temporaryFolder();
const spooled = () => readdirSync(folder);
beforeAll(() => void vi.stubEnv("TMPDIR", folder));
afterAll(() => void vi.unstubAllEnvs());

const refusal = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.fail("it was taken"),
    (thrown: unknown) => thrown,
  );

test("a file alone is the model", async () => {
  const upload = await receive(bodyOf(MODEL), { "content-type": "application/octet-stream" });
  expect(Buffer.compare(upload.file.bytes, MODEL)).toBe(0);
  expect(upload).toMatchObject({ weights: [], manifest: undefined });
});

test.each([1, 7, 64, 7_000, 1_000_000])(
  "a form has model, manifest and weights, in chunks of %i bytes",
  async (chunk) => {
    const small = chunk < 64;
    const [model, weights] = small ? [MODEL.subarray(0, 500), WEIGHTS.subarray(0, 400)] : [MODEL, WEIGHTS];
    const { bytes, type } = await formOf([
      ["model", model, "my model.onnx"],
      ["manifest", '{"service":"s"}'],
      ["weights", weights, "model.onnx.data"],
    ]);
    const upload = await receive(bodyOf(bytes, { chunk }), { "content-type": type });
    expect(Buffer.compare(upload.file.bytes, model)).toBe(0);
    expect(upload.manifest?.text).toBe('{"service":"s"}');
    expect(upload.weights.map(({ name }) => name)).toEqual(["model.onnx.data"]);
    expect(Buffer.compare(upload.weights[0]!.bytes, weights)).toBe(0);
  },
);

test("a manifest may be sent as a file", async () => {
  const { bytes, type } = await formOf([
    ["manifest", '{"service":"s"}', "model.json"],
    ["model", MODEL, "m"],
  ]);
  expect((await receive(bodyOf(bytes), { "content-type": type })).manifest?.text).toBe('{"service":"s"}');
});

describe("content-digest", () => {
  const digest = (algorithm: string) => createHash(algorithm).update(MODEL).digest("base64");
  const send = (header: string) =>
    receive(bodyOf(MODEL), { "content-type": "application/octet-stream", "content-digest": header });

  test("that is the body's", async () => {
    await send(`sha-256=:${digest("sha256")}:`);
    await send(`unixsum=:MjU=:, sha-512=:${digest("sha512")}:`);
  });

  test("that is not", async () => {
    expect(await refusal(send(`sha-256=:${digest("sha512")}:`))).toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(await refusal(send("md5=:abc=:"))).toMatchObject({ code: "REQUEST_INVALID" });
  });
});

test("a folder for temporary files that can't be written is told of, without its path", async () => {
  vi.stubEnv("TMPDIR", "/nowhere/at/all");
  const { bytes, type } = await formOf([["model", MODEL, "m"]]);
  for (const [body, contentType] of [
    [MODEL, "application/octet-stream"],
    [bytes, type],
  ] as const) {
    const refused = (await refusal(receive(bodyOf(body), { "content-type": contentType }))) as Error;
    expect(refused).toMatchObject({ code: "SPILL_FAILED", message: expect.stringMatching(/\(ENOENT\).*TMPDIR/) });
    expect(refused.message).not.toContain("nowhere");
  }
  vi.stubEnv("TMPDIR", folder);
});

describe("refused, with nothing left on the disk", () => {
  const binary = { "content-type": "application/octet-stream" };
  const form = { "content-type": "multipart/form-data; boundary=b" };
  const text = (body: string) => bodyOf(Buffer.from(body));
  const part = (head: string, body: string) => `--b\r\ncontent-disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
  const file = (name: string) => part(`name="${name}"; filename="${name}"`, "x");

  test.each([
    ["another type", text("x"), { "content-type": "application/json" }, "UNSUPPORTED_MEDIA_TYPE"],
    ["no type", text("x"), {}, "UNSUPPORTED_MEDIA_TYPE"],
    ["more than the bound, declared", text("x"), { ...binary, "content-length": "1000001" }, "BODY_TOO_LARGE"],
    ["more than the bound, in chunks", bodyOf(randomBytes(1_100_000)), binary, "BODY_TOO_LARGE"],
    ["a client that goes away", bodyOf(MODEL, { fail: true }), binary, "REQUEST_ABORTED"],
    ["a form without a boundary", text("x"), { "content-type": "multipart/form-data; x=y" }, "REQUEST_INVALID"],
    ["a form that is none", text("hello"), form, "REQUEST_INVALID"],
    ["a form cut in a part", text(file("model").slice(0, -3)), form, "REQUEST_INVALID"],
    ["a form without a model", text(`${file("weights")}--b--\r\n`), form, "REQUEST_INVALID"],
    ["a form of two models", text(`${file("model")}${file("model")}--b--\r\n`), form, "REQUEST_INVALID"],
    ["two files of a name", text(`${file("model")}${file("w")}${file("w")}--b--\r\n`), form, "REQUEST_INVALID"],
    ["a field nobody knows", text(`${part('name="x"', "y")}--b--\r\n`), form, "REQUEST_INVALID"],
  ])("%s", async (_, body, headers, code) => {
    expect(await refusal(receive(body, headers as Record<string, string>))).toMatchObject({ code });
    expect(spooled()).toEqual([]);
  });

  test.each(["manifest.json", undefined])("a manifest that is too large (%s)", async (filename) => {
    const large = Buffer.alloc(4 * 1_048_576 + 1, " ");
    const content = filename === undefined ? large.toString() : large;
    const { bytes, type } = await formOf([
      ["model", MODEL, "m"],
      ["manifest", content, filename],
    ]);
    const sent = receive(bodyOf(bytes, { chunk: 1_000_000 }), { "content-type": type }, { maxModelBytes: 10_000_000 });
    expect(await refusal(sent)).toMatchObject({ code: "REQUEST_INVALID", message: expect.stringContaining("4194304") });
    expect(spooled()).toEqual([]);
  });

  test("a form whose client goes away in a file", async () => {
    const { bytes, type } = await formOf([["model", MODEL, "m"]]);
    const cut = bodyOf(bytes.subarray(0, 100_000), { fail: true });
    expect(await refusal(receive(cut, { "content-type": type }))).toMatchObject({ code: "REQUEST_ABORTED" });
    expect(spooled()).toEqual([]);
  });

  test.each(["application/octet-stream", "form"])("a client that falls silent (%s)", async (kind) => {
    const { bytes, type } = await formOf([["model", MODEL, "m"]]);
    const silent = bodyOf(bytes.subarray(0, 100_000), { stall: true });
    const headers = { "content-type": kind === "form" ? type : kind };
    expect(await refusal(receive(silent, headers, { silenceMs: 20 }))).toMatchObject({
      code: "REQUEST_ABORTED",
      message: expect.stringContaining("0.02 s"),
    });
    expect(spooled()).toEqual([]);
  });
});
