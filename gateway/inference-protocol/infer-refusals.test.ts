/** Everything that a client of infer can get wrong is refused in the protocol's form, and nothing is read out of bounds. */

import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ChurnGateway, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { binaryRequest, entityRequest, jsonRequest, sendInfer, VALUES } from "./fixtures/infer-client.ts";

let gateway: ChurnGateway;
let outputNames: readonly string[];

beforeAll(async () => {
  gateway = await openChurnGateway();
  outputNames = gateway.options.models.get("churn")!.stable!.manifest.outputs.map(({ output }) => output);
});
afterAll(() => gateway.close());

const send = (body: Uint8Array | string, headers?: Record<string, string>, path?: string) =>
  sendInfer(gateway, body, headers, path);

/** Two texts in bytes, the second of which says that it is so long. */
function textsRequest(secondBytes: number): [body: Uint8Array, headers: Record<string, string>] {
  const tensor = Buffer.from("\x02\0\0\x0017\x02\0\0\x0018", "latin1");
  tensor.writeUInt32LE(secondBytes, 6);
  const { body, headers } = binaryRequest({}, { name: "customer_id", datatype: "BYTES", shape: [2] }, tensor);
  return [body, headers];
}

const BOMB = gzipSync(Buffer.alloc(1_000_000, 32));

test.each<[string, number, RegExp, () => [body: Uint8Array | string, headers?: Record<string, string>, path?: string]]>(
  [
    ["no JSON", 400, /not JSON/, () => ["{"]],
    ["nothing", 400, /not JSON/, () => [""]],
    [
      "binary tensors without the header",
      400,
      /came without an Inference-Header-Content-Length header.*: send the header with the number of bytes/,
      () => [binaryRequest().body],
    ],
    [
      "binary tensors that are UTF-8, without the header",
      400,
      /without an Inference-Header-Content-Length header/,
      () => [textsRequest(2)[0]],
    ],
    [
      "a header that counts too few",
      400,
      /^The first 20 bytes \(Inference-Header-Content-Length\) must be the request's JSON, .* not JSON/,
      () => [binaryRequest().body, { "inference-header-content-length": "20" }],
    ],
    ["a list", 422, /must be a JSON object/, () => ["[]"]],
    ["no inputs", 422, /"inputs" must be a list/, () => ["{}"]],
    ["an empty list of inputs", 422, /"inputs" is empty/, () => ['{"inputs":[]}']],
    ["a shape of texts", 422, /no "shape"/, () => [jsonRequest({}, { shape: ["3", 4] })]],
    ["a negative shape", 422, /no "shape"/, () => [jsonRequest({}, { shape: [-1, 4] })]],
    ["a shape past every array", 422, /more elements/, () => [jsonRequest({}, { shape: [2 ** 50, 2 ** 50] })]],
    [
      "a large shape of little data",
      422,
      /in the model, but the request sends \[3,/,
      () => [jsonRequest({}, { shape: [3, 2 ** 40] })],
    ],
    ["more rows than are taken", 413, /the most is 2000/, () => [jsonRequest({}, { shape: [2_001, 4] })]],
    ["no rows", 422, /no row/, () => [jsonRequest({}, { shape: [0, 4], data: [] })]],
    ["too few axes", 422, /\[-1, 4\] in the model/, () => [jsonRequest({}, { shape: [12] })]],
    ["too few elements", 422, /not of its shape/, () => [jsonRequest({}, { data: VALUES.slice(1) })]],
    ["ragged lists", 422, /not of its shape/, () => [jsonRequest({}, { data: [[1, 2, 3, 4], [5], [6]] })]],
    ["deep lists", 422, /not of its shape/, () => [jsonRequest({}, { data: [[[[[[1]]]]], [], []] })]],
    ["a text for a number", 422, /element 0 is no FP32/, () => [jsonRequest({}, { data: ["1", ...VALUES.slice(1)] })]],
    [
      "a number past a single",
      422,
      /element 0 is no FP32/,
      () => [jsonRequest({}, { data: [1e300, ...VALUES.slice(1)] })],
    ],
    ["no data", 422, /no "data"/, () => [jsonRequest({}, { data: undefined })]],
    [
      "another datatype",
      422,
      /is FP32 in the model, but the request sends FP64/,
      () => [jsonRequest({}, { datatype: "FP64" })],
    ],
    ["a datatype that is none", 422, /no "datatype"/, () => [jsonRequest({}, { datatype: "FLOAT" })]],
    [
      "an unknown input",
      422,
      /no input "Y"; send its tensors .* or "customer_id"/,
      () => [jsonRequest({}, { name: "Y" })],
    ],
    [
      "an input twice",
      422,
      /is in "inputs" twice/,
      () => [JSON.stringify({ inputs: [0, 1].map(() => JSON.parse(jsonRequest()).inputs[0]) })],
    ],
    [
      "tensors and ids",
      422,
      /two kinds/,
      () => [
        JSON.stringify({ inputs: [JSON.parse(jsonRequest()).inputs[0], JSON.parse(entityRequest([1])).inputs[0]] }),
      ],
    ],
    ["an unknown output", 422, /no output "nothing"; it has/, () => [jsonRequest({ outputs: [{ name: "nothing" }] })]],
    [
      "an output twice",
      422,
      /twice/,
      () => [jsonRequest({ outputs: [{ name: outputNames[0] }, { name: outputNames[0] }] })],
    ],
    ["an id that is a number", 422, /"id" must be a text/, () => [jsonRequest({ id: 3 })]],
    ["a sequence", 422, /sequence_id/, () => [jsonRequest({ parameters: { sequence_id: 4 } })]],
    [
      "shared memory",
      422,
      /shared memory/,
      () => [jsonRequest({}, { data: undefined, parameters: { shared_memory_region: "r" } })],
    ],
    [
      "a flag that is none",
      422,
      /neither true nor false/,
      () => [jsonRequest({ parameters: { binary_data_output: "yes" } })],
    ],
    ["an unknown model", 404, /no model "other"/, () => [jsonRequest(), {}, "/v2/models/other/infer"]],
    ["an unknown version", 404, /Version "7"/, () => [jsonRequest(), {}, "/v2/models/churn/versions/7/infer"]],
    ["a path that is not encoded", 422, /percent-encoded/, () => [jsonRequest(), {}, "/v2/models/%E0%A4%A/infer"]],
    ["an id of another type", 422, /customer_id/, () => [entityRequest(["17"], { datatype: "BYTES" })]],
    ["an id that is not whole", 422, /customer_id/, () => [entityRequest([1.7], { datatype: "FP64" })]],
    ["a text that ends early", 422, /12 bytes, which are not 2 elements of BYTES/, () => textsRequest(1)],
    ["a text past its tensor", 422, /12 bytes, which are not 2 elements of BYTES/, () => textsRequest(3)],
    ["a text past all memory", 422, /12 bytes, which are not 2 elements of BYTES/, () => textsRequest(2 ** 32 - 1)],
    ["ids in a matrix", 422, /one value a row/, () => [entityRequest([1, 2], { shape: [1, 2] })]],
    [
      "a header length past the body",
      422,
      /9999, but the whole body/,
      () => [binaryRequest().body, { "inference-header-content-length": "9999" }],
    ],
    [
      "a header length that cuts the JSON",
      400,
      /not JSON/,
      () => [binaryRequest().body, { "inference-header-content-length": "9" }],
    ],
    [
      "a header length that is none",
      422,
      /send the number of bytes/,
      () => [binaryRequest().body, { "inference-header-content-length": "-1" }],
    ],
    [
      "a header length of nothing",
      422,
      /is 0/,
      () => [binaryRequest().body, { "inference-header-content-length": "0" }],
    ],
    [
      "a tensor that is cut",
      422,
      /has 47 bytes after its JSON, but the inputs say 48/,
      () => [binaryRequest().body.subarray(0, -1), binaryRequest().headers],
    ],
    [
      "bytes that nobody speaks of",
      422,
      /the inputs say 48/,
      () => [Buffer.concat([binaryRequest().body, Buffer.of(0)]), binaryRequest().headers],
    ],
    [
      "a size that is not the shape's",
      422,
      /44 bytes, but its shape holds 12/,
      () => {
        const { body, headers } = binaryRequest({}, {}, Buffer.alloc(44));
        return [body, headers];
      },
    ],
    [
      "a size that is none",
      422,
      /binary_data_size that is no number/,
      () => {
        const { body, headers } = binaryRequest({}, { parameters: { binary_data_size: -4 } });
        return [body, headers];
      },
    ],
    [
      "a size past the body",
      422,
      /the inputs say 4294967296/,
      () => {
        const { body, headers } = binaryRequest({}, { parameters: { binary_data_size: 2 ** 32 } });
        return [body, headers];
      },
    ],
    [
      "data beside a size",
      422,
      /both "data" and/,
      () => {
        const { body, headers } = binaryRequest({}, { data: VALUES });
        return [body, headers];
      },
    ],
    ["a body that is too large", 413, /maxBodyBytes/, () => [Buffer.alloc(100_001)]],
    ["a gzip bomb", 413, /once inflated/, () => [BOMB, { "content-encoding": "gzip" }]],
    ["gzip that is cut", 422, /not gzip/, () => [BOMB.subarray(0, 40), { "content-encoding": "gzip" }]],
    ["gzip that is none", 422, /not gzip/, () => [jsonRequest(), { "content-encoding": "gzip" }]],
    ["an encoding that is not known", 415, /content-encoding: br/, () => [jsonRequest(), { "content-encoding": "br" }]],
    ["a deadline that is none", 422, /x-deadline-ms/, () => [jsonRequest(), { "x-deadline-ms": "soon" }]],
    ["a timeout that is none", 422, /timeout/, () => [jsonRequest({ parameters: { timeout: "soon" } })]],
  ],
)("%s is refused in the protocol's form", async (_, status, sentence, requestOf) => {
  const answer = await send(...requestOf());
  expect({ status: answer.status, error: answer.error }).toMatchObject({
    status,
    error: expect.stringMatching(sentence),
  });
  expect(Object.keys(answer.json)).toEqual(["error"]);
});
