import { expect, it } from "vitest";
import { endingAll, endUnderWay } from "./ends.ts";

it("ends what was kept, the last one first, also where the work or a start fails", async () => {
  const ended: string[] = [];
  const server = (name: string) => ({ name, stop: async () => void ended.push(name) });
  const answer = await endingAll(async (keep) => {
    await keep({ remove: () => void ended.push("folder") });
    return (await keep(Promise.resolve(server("server")))).name;
  });
  expect(answer).toBe("server");
  expect(ended.splice(0)).toEqual(["server", "folder"]);
  const failing = endingAll(async (keep) => {
    await keep(server("first"));
    await keep(Promise.reject<ReturnType<typeof server>>(new Error("no start")));
  });
  await expect(failing).rejects.toThrow("no start");
  expect(ended).toEqual(["first"]);
});

it("ends what is under way, once, also what is only starting, when a signal comes", async () => {
  const ended: string[] = [];
  let start = () => {};
  const starting = new Promise<void>((started) => {
    start = started;
  });
  let outer: Promise<void> | undefined;
  await new Promise<void>((isStarting) => {
    outer = endingAll(async (keep) => {
      await keep({ remove: () => void ended.push("folder") });
      await endingAll(async (keepInner) => {
        await keepInner({ stop: () => void ended.push("server") });
        const late = keepInner(starting.then(() => ({ stop: () => void ended.push("started late") })));
        isStarting();
        await late;
      });
    });
  });
  const signalled = endUnderWay();
  start();
  await expect(outer).rejects.toThrow("The bench is interrupted.");
  await signalled;
  expect(ended).toEqual(["started late", "server", "folder"]);
  await endUnderWay();
  expect(ended).toHaveLength(3);
});

it("waits for an end that has begun before a signal came", async () => {
  const told: string[] = [];
  let stopped = () => {};
  const stopping = new Promise<void>((ended) => {
    stopped = ended;
  });
  let work: Promise<void> | undefined;
  await new Promise<void>((isStopping) => {
    work = endingAll(async (keep) => {
      const stop = async () => {
        isStopping();
        await stopping;
        told.push("stopped");
      };
      await keep({ stop });
    });
  });
  const signalled = endUnderWay().then(() => told.push("exit"));
  // All that need not wait has happened by then.
  await new Promise(setImmediate);
  stopped();
  await Promise.all([work, signalled]);
  expect(told).toEqual(["stopped", "exit"]);
});

it("ends a work that begins while another is ended for a signal", async () => {
  const ended: string[] = [];
  await endingAll(async (keep) => {
    const stop = () => {
      void endingAll(async (keepLate) => {
        await keepLate({ stop: () => void ended.push("begun late") });
        await new Promise(() => {});
      });
      ended.push("first");
    };
    await keep({ stop });
    await endUnderWay();
  });
  expect(ended).toEqual(["first", "begun late"]);
});

it("ends what a work starts after a signal", async () => {
  const ended: string[] = [];
  const work = endingAll(async (keep) => {
    await keep({ stop: () => void ended.push("first") });
    await endUnderWay();
    await keep({ stop: () => void ended.push("second") });
  });
  await expect(work).rejects.toThrow("The bench is interrupted.");
  expect(ended).toEqual(["first", "second"]);
});

it("ends the others where an end fails, and tells that only where the work did not fail", async () => {
  const ended: string[] = [];
  const work = (result: () => string) =>
    endingAll(async (keep) => {
      await keep({ stop: () => void ended.push("redis") });
      await keep({ stop: () => Promise.reject(new Error("the second end")) });
      await keep({ remove: () => void ended.push("folder") });
      await keep({
        remove: () => {
          throw new Error("the first end");
        },
      });
      return result();
    });
  await expect(work(() => "done")).rejects.toThrow("the first end");
  expect(ended.splice(0)).toEqual(["folder", "redis"]);
  const failing = () => {
    throw new Error("the work");
  };
  await expect(work(failing)).rejects.toThrow("the work");
  expect(ended).toEqual(["folder", "redis"]);
});
