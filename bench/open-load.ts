/**
 * Sends an open-loop run over plain sockets: requests are bytes that were made before the clock starts, and each goes to
 * the connection that has been idle longest, as if every one came from another client. Timers know whole milliseconds,
 * so close to a due time the loop spins, which takes the core that the generator has to itself.
 */

import { once } from "node:events";
import { connect } from "node:net";
import { type RateStep, steppedTimesMs } from "./arrivals.ts";
import { answerReader } from "./http-answers.ts";
import type { OpenLoadJob } from "./load.ts";
import { type OpenLoopFigures, startOpenLoop } from "./open-loop-run.ts";
import { drawIds, PATHS, predictBody } from "./predict-body.ts";

/** Different requests, sent in turn. */
const REQUESTS = 8_192;
/** How long answers are waited for after the last request, ms; what has not come by then counts as refused. */
const DRAIN_MS = 3_000;
/** Nearer to a due time than this a timer is not trusted, ms. */
const SPIN_MS = 3;
const READ_BYTES = 65_536;

/** Sends a run. Rejects when a connection is lost. */
export async function sendOpenLoop(url: string, job: OpenLoadJob): Promise<OpenLoopFigures> {
  const { hostname, port, host } = new URL(url);
  const requests = requestBytes(host, job);
  let lost: Error | undefined;
  const connections = await Promise.all(
    Array.from({ length: job.maxInFlight }, () =>
      openConnection(hostname, Number(port), (cause) => {
        lost ??= cause;
      }),
    ),
  );
  const idle = [...connections];
  let sent = 0;
  const run = startOpenLoop({
    dueMs: steppedTimesMs(job.arrivals, ratesOf(job), job.seed),
    maxInFlight: job.maxInFlight,
    inTimeMs: job.inTimeMs,
    warmUpMs: job.warmUpSeconds * 1_000,
    now: () => performance.now(),
    send: (end) => {
      const connection = idle.shift()!;
      connection.request(requests[sent++ % REQUESTS]!, (status) => {
        idle.push(connection);
        end(status === 200);
      });
    },
  });
  await new Promise<void>((ended) => {
    let giveUpMs = Number.POSITIVE_INFINITY;
    const turn = () => {
      const waitMs = run.pump();
      if (waitMs === undefined) giveUpMs = Math.min(giveUpMs, performance.now() + DRAIN_MS);
      const isOver = waitMs === undefined && (run.inFlight() === 0 || performance.now() > giveUpMs);
      if (lost !== undefined || isOver) ended();
      else if (job.isSpinning === false) setTimeout(turn, Math.max(1, waitMs ?? 0));
      else if ((waitMs ?? 0) > SPIN_MS) setTimeout(turn, waitMs! - SPIN_MS);
      else setImmediate(turn);
    };
    turn();
  });
  for (const connection of connections) connection.close();
  if (lost !== undefined) throw new Error(`${url}: ${lost.message}`);
  return run.figures();
}

function ratesOf({ perSecond, seconds, nextRate, warmUpSeconds }: OpenLoadJob): readonly RateStep[] {
  const first = { perSecond, seconds: warmUpSeconds + seconds };
  return nextRate === undefined ? [first] : [first, nextRate];
}

function requestBytes(host: string, { form, entities, ids, idCount, seed }: OpenLoadJob): readonly Buffer[] {
  const draw = drawIds(ids, idCount, seed);
  return Array.from({ length: REQUESTS }, () => {
    const body = predictBody(form, entities, draw);
    const head = `POST ${PATHS[form]} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`;
    return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
}

interface Connection {
  request(bytes: Buffer, answered: (status: number) => void): void;
  close(): void;
}

async function openConnection(host: string, port: number, lost: (cause: Error) => void): Promise<Connection> {
  let answered: (status: number) => void = () => {};
  const read = answerReader((status) => answered(status));
  const onread = {
    buffer: Buffer.alloc(READ_BYTES),
    callback: (bytes: number, buffer: Uint8Array) => {
      try {
        read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
      } catch (thrown) {
        lost(thrown as Error);
      }
      return true;
    },
  };
  const socket = connect({ host, port, noDelay: true, onread });
  let isClosing = false;
  socket.on("error", lost);
  socket.on("close", () => isClosing || lost(new Error("the server closed a connection")));
  await once(socket, "connect");
  return {
    request(bytes, whenAnswered) {
      answered = whenAnswered;
      socket.write(bytes);
    },
    close() {
      isClosing = true;
      socket.destroy();
    },
  };
}
