/**
 * A worker's end of the channel to its supervisor: says when it takes requests, asks the other workers, answers what
 * they ask, and hears when it has to end. Without a supervisor the process is alone and there is no link.
 */

import type { SupervisorMessage, WorkerAnswer, WorkerMessage, WorkerQuestion } from "./workers-message.ts";

/** The channel, as Node opens it between a process and its child. */
export interface WorkerChannel {
  send(message: WorkerMessage): void;
  onMessage(listener: (message: SupervisorMessage) => void): void;
  /** Closes it; nothing comes after. */
  close(): void;
}

/** Answers a question of another worker. */
export type AnswerQuestion = (question: WorkerQuestion) => Promise<WorkerAnswer>;

/** What a worker has of the others. */
export interface WorkersLink {
  /** Its place, from 1. */
  readonly place: number;
  /** Resolves when the supervisor wants it to end. */
  readonly drained: Promise<void>;
  /** The lasting part of the worker in whose place this one is; undefined when it is the first there. */
  readonly inherited: () => unknown;
  /** Workers that have ended by themselves, in all places. */
  readonly workersEnded: () => number;
  /**
   * Asks all others. Resolves with one answer of each, those left out that gave none within `withinMs`. `lasting` is what
   * this worker would have answered of what has to outlive it.
   */
  ask(question: WorkerQuestion, withinMs: number, lasting?: unknown): Promise<readonly WorkerAnswer[]>;
  /** From now on others' questions are answered so; those that came before wait for it. */
  answerBy(answer: AnswerQuestion): void;
  listening(welcome: string): void;
  close(): void;
}

/** Opens the link over a channel. */
export function openWorkersLink(place: number, channel: WorkerChannel): WorkersLink {
  const asked = new Map<number, (answers: readonly WorkerAnswer[]) => void>();
  let nextId = 1;
  let inherited: unknown;
  let workersEnded = 0;
  let answerBy: (answer: AnswerQuestion) => void = () => {};
  const answering = new Promise<AnswerQuestion>((settle) => {
    answerBy = settle;
  });
  let drain: () => void = () => {};
  const drained = new Promise<void>((told) => {
    drain = told;
  });
  const reply = async (id: number, question: WorkerQuestion) => {
    // What can't be answered is left out, as of a worker that has just ended.
    const answer = await (await answering)(question).catch(() => ({}));
    channel.send({ kind: "answer", id, answer });
  };
  channel.onMessage((message) => {
    if (message.kind === "question") void reply(message.id, message.question);
    else if (message.kind === "inherit") inherited = message.lasting;
    else if (message.kind === "ended") workersEnded = message.workers;
    else if (message.kind === "drain") drain();
    else {
      asked.get(message.id)?.(message.answers);
      asked.delete(message.id);
    }
  });
  channel.send({ kind: "hears" });
  return Object.freeze({
    place,
    drained,
    inherited: () => inherited,
    workersEnded: () => workersEnded,
    ask: (question: WorkerQuestion, withinMs: number, lasting?: unknown) =>
      new Promise<readonly WorkerAnswer[]>((answered) => {
        const id = nextId++;
        asked.set(id, answered);
        channel.send({ kind: "ask", id, question, withinMs, lasting });
      }),
    answerBy,
    listening: (welcome: string) => channel.send({ kind: "listening", welcome }),
    close: () => channel.close(),
  });
}
