/**
 * What workers of one gateway and their supervisor say to each other, over the channel that Node opens between a
 * process and its children. A worker asks all others by asking the supervisor, which hands the question on and gathers
 * the answers: workers know nothing of one another.
 */

import type { RefreshedUntil } from "../models/served-model.ts";

/** The variable that tells a worker its place; set by the supervisor, not a setting. */
export const WORKER_PLACE = "HEADGATE_WORKER_PLACE";

/** What one worker asks of all others. */
export type WorkerQuestion =
  /** What they count and show, for /metrics. */
  | { readonly about: "metrics" }
  /** What they know of a model's versions, for its comparison; to answer with as `passing`. */
  | { readonly about: "comparison"; readonly model: string }
  /** To read a model's versions and traffic again, since they were changed; answered when it is served. */
  | { readonly about: "models"; readonly model: string | undefined; readonly until: RefreshedUntil | undefined };

/** What a worker answers. */
export interface WorkerAnswer {
  /** What has to outlive it, such as its counters: the supervisor keeps the last, and its successor goes on from there. */
  readonly lasting?: unknown;
  /** What is true only as long as it lives. */
  readonly passing?: unknown;
}

/** From a worker to its supervisor. */
export type WorkerMessage =
  /** From now on it hears what it is told: what was sent to it before is lost, and to be sent again. */
  | { readonly kind: "hears" }
  /** It takes requests; `welcome` is what the command prints. */
  | { readonly kind: "listening"; readonly welcome: string }
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly question: WorkerQuestion;
      /** Answers that have not come by then are left out, ms. */
      readonly withinMs: number;
      /** The asker's own lasting part, which nobody asks it for. */
      readonly lasting: unknown;
    }
  | { readonly kind: "answer"; readonly id: number; readonly answer: WorkerAnswer };

/** From the supervisor to a worker. */
export type SupervisorMessage =
  | { readonly kind: "question"; readonly id: number; readonly question: WorkerQuestion }
  /** To an "ask": one answer from each that gave one, and the lasting part of each that is no more. */
  | { readonly kind: "answers"; readonly id: number; readonly answers: readonly WorkerAnswer[] }
  /** The lasting part of the worker in whose place it is. */
  | { readonly kind: "inherit"; readonly lasting: unknown }
  /** How many workers have ended by themselves, in all places, since the command began. */
  | { readonly kind: "ended"; readonly workers: number }
  /** To answer what it has accepted, and end. */
  | { readonly kind: "drain" };
