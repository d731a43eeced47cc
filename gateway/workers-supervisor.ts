/**
 * Supervises the workers of one gateway: starts the first, and, once it listens, the others; replaces one that ends by
 * itself; carries questions between them; ends them all. It serves nothing and opens nothing itself, so that there is
 * next to nothing in it that could fail. A worker that can't start at all the first time ends the command, and has said
 * why itself; one that served and ended is replaced for ever, with waits that double up to a bound. One that does not
 * listen in time, or does not end in time, is killed.
 *
 * The invariant: each place 1 … count has at most one process, and what a process counted is kept until its successor
 * has taken it over.
 */

import { reasonOf } from "../errors.ts";
import type { SupervisorMessage, WorkerAnswer, WorkerMessage } from "./workers-message.ts";

/** A worker's process, as the supervisor sees it. */
export interface WorkerProcess {
  /** Undefined where the system has refused to start it. */
  readonly pid: number | undefined;
  send(message: SupervisorMessage): void;
  kill(): void;
  onMessage(listener: (message: WorkerMessage) => void): void;
  /** Called once; of one that could not be started with the reason. */
  onExit(listener: (exitCode: number | null, signal: string | null, reason?: string) => void): void;
}

/** Published to `log` for what happened to a worker. */
export type WorkerLog = (level: "info" | "error", message: string, details: Readonly<Record<string, unknown>>) => void;

/** What supervising needs. */
export interface SupervisorOptions {
  /** Workers, at least 1. */
  readonly count: number;
  /** Starts the process of a place, 1 … count; one that throws is an end as any other. */
  readonly fork: (place: number) => WorkerProcess;
  /** Calls back after so many ms; returns how to call that off. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly log: WorkerLog;
  /** How long a worker may take until it listens, ms; past it it is killed, so that a place is never lost to one that hangs. */
  readonly startWithinMs: number;
  /** How long workers may take to end once they are told to, ms; past it they are killed. */
  readonly endWithinMs: number;
}

/** How the start ended: what to print, or the exit code of the worker that could not start. */
export type WorkersStart =
  | { readonly welcome: string; readonly exitCode?: undefined }
  | { readonly exitCode: number; readonly welcome?: undefined };

/** Workers under supervision. */
export interface Supervisor {
  /** Resolves when all listen, or when one has failed to before that; all have ended then. */
  readonly started: Promise<WorkersStart>;
  /**
   * Drains all, and resolves when none is left: with 0, with the exit code of the worker that could not start, or with 1
   * when one had to be killed or ended otherwise than it was told to.
   */
  close(): Promise<number>;
}

/** The first wait before a worker is replaced, ms; it doubles with every end that follows soon. */
const FIRST_WAIT_MS = 250;
/** The longest wait, ms: a worker that always fails costs a start this often, and one that recovers is missed no longer. */
const LAST_WAIT_MS = 15_000;
/** A worker that has served so long has recovered from what ended those before it, ms. */
const SETTLED_MS = 60_000;

interface Place {
  readonly number: number;
  process: WorkerProcess | undefined;
  isListening: boolean;
  listeningSinceMs: number;
  /** Ends in a row. */
  ends: number;
  /** The last answer's lasting part of the process that was here before, until its successor has it. */
  lasting: unknown;
  /** Calls off what is waited for: that it listens, or that it is replaced. */
  cancelWait: () => void;
}

interface Asked {
  readonly asker: Place;
  readonly askedId: number;
  readonly waitingFor: Set<Place>;
  readonly answers: Map<Place, WorkerAnswer>;
  readonly cancel: () => void;
}

/** A terminal's or a system's signal may come before a worker can take it for what it is. */
const END_SIGNALS: readonly (string | null)[] = ["SIGTERM", "SIGINT"];

/** Starts the workers. */
export function superviseWorkers(options: SupervisorOptions): Supervisor {
  return new WorkersSupervisor(options);
}

class WorkersSupervisor implements Supervisor {
  readonly started: Promise<WorkersStart>;
  readonly #options: SupervisorOptions;
  readonly #places: readonly Place[];
  readonly #asked = new Map<number, Asked>();
  #nextId = 1;
  #welcome: string | undefined;
  /** Undefined once the start has ended. */
  #endStart: ((start: WorkersStart) => void) | undefined;
  #failed: number | undefined;
  #isEnding = false;
  #hasEndedBadly = false;
  /** Those that have ended by themselves. */
  #workersEnded = 0;
  readonly #allEnded: Promise<number>;
  #onAllEnded: (exitCode: number) => void = () => {};
  #cancelKill: () => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#places = Array.from({ length: options.count }, (_, i) => ({
      ...{ number: i + 1, process: undefined, isListening: false },
      ...{ listeningSinceMs: 0, ends: 0, lasting: undefined, cancelWait: () => {} },
    }));
    this.started = new Promise((end) => {
      this.#endStart = end;
    });
    this.#allEnded = new Promise((ended) => {
      this.#onAllEnded = ended;
    });
    // The others only when one has shown that it can be done: what is wrong is told once.
    this.#fork(this.#places[0]!);
  }

  close(): Promise<number> {
    this.#end();
    return this.#allEnded;
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    for (const { cancelWait, process } of this.#places) {
      cancelWait();
      process?.send({ kind: "drain" });
    }
    const { after, endWithinMs } = this.#options;
    this.#cancelKill = after(endWithinMs, () => {
      for (const place of this.#places) this.#kill(place, "has not ended", endWithinMs);
    });
    this.#ifAllEnded();
  }

  #kill({ number, process }: Place, failed: string, withinMs: number): void {
    if (process === undefined) return;
    const details = { pid: process.pid, within_seconds: withinMs / 1_000 };
    this.#options.log("error", `worker ${number} ${failed} in time and is killed`, details);
    process.kill();
  }

  #ifAllEnded(): void {
    if (!this.#isEnding || this.#places.some(({ process }) => process !== undefined)) return;
    this.#cancelKill();
    if (this.#failed !== undefined) this.#startEnded({ exitCode: this.#failed });
    this.#onAllEnded(this.#failed ?? (this.#hasEndedBadly ? 1 : 0));
  }

  #startEnded(start: WorkersStart): void {
    this.#endStart?.(start);
    this.#endStart = undefined;
  }

  #fork(place: Place): void {
    const { after, fork, startWithinMs } = this.#options;
    let process: WorkerProcess;
    try {
      process = fork(place.number);
    } catch (thrown) {
      this.#exited(place, null, null, reasonOf(thrown));
      return;
    }
    place.process = process;
    process.onMessage((message) => {
      if (place.process === process) this.#told(place, message);
    });
    process.onExit((exitCode, signal, reason) => {
      if (place.process === process) this.#exited(place, exitCode, signal, reason);
    });
    place.cancelWait = after(startWithinMs, () => this.#kill(place, "does not listen", startWithinMs));
  }

  #told(place: Place, message: WorkerMessage): void {
    if (message.kind === "hears") this.#hears(place);
    else if (message.kind === "listening") this.#listens(place, message.welcome);
    else if (message.kind === "ask") this.#ask(place, message);
    else this.#answered(place, message.id, message.answer);
  }

  #hears({ lasting, process }: Place): void {
    if (this.#workersEnded > 0) process!.send({ kind: "ended", workers: this.#workersEnded });
    if (lasting !== undefined) process!.send({ kind: "inherit", lasting });
    if (this.#isEnding) process!.send({ kind: "drain" });
  }

  #listens(place: Place, welcome: string): void {
    place.isListening = true;
    place.cancelWait();
    place.listeningSinceMs = this.#options.now();
    this.#options.log("info", `worker ${place.number} serves`, { pid: place.process!.pid });
    if (this.#isEnding || this.#endStart === undefined) return;
    if (this.#welcome === undefined) {
      this.#welcome = welcome;
      for (const other of this.#places) if (other !== place && !this.#isEnding) this.#fork(other);
    }
    if (this.#places.every(({ isListening }) => isListening)) this.#startEnded({ welcome: this.#welcome });
  }

  #exited(place: Place, exitCode: number | null, signal: string | null, reason?: string): void {
    const hasServed = place.isListening;
    place.cancelWait();
    place.process = undefined;
    place.isListening = false;
    for (const [id, asked] of this.#asked) {
      if (asked.asker === place) this.#forget(id, asked);
      else this.#ifAnswered(id, asked, place);
    }
    const end = { exit_code: exitCode, signal, ...(reason !== undefined && { reason }) };
    if (this.#isEnding) {
      if (exitCode !== 0 && !END_SIGNALS.includes(signal)) {
        this.#hasEndedBadly = true;
        this.#tellEnd(place, end);
      }
      this.#ifAllEnded();
      return;
    }
    // It has said itself why it can't start, unless it was killed or never ran; then that is the reason.
    if (this.#endStart !== undefined && !hasServed) {
      if (exitCode === null || exitCode === 0) this.#tellEnd(place, end);
      this.#failed = exitCode || 1;
      this.#end();
      return;
    }
    this.#workersEnded++;
    for (const { process } of this.#places) process?.send({ kind: "ended", workers: this.#workersEnded });
    if (hasServed && this.#options.now() - place.listeningSinceMs >= SETTLED_MS) place.ends = 0;
    const waitMs = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** place.ends++);
    this.#tellEnd(place, { ...end, replaced_after_seconds: waitMs / 1_000 });
    place.cancelWait = this.#options.after(waitMs, () => this.#fork(place));
  }

  #tellEnd({ number }: Place, end: Readonly<Record<string, unknown>>): void {
    this.#options.log("error", `worker ${number} has ended`, end);
  }

  #ask(asker: Place, ask: WorkerMessage & { readonly kind: "ask" }): void {
    const { id: askedId, lasting, question, withinMs } = ask;
    if (lasting !== undefined) asker.lasting = lasting;
    const id = this.#nextId++;
    const others = this.#places.filter((place) => place !== asker);
    const asked: Asked = {
      ...{ asker, askedId, answers: new Map() },
      waitingFor: new Set(others.filter(({ isListening }) => isListening)),
      cancel: this.#options.after(withinMs, () => this.#answer(id)),
    };
    this.#asked.set(id, asked);
    for (const { process } of asked.waitingFor) process!.send({ kind: "question", id, question });
    if (asked.waitingFor.size === 0) this.#answer(id);
  }

  #answered(place: Place, id: number, answer: WorkerAnswer): void {
    if (answer.lasting !== undefined) place.lasting = answer.lasting;
    const asked = this.#asked.get(id);
    if (asked === undefined || !asked.waitingFor.has(place)) return;
    // Who answers nothing, since it could not, is as silent as who does not answer.
    if (answer.lasting !== undefined || answer.passing !== undefined) asked.answers.set(place, answer);
    this.#ifAnswered(id, asked, place);
  }

  #ifAnswered(id: number, { waitingFor }: Asked, place: Place): void {
    if (waitingFor.delete(place) && waitingFor.size === 0) this.#answer(id);
  }

  #forget(id: number, { cancel }: Asked): void {
    cancel();
    this.#asked.delete(id);
  }

  /** Tells the asker what there is; of those that gave no answer what was last known to last. */
  #answer(id: number): void {
    const asked = this.#asked.get(id)!;
    this.#forget(id, asked);
    const { answers, asker, askedId } = asked;
    const silent = this.#places.filter((place) => place !== asker && !answers.has(place));
    const left = silent.flatMap(({ lasting }) => (lasting === undefined ? [] : [{ lasting }]));
    asker.process?.send({ kind: "answers", id: askedId, answers: [...answers.values(), ...left] });
  }
}
