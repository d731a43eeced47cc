/**
 * The floor: the same HTTP stack (Hono on @hono/node-server) that parses the same JSON body and answers a constant of
 * the size of the real answer, with the same headers. It reads no feature and runs no model, so what a prediction
 * costs above it is Headgate's own.
 *
 *   alone     (a) each request by itself, as anyone would write it
 *   together  (b) all requests of one turn of the event loop answered at its end, as a batching server must
 *
 * usage: node floor-server.mjs alone|together <answers.json>, where answers.json maps a number of entities to a text.
 */

import { readFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const [mode, answersFile] = process.argv.slice(2);
const answers = JSON.parse(readFileSync(answersFile, "utf8"));
const headers = {
  "content-type": "application/json",
  "x-request-id": "00000000-0000-4000-8000-000000000000",
  "server-timing": "features;dur=0.000, model;dur=0.000, total;dur=0.000",
};

// The cheapest way Hono has: c.body and c.json build a Headers object when there is more than one header.
const answer = ({ entities }) => new Response(answers[Array.isArray(entities) ? entities.length : 1], { headers });

let waiting = [];
function endOfTurn() {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(answerAll);
  });
}
function answerAll() {
  const all = waiting;
  waiting = [];
  for (const resolve of all) resolve();
}

const handlers = {
  alone: async (c) => answer(await c.req.json()),
  together: async (c) => {
    const body = await c.req.json();
    await endOfTurn();
    return answer(body);
  },
};

const app = new Hono().post("/predict", handlers[mode]).post("/get-online-features", handlers[mode]);
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
});
