import { describe, expect, test } from "vitest";
import { serving, supervised } from "./fixtures/supervised-workers.ts";

describe("starting", () => {
  test("the first shows that it can be done, then the others start, and one welcome is for all", async () => {
    const { supervisor, processes } = supervised(3);
    expect(processes.map(({ place }) => place)).toEqual([1]);
    processes[0]!.listen();
    expect(processes.map(({ place }) => place)).toEqual([1, 2, 3]);
    processes[2]!.listen();
    processes[1]!.listen();
    expect(await supervisor.started).toEqual({ welcome: "welcome of 1" });
  });

  test("one that can't start ends the start with its exit code, and is not said twice", async () => {
    const { supervisor, processes, logged } = supervised(2);
    processes[0]!.exit(2, null);
    expect(await supervisor.started).toEqual({ exitCode: 2 });
    expect(processes).toHaveLength(1);
    expect(logged).toEqual([]);
  });

  test("when a later one can't, the first is drained before the start has ended", async () => {
    const { supervisor, processes } = supervised(2);
    processes[0]!.listen();
    processes[1]!.exit(1, null);
    expect(processes[0]!.sent).toEqual([{ kind: "drain" }]);
    processes[0]!.exit(0, null);
    expect(await supervisor.started).toEqual({ exitCode: 1 });
  });

  test("one that is killed before it listens has no words of its own: the supervisor has", async () => {
    const { supervisor, processes, logged } = supervised(2);
    processes[0]!.exit(null, "SIGKILL");
    expect(await supervisor.started).toEqual({ exitCode: 1 });
    expect(logged).toEqual(['error worker 1 has ended {"exit_code":null,"signal":"SIGKILL"}']);
  });
});

describe("those that can't be started at all", () => {
  test("end the first start, and since they have no words the supervisor tells why", async () => {
    const { supervisor, processes, logged } = supervised(2, new Set([1]));
    expect(await supervisor.started).toEqual({ exitCode: 1 });
    expect(processes).toEqual([]);
    expect(logged).toEqual(['error worker 1 has ended {"exit_code":null,"signal":null,"reason":"spawn ENOMEM"}']);
  });

  test("of three, the second: the third is not tried, and the first is drained", async () => {
    const { supervisor, processes } = supervised(3, new Set([2]));
    processes[0]!.listen();
    expect(processes.map(({ place, sent }) => [place, sent])).toEqual([[1, [{ kind: "drain" }]]]);
    processes[0]!.exit(0, null);
    expect(await supervisor.started).toEqual({ exitCode: 1 });
  });

  test("are tried again later, whether it is told at once or soon after", () => {
    const refused = new Set<number>();
    const { processes, advance, logged } = serving(2, refused);
    refused.add(2);
    processes[1]!.exit(1, null);
    advance(250);
    expect(logged.at(-1)).toContain('"reason":"spawn ENOMEM","replaced_after_seconds":0.5');
    refused.clear();
    advance(500);
    processes[2]!.exit(null, null, "spawn EAGAIN");
    expect(logged.at(-1)).toContain('"reason":"spawn EAGAIN","replaced_after_seconds":1');
    advance(1_000);
    processes[3]!.listen();
    expect(logged.at(-1)).toContain("worker 2 serves");
  });
});

describe("one that hangs while it starts", () => {
  test("is killed, which ends the first start", async () => {
    const { supervisor, processes, advance, logged } = supervised(2);
    advance(600_000);
    expect(processes[0]!.isKilled).toBe(true);
    expect(logged).toEqual(['error worker 1 does not listen in time and is killed {"pid":100,"within_seconds":600}']);
    processes[0]!.exit(null, "SIGKILL");
    expect(await supervisor.started).toEqual({ exitCode: 1 });
  });

  test("is killed and replaced later on; one that listens has all the time there is", () => {
    const { processes, advance } = serving(2);
    processes[1]!.exit(1, null);
    advance(250);
    advance(600_000);
    expect(processes.map(({ isKilled }) => isKilled)).toEqual([false, false, true]);
    processes[2]!.exit(null, "SIGKILL");
    advance(500);
    processes[3]!.listen();
    advance(600_000);
    expect(processes[3]!.isKilled).toBe(false);
  });
});

describe("replacing", () => {
  test("each end in a row is waited for longer, up to a bound, and never given up", () => {
    const { processes, advance, logged } = serving(2);
    const waits: number[] = [];
    for (let ends = 0; ends < 10; ends++) {
      processes.at(-1)!.exit(null, "SIGSEGV");
      const before = processes.length;
      let waitMs = 0;
      while (processes.length === before) {
        advance(250);
        waitMs += 250;
      }
      waits.push(waitMs);
      expect(processes.at(-1)!.place).toBe(2);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
    expect(logged.at(-1)).toContain('"signal":"SIGSEGV","replaced_after_seconds":15');
  });

  test("one that has served for a minute is replaced as quickly as the first", () => {
    const { processes, advance, logged } = serving(1);
    for (let ends = 0; ends < 3; ends++) {
      advance(60_000);
      processes.at(-1)!.exit(1, null);
      expect(logged.at(-1)).toContain('"replaced_after_seconds":0.25');
      advance(250);
      processes.at(-1)!.listen();
    }
  });
});

describe("ending", () => {
  test("all are drained, and killed when they do not end", async () => {
    const { supervisor, processes, timers, advance, logged } = serving(2);
    const closed = supervisor.close();
    expect(processes.map(({ sent }) => sent.at(-1))).toEqual([{ kind: "drain" }, { kind: "drain" }]);
    processes[0]!.exit(0, null);
    advance(1_000);
    expect(processes.map(({ isKilled }) => isKilled)).toEqual([false, true]);
    expect(logged.at(-1)).toBe('error worker 2 has not ended in time and is killed {"pid":101,"within_seconds":1}');
    processes[1]!.exit(null, "SIGKILL");
    expect(await closed).toBe(1);
    expect(timers).toEqual([]);
    expect(processes).toHaveLength(2);
  });

  test("one that did not hear it yet is told when it does", async () => {
    const { supervisor, processes } = supervised(2);
    const closed = supervisor.close();
    processes[0]!.sent.length = 0;
    processes[0]!.hear();
    expect(processes[0]!.sent).toEqual([{ kind: "drain" }]);
    processes[0]!.exit(0, null);
    expect(await closed).toBe(0);
  });

  test("one that waits to be replaced is not", async () => {
    const { supervisor, processes, advance } = serving(2);
    processes[0]!.exit(1, null);
    const closed = supervisor.close();
    advance(100_000);
    processes[1]!.exit(0, null);
    expect(await closed).toBe(0);
    expect(processes).toHaveLength(2);
  });

  test("one that fails while it ends is told and gives the exit code; a terminal's signal does not", async () => {
    for (const [exitCode, signal, expected] of [
      ...[[3, null, 1] as const, [null, "SIGSEGV", 1] as const],
      ...[[null, "SIGINT", 0] as const, [0, null, 0] as const],
    ]) {
      const { supervisor, processes, logged } = serving(1);
      const closed = supervisor.close();
      processes[0]!.exit(exitCode, signal);
      expect(await closed).toBe(expected);
      expect(logged.filter((line) => line.includes("has ended"))).toHaveLength(expected);
    }
  });

  test("told to end while a failed start drains: the exit code is the failure's", async () => {
    const { supervisor, processes } = supervised(2);
    processes[0]!.listen();
    processes[1]!.exit(7, null);
    const closed = supervisor.close();
    expect(processes[0]!.sent).toEqual([{ kind: "drain" }]);
    processes[0]!.exit(0, null);
    expect([await closed, await supervisor.close(), await supervisor.started]).toEqual([7, 7, { exitCode: 7 }]);
  });
});
