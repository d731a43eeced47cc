import { expect, test } from "vitest";
import type { Models } from "../models/lifecycle.ts";
import type { RefreshedUntil } from "../models/served-model.ts";
import { tellingModels } from "./workers-models.ts";

type Refreshed = readonly [name: string | undefined, until: RefreshedUntil | undefined];

/** Models whose refresh ends as it is told to, and others that are asked. */
function telling(refresh: () => Promise<void> = async () => {}) {
  const refreshed: Refreshed[] = [];
  const asked: unknown[] = [];
  let answer: () => void = () => {};
  const models: Models = {
    get: () => undefined,
    list: () => [],
    refresh: (name, until) => {
      refreshed.push([name, until]);
      return refresh();
    },
    close: async () => {},
  };
  const ask = (question: unknown) => {
    asked.push(question);
    return new Promise<[]>((answered) => {
      answer = () => answered([]);
    });
  };
  return { models: tellingModels(models, { ask }), refreshed, asked, answer: () => answer() };
}

test("what is refreshed and what for is the same everywhere", async () => {
  const { models, refreshed, asked, answer } = telling();
  const all: readonly Refreshed[] = [
    ["churn", "answering"],
    ["churn", "loaded"],
    ["churn", undefined],
    [undefined, undefined],
  ];
  for (const [model, until] of all) {
    const done = models.refresh(model, until);
    answer();
    await done;
    expect(refreshed.at(-1)).toEqual([model, until]);
    expect(asked.at(-1)).toEqual({ about: "models", model, until });
  }
});

test("a refresh that fails here is told when the others have answered, and not before", async () => {
  const { models, answer } = telling(async () => {
    throw new Error("the repository is away");
  });
  let isTold = false;
  const failed = models.refresh("churn").catch((thrown: Error) => {
    isTold = true;
    return thrown.message;
  });
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  expect(isTold).toBe(false);
  answer();
  expect(await failed).toBe("the repository is away");
});
