/**
 * POST /materialize and POST /materialize-incremental: Feast's client asks the server to load. The load is the command
 * line's, started as a process of its own: it takes minutes and a core, and the gateway has requests to answer.
 */

import { execFile } from "node:child_process";
import { channel } from "node:diagnostics_channel";
import { ERRORS, type ErrorCode, HeadgateError, hasCode } from "../../errors.ts";
import { findView } from "../../features/catalog.ts";
import type { Registry } from "../../features/registry.ts";
import { shown } from "../../features/shown.ts";
import { formatTimestampUs, isEventTimestampUs, parseTimestampUs } from "../../features/timestamp.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { feastAnswer } from "./feast-answer.ts";
import { feastConflict } from "./feast-error.ts";
import { flagOf, invalid, isListOfTexts, membersOf } from "./online-features-request.ts";

/** How a command ended. */
export interface CommandEnd {
  /** Null when it was ended by a signal, or did not start. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line with some words to its end. */
export type RunCommand = (words: readonly string[]) => Promise<CommandEnd>;

/** The most that is kept of what a command writes, bytes. A report is some kilobytes; a command that writes more is ended. */
const OUTPUT_MAX_BYTES = 1_048_576;

/** The command line of `program` (Node, its file, the project), ended when `signal` is aborted. */
export function commandRunner(program: readonly string[], signal: AbortSignal): RunCommand {
  const [file, ...before] = program as [string, ...string[]];
  return (words) =>
    new Promise((done) => {
      execFile(file, [...before, ...words], { signal, maxBuffer: OUTPUT_MAX_BYTES }, (failure, stdout, stderr) => {
        const code = failure === null ? 0 : failure.code;
        done({ exitCode: typeof code === "number" ? code : null, stdout, stderr });
      });
    });
}

/** What the routes need. */
export interface FeastMaterializeOptions {
  readonly registry: Registry;
  readonly run: RunCommand;
}

/** A request for a load. */
export interface MaterializeCall {
  readonly body: unknown;
  readonly requestId: string;
  /** The query's `async`: answer when it has begun. */
  readonly isAsync: boolean;
}

/** Both routes. They reject with REQUEST_INVALID, VIEW_NOT_FOUND, and with what the load failed of. */
export interface FeastMaterialize {
  readonly materialize: (call: MaterializeCall) => Promise<HttpAnswer>;
  readonly incremental: (call: MaterializeCall) => Promise<HttpAnswer>;
}

/** Published for a load that failed after its request was answered: `{ requestId, cause }`. */
const unexpected = channel("headgate:unexpected");

/** Makes them. One load at a time: each is a process that takes a core and some hundred megabytes. */
export function createFeastMaterialize({ registry, run }: FeastMaterializeOptions): FeastMaterialize {
  let isRunning = false;

  async function load(words: readonly string[], views: readonly string[], call: MaterializeCall): Promise<HttpAnswer> {
    const { isAsync, requestId } = call;
    if (isRunning) {
      return feastConflict("A load that was asked of this gateway is running. Ask again later.", views, requestId);
    }
    isRunning = true;
    const loading = run([...words, "--json"])
      .then(checkEnd)
      .finally(() => {
        isRunning = false;
      });
    if (isAsync) {
      loading.catch((cause: unknown) => unexpected.hasSubscribers && unexpected.publish({ requestId, cause }));
      return feastAnswer(202, JSON.stringify({ status: "accepted", feature_views: views }), requestId);
    }
    try {
      await loading;
    } catch (thrown) {
      if (!hasCode(thrown, "MATERIALIZE_RUNNING")) throw thrown;
      return feastConflict(thrown.message, views, requestId);
    }
    return feastAnswer(200, "null", requestId);
  }

  return Object.freeze({
    async materialize(call: MaterializeCall) {
      const members = membersOf(call.body);
      if (flagOf(members, "disable_event_timestamp")) {
        throw invalid(
          `"disable_event_timestamp" is not done: rows are loaded by when they happened, in [start_ts, end_ts].`,
        );
      }
      const views = viewsOf(members, registry);
      const times = [instantOf(members, "start_ts"), instantOf(members, "end_ts", END_AFTER_US)];
      return load(["materialize", ...times, ...views.words], views.names, call);
    },
    async incremental(call: MaterializeCall) {
      const members = membersOf(call.body);
      const views = viewsOf(members, registry);
      const end = instantOf(members, "end_ts", END_AFTER_US);
      return load(["materialize-incremental", end, ...views.words], views.names, call);
    },
  });
}

/** Feast loads rows of the very end too; a load of the command line's ends before its end. */
const END_AFTER_US = 1;

/** A time, moved by some µs, as RFC 3339, so that no text of a request's reaches the command line. */
function instantOf(members: Readonly<Record<string, unknown>>, name: string, byUs = 0): string {
  const value = members[name];
  const instantUs = typeof value === "string" ? parseTimestampUs(value) : undefined;
  if (instantUs !== undefined && isEventTimestampUs(instantUs + byUs)) return formatTimestampUs(instantUs + byUs);
  throw invalid(`"${name}" is ${shown(value)}; send a time between 1900 and 2150, such as "2026-11-22T02:00:00Z".`);
}

function viewsOf(members: Readonly<Record<string, unknown>>, registry: Registry) {
  const { feature_views: names = null, version = null } = members;
  if (version !== null) throw invalid(`"version" is ${shown(version)}; feature views have no versions here.`);
  if (names === null) {
    const loaded = [...registry.views.values()].filter(({ source }) => source !== undefined);
    return { names: loaded.map(({ name }) => name), words: [] };
  }
  if (!isListOfTexts(names) || names.length === 0) {
    throw invalid(`"feature_views" must be a list of names, or null for all of them, not ${shown(names)}.`);
  }
  for (const name of names) findView(registry, name);
  return { names, words: ["--views", names.join(",")] };
}

/** What the command said of its failure. */
interface ToldFailure {
  readonly error?: { readonly code: ErrorCode; readonly detail: string };
  readonly views?: readonly { readonly view: string; readonly error?: ToldFailure["error"] }[];
}

/** Throws what the command failed of. */
function checkEnd({ exitCode, stdout, stderr }: CommandEnd): void {
  if (exitCode === 0) return;
  for (const told of [stderr, stdout].map(parseTold)) {
    if (told?.error !== undefined) throw failureOf(told.error.code, told.error.detail);
    const failed = told?.views?.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failureOf(failed.error!.code, `${failed.view}: ${failed.error!.detail}`);
  }
  const how = exitCode === null ? "was ended, or did not start" : `ended with ${exitCode}`;
  throw new HeadgateError(
    "OVERLOADED",
    `The process that was to load ${how} and gave no reason. Ask again, or run headgate materialize by hand.`,
  );
}

function failureOf(code: ErrorCode, detail: string): HeadgateError {
  return new HeadgateError(Object.hasOwn(ERRORS, code) ? code : "INTERNAL", detail);
}

/** The JSON object in what a command wrote; it may have written lines before. */
function parseTold(text: string): ToldFailure | undefined {
  try {
    const told: unknown = JSON.parse(text.slice(Math.max(0, text.indexOf("{"))));
    return typeof told === "object" && told !== null ? told : undefined;
  } catch {
    return undefined;
  }
}
