import { expect, test } from "vitest";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import { int64 } from "../../features/field.ts";
import { createRegistry } from "../../features/registry.ts";
import { fileSource } from "../../features/source.ts";
import { type CommandEnd, commandRunner, createFeastMaterialize } from "./feast-materialize.ts";

const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const source = fileSource({ path: "a.parquet", timestampField: "ts" });
const a = featureView("a", { entities: [driver], schema: { x: int64() }, source });
const b = featureView("b", { entities: [driver], schema: { y: int64() } });
const registry = createRegistry([driver, a, b].map((definition) => ({ definition, file: "x.ts" })));

const ended = (over: Partial<CommandEnd>): CommandEnd => ({ exitCode: 1, stdout: "", stderr: "", ...over });

function opened(end: CommandEnd | Promise<CommandEnd> = ended({ exitCode: 0 })) {
  const ran: (readonly string[])[] = [];
  const run = async (words: readonly string[]) => {
    ran.push(words);
    return end;
  };
  return { ran, ...createFeastMaterialize({ registry, run }) };
}
const interval = { start_ts: "2026-11-01T00:00:00", end_ts: "2026-11-02T01:00:00+01:00" };
const call = (body: unknown, isAsync = false) => ({ body, requestId: "r", isAsync });

test("a load is the command line's, with its times in UTC and its end in it", async () => {
  const { ran, materialize, incremental } = opened();
  expect(await materialize(call({ ...interval, feature_views: null }))).toMatchObject({ status: 200, body: "null" });
  await incremental(call({ end_ts: "2026-11-02", feature_views: ["a", "b"], version: null }));
  expect(ran).toEqual([
    ["materialize", "2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000001Z", "--json"],
    ["materialize-incremental", "2026-11-02T00:00:00.000001Z", "--views", "a,b", "--json"],
  ]);
});

test("what the command refuses is told by its code", async () => {
  const error = { code: "PARQUET_INVALID", detail: "a.parquet is no Parquet." };
  const views = [{ view: "a", status: "failed", error }];
  const failed = opened(ended({ stdout: JSON.stringify({ ok: false, views }) }));
  await expect(failed.materialize(call(interval))).rejects.toMatchObject({
    code: "PARQUET_INVALID",
    message: "a: a.parquet is no Parquet.",
  });
  const refused = opened(ended({ exitCode: 2, stderr: `a line\n${JSON.stringify({ error })}\n` }));
  await expect(refused.materialize(call(interval))).rejects.toMatchObject({ message: "a.parquet is no Parquet." });
  await expect(opened(ended({})).materialize(call(interval))).rejects.toThrow("ended with 1 and gave no reason");
});

test("a load that is running is told as Feast's server tells it, 409", async () => {
  let end: (told: CommandEnd) => void = () => {};
  const { materialize } = opened(new Promise((done) => (end = done)));
  const first = materialize(call(interval, true));
  expect(await first).toMatchObject({ status: 202, body: '{"status":"accepted","feature_views":["a"]}' });
  const second = await materialize(call({ ...interval, feature_views: ["b"] }));
  expect(second.status).toBe(409);
  expect(JSON.parse(second.body)).toMatchObject({ error: expect.stringContaining("is running"), feature_views: ["b"] });
  end(ended({ exitCode: 0 }));
  await expect.poll(async () => (await materialize(call(interval))).status).toBe(200);
  const error = { code: "MATERIALIZE_RUNNING", detail: "Another one runs." };
  const elsewhere = opened(ended({ stderr: JSON.stringify({ error }) }));
  expect(await elsewhere.materialize(call(interval))).toMatchObject({ status: 409 });
});

test.each([
  ["no start", { end_ts: "2026-11-02" }, "REQUEST_INVALID", '"start_ts" is undefined; send a time'],
  ["an option for a time", { ...interval, end_ts: "--restart" }, "REQUEST_INVALID", '"end_ts" is "--restart"'],
  ["a number for a time", { ...interval, end_ts: 5 }, "REQUEST_INVALID", '"end_ts" is 5'],
  ["an unknown view", { ...interval, feature_views: ["--x"] }, "VIEW_NOT_FOUND", 'no feature view "--x"'],
  ["no view", { ...interval, feature_views: [] }, "REQUEST_INVALID", '"feature_views" must be'],
  ["a version", { ...interval, version: "v2" }, "REQUEST_INVALID", '"version" is "v2"'],
  ["no event times", { ...interval, disable_event_timestamp: true }, "REQUEST_INVALID", "is not done"],
  ["no body", 5, "REQUEST_INVALID", "must be an object, not 5"],
])("%s is refused before anything runs", async (_, body, code, sentence) => {
  const { ran, materialize } = opened();
  await expect(materialize(call(body))).rejects.toMatchObject({ code, message: expect.stringContaining(sentence) });
  expect(ran).toEqual([]);
});

test("a command runs as a process, and ends with its signal", async () => {
  const ending = new AbortController();
  const node = (script: string) => commandRunner([process.execPath, "-e", script], ending.signal);
  expect(await node("console.log(process.argv[1]); console.error(2); process.exitCode = 3")(["word"])).toEqual({
    exitCode: 3,
    stdout: "word\n",
    stderr: "2\n",
  });
  const running = node("setInterval(() => {}, 1e6)")([]);
  ending.abort();
  expect((await running).exitCode).toBeNull();
});
