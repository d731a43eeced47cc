import { describe, expect, test } from "vitest";
import { type PlayedWorker, serving } from "./fixtures/supervised-workers.ts";
import { openWorkersLink } from "./workers-link.ts";
import type { SupervisorMessage, WorkerMessage, WorkerQuestion } from "./workers-message.ts";

describe("questions", () => {
  const question: WorkerQuestion = { about: "metrics" };
  const ask: WorkerMessage = { kind: "ask", id: 7, question, withinMs: 2_000, lasting: undefined };
  const answersOf = ({ sent }: PlayedWorker) => sent.filter((message) => message.kind === "answers").at(-1)?.answers;

  test("go to all others, and their answers back together", () => {
    const { processes } = serving(3);
    processes[1]!.tell(ask);
    expect(processes[1]!.sent).toEqual([]);
    processes[2]!.answer(0, { lasting: "c3" });
    expect(answersOf(processes[1]!)).toBeUndefined();
    processes[0]!.answer(0, { lasting: "c1", passing: "g1" });
    expect(answersOf(processes[1]!)).toEqual([{ lasting: "c3" }, { lasting: "c1", passing: "g1" }]);
  });

  test("of one that gives no answer in time, or ends, what it last counted stands", () => {
    const { processes, advance } = serving(3);
    processes[0]!.tell(ask);
    for (const place of [1, 2]) processes[place]!.answer(0, { lasting: `c${place + 1}`, passing: "g" });
    processes[0]!.tell(ask);
    processes[1]!.exit(null, "SIGKILL");
    advance(2_000);
    expect(answersOf(processes[0]!)).toEqual([{ lasting: "c2" }, { lasting: "c3" }]);
  });

  test("an answer that came stands, though its worker ended before the others'", () => {
    const { processes } = serving(3);
    processes[0]!.tell(ask);
    processes[1]!.answer(0, { lasting: "c2", passing: "g2" });
    processes[1]!.exit(1, null);
    processes[2]!.answer(0, {});
    expect(answersOf(processes[0]!)).toEqual([{ lasting: "c2", passing: "g2" }]);
  });

  test("who answers nothing, as it could not, is as one that gave no answer: what it last counted stands", () => {
    const { processes } = serving(2);
    processes[0]!.tell(ask);
    processes[1]!.answer(0, { lasting: "c2", passing: "g2" });
    processes[0]!.tell(ask);
    processes[1]!.answer(1, {});
    expect(answersOf(processes[0]!)).toEqual([{ lasting: "c2" }]);
  });

  test("that wait for an answer while all end have it in time, too", () => {
    const { supervisor, processes, advance } = serving(2);
    processes[0]!.tell({ ...ask, withinMs: 500 });
    void supervisor.close();
    advance(500);
    expect(answersOf(processes[0]!)).toEqual([]);
  });

  test("a successor is given what its predecessor counted, first of all", () => {
    const { processes, advance } = serving(2);
    processes[0]!.tell(ask);
    processes[1]!.answer(0, { lasting: "c2" });
    processes[1]!.exit(null, "SIGKILL");
    advance(250);
    // What is sent before it hears would be lost.
    expect(processes[2]!.sent).toEqual([]);
    processes[2]!.hear();
    expect(processes[2]!.sent).toEqual([
      { kind: "ended", workers: 1 },
      { kind: "inherit", lasting: "c2" },
    ]);
  });

  test("an asker's own counts outlive it, too", () => {
    const { processes, advance } = serving(2);
    processes[0]!.tell({ ...ask, lasting: "c1" });
    processes[0]!.exit(null, "SIGKILL");
    processes[1]!.tell(ask);
    expect(answersOf(processes[1]!)).toEqual([{ lasting: "c1" }]);
    advance(250);
    processes[2]!.hear();
    expect(processes[2]!.sent).toContainEqual({ kind: "inherit", lasting: "c1" });
  });

  test("an asker that ends is answered no more", () => {
    const { processes, advance } = serving(2);
    processes[0]!.tell(ask);
    processes[0]!.exit(null, "SIGKILL");
    advance(250);
    processes[1]!.answer(0, {});
    expect(processes[2]!.sent).toEqual([]);
  });

  test("all are told how many have ended by themselves", () => {
    const { supervisor, processes, advance } = serving(2);
    for (const ends of [1, 2]) {
      processes.at(-1)!.exit(1, null);
      expect(processes[0]!.sent.at(-1)).toEqual({ kind: "ended", workers: ends });
      advance(1_000);
    }
    void supervisor.close();
    processes.at(-1)!.exit(0, null);
    expect(processes[0]!.sent.at(-1)).toEqual({ kind: "drain" });
  });
});

describe("a worker's end", () => {
  function linked() {
    const sent: WorkerMessage[] = [];
    let receive: (message: SupervisorMessage) => void = () => {};
    const link = openWorkersLink(2, {
      send: (message) => void sent.push(message),
      onMessage: (listener) => {
        receive = listener;
      },
      close: () => {},
    });
    return { link, sent, receive: (message: SupervisorMessage) => receive(message) };
  }

  test("asks, and is answered by id", async () => {
    const { link, sent, receive } = linked();
    const models = { about: "models", model: "churn", until: "answering" } as const;
    const [first, second] = [link.ask({ about: "metrics" }, 5, "c"), link.ask(models, 6)];
    expect(sent).toEqual([
      { kind: "hears" },
      { kind: "ask", id: 1, question: { about: "metrics" }, withinMs: 5, lasting: "c" },
      { kind: "ask", id: 2, question: models, withinMs: 6 },
    ]);
    receive({ kind: "answers", id: 2, answers: [{ passing: 2 }] });
    receive({ kind: "answers", id: 1, answers: [] });
    expect([await first, await second]).toEqual([[], [{ passing: 2 }]]);
  });

  test("a question that comes before it can answer waits, and one that it fails has an answer without anything", async () => {
    const { link, sent, receive } = linked();
    const question: WorkerQuestion = { about: "metrics" };
    receive({ kind: "question", id: 1, question });
    receive({ kind: "question", id: 2, question: { about: "models", model: undefined, until: undefined } });
    let asked = 0;
    link.answerBy(async ({ about }) => {
      asked++;
      if (about === "models") throw new Error("away");
      return { lasting: 1 };
    });
    while (sent.length < 3) await Promise.resolve();
    expect(asked).toBe(2);
    expect(sent).toContainEqual({ kind: "answer", id: 1, answer: { lasting: 1 } });
    expect(sent).toContainEqual({ kind: "answer", id: 2, answer: {} });
  });

  test("hears what it inherits and when to end", async () => {
    const { link, receive } = linked();
    expect(link.inherited()).toBeUndefined();
    receive({ kind: "inherit", lasting: "c" });
    expect(link.inherited()).toBe("c");
    expect(link.workersEnded()).toBe(0);
    receive({ kind: "ended", workers: 3 });
    expect(link.workersEnded()).toBe(3);
    receive({ kind: "drain" });
    await link.drained;
  });
});
