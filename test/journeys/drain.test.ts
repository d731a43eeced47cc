/**
 * SIGTERM under load drops nothing that was accepted. A request is accepted once the server has parsed its head, which
 * "Expect: 100-continue" makes visible: the server's "100 Continue" is the proof, and what follows must be answered.
 */

import { EventEmitter, once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { beforeAll, expect, test } from "vitest";
import { copyExample, headgate, run, type ServedProject, serve } from "../harness/project.ts";

const BODY = JSON.stringify({ model: "churn", entities: { customer_id: 17 } });
const HEADERS = { "content-type": "application/json", "content-length": Buffer.byteLength(BODY) };
const HALF_SENT = 20;
const CLIENTS = 16;
/** Answers that one client must have had before the signal is sent. */
const ANSWERS_UNDER_LOAD = 50;

const project = copyExample();
let gateway: ServedProject;

beforeAll(async () => {
  await run([process.execPath, "prepare.mjs"], project);
  for (const words of [["apply"], ["materialize-incremental", "now"]]) await run(headgate(...words), project);
  // Long enough for the test to see it.
  gateway = await serve(project, { HEADGATE_DRAIN_GRACE: "1s" });
});

test("every accepted request is answered, and then the process ends", async () => {
  const accepted = await Promise.all(Array.from({ length: HALF_SENT }, openHalfSent));
  const underLoad = new EventEmitter();
  const load = Array.from({ length: CLIENTS }, () => askUntilRefused(underLoad));
  await once(underLoad, "answers");
  const outcomes = await Promise.all([...load, terminate(accepted)]);

  const { exitCode } = await gateway.ended;
  expect(exitCode).toBe(0);
  const answered = outcomes.flat();
  expect(answered.length).toBeGreaterThan(HALF_SENT + ANSWERS_UNDER_LOAD);
  expect(answered.filter((status) => status !== 200)).toEqual([]);
});

/** Signals while half-sent requests are open, then, when nobody listens any more, sends their other halves. */
async function terminate(accepted: readonly ClientRequest[]): Promise<readonly number[]> {
  gateway.signal("SIGTERM");
  await readinessIs("draining");
  await portIsClosed();
  return Promise.all(
    accepted.map((one) => {
      const answer = statusOf(one);
      one.end(BODY);
      return answer;
    }),
  );
}

/** One client on one kept-alive connection that asks again and again until the server takes no more. */
async function askUntilRefused(underLoad: EventEmitter): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses: number[] = [];
  for (;;) {
    const asked = request(`${gateway.url}/predict`, { method: "POST", headers: HEADERS, agent });
    const answer = statusOf(asked);
    asked.end(BODY);
    try {
      statuses.push(await answer);
      if (statuses.length === ANSWERS_UNDER_LOAD) underLoad.emit("answers");
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      // Not accepted: nobody listens any more, or the connection was closed before its request was read. Requests that
      // were certainly accepted are the half-sent ones.
      if (code === "ECONNREFUSED" || code === "ECONNRESET" || code === "EPIPE") return statuses;
      throw thrown;
    }
  }
}

/** Resolves when the server has accepted the request's head; its body is still to come. */
function openHalfSent(): Promise<ClientRequest> {
  const asked = request(`${gateway.url}/predict`, { method: "POST", headers: { ...HEADERS, expect: "100-continue" } });
  return new Promise((open, fail) => {
    asked.once("continue", () => open(asked));
    asked.once("error", fail);
    asked.flushHeaders();
  });
}

/** The status of a whole answer; rejects when the connection ends before it. */
function statusOf(asked: ClientRequest): Promise<number> {
  return new Promise((done, fail) => {
    asked.once("error", fail);
    asked.once("response", (response: IncomingMessage) => {
      response.once("error", fail);
      response.once("end", () => done(response.statusCode!));
      response.resume();
    });
  });
}

async function readinessIs(status: string): Promise<void> {
  for (;;) {
    const body = await fetch(`${gateway.url}/readyz`).then((response) => response.json());
    if ((body as { status: string }).status === status) return;
  }
}

async function portIsClosed(): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const refuses = () =>
    new Promise<boolean>((told) => {
      const socket = connect(Number(port), hostname, () => told(false));
      socket.once("error", () => told(true));
      socket.once("connect", () => socket.destroy());
    });
  while (!(await refuses()));
}
