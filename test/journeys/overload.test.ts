/**
 * More requests than a slow model can answer in time, all at once, as a client sees it: some are answered, the others are
 * refused at once with when to try again, none is kept waiting past its deadline; and the next one is answered.
 */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";

/** Some 20 ms a row. */
const SLOW = fileURLToPath(new URL("../../models/fixtures/slow/slow.onnx", import.meta.url));
const BODY = JSON.stringify({ model: "slow", entities: { customer_id: 17 } });
const HEADERS = { "content-type": "application/json", "content-length": Buffer.byteLength(BODY) };
const DEADLINE = "2s";
/** Over eight seconds of runs, of a model that may be ten times as quick as it is here. */
const REQUESTS = 4_000;
const CONNECTIONS = 200;

const project = copyExample();
let gateway: ServedProject;

beforeAll(async () => {
  await run([process.execPath, "prepare.mjs"], project);
  for (const words of [["apply"], ["materialize-incremental", "now"]]) await run(headgate(...words), project);
  const { inputs } = JSON.parse(readFileSync(join(project, "models/churn/model.json"), "utf8"));
  const folder = join(project, "models/slow");
  mkdirSync(join(folder, "1"), { recursive: true });
  cpSync(SLOW, join(folder, "1/model.onnx"));
  const manifest = { service: "churn_v1", inputs: { X: inputs.input }, outputs: { mean: "Y" }, max_batch: 1 };
  writeFileSync(join(folder, "model.json"), JSON.stringify(manifest));
  gateway = await serve(project, { HEADGATE_DEADLINE: DEADLINE });
}, 120_000);

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | undefined;
  readonly connection: string | undefined;
}

function ask(agent: Agent): Promise<Answer> {
  return new Promise((done, fail) => {
    const asked = request(`${gateway.url}/predict`, { method: "POST", headers: HEADERS, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("error", fail);
      response.once("end", () => {
        const { connection, "retry-after": retryAfter } = response.headers;
        done({ status: response.statusCode!, code: JSON.parse(text).code, retryAfter, connection });
      });
    });
    asked.once("error", fail);
    asked.end(BODY);
  });
}

test("what can't be answered in time is refused at once, on connections that stay open", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const answers = await Promise.all(Array.from({ length: REQUESTS }, () => ask(agent)));
  const [refused, late] = [503, 504].map((of) => answers.filter(({ status }) => status === of)) as [Answer[], Answer[]];
  expect(answers.length - refused.length - late.length).toBe(answers.filter(({ status }) => status === 200).length);
  expect(answers.length - refused.length - late.length).toBeGreaterThan(1);
  for (const answer of refused) {
    expect(answer).toEqual({ status: 503, code: "OVERLOADED", retryAfter: "1", connection: "keep-alive" });
  }
  // A run that others on the machine hold up makes some of those behind it late.
  expect(late.length).toBeLessThan(refused.length / 10);
  expect((await ask(agent)).status).toBe(200);
  agent.destroy();
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toContain(`headgate_prediction_refusals_total{code="OVERLOADED"} ${refused.length}\n`);
  gateway.signal("SIGTERM");
  expect((await gateway.ended).exitCode).toBe(0);
}, 60_000);
