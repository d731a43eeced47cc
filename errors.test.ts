import { expect, test } from "vitest";
import { reasonOf } from "./errors.ts";

test("anything that is thrown has a text", () => {
  const thrown = {
    get message(): string {
      throw new Error("no");
    },
  };
  const error = Object.setPrototypeOf(thrown, Error.prototype);
  const odd = Object.assign(new Error(), { message: { toString: () => "odd" } });
  const proxy = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error("no");
      },
    },
  );
  expect([new Error("it is away"), "text", 5, undefined, null, Symbol("s"), odd].map(reasonOf)).toEqual([
    ...["it is away", "text", "5", "undefined", "null", "Symbol(s)", "odd"],
  ]);
  expect([Object.create(null), error, proxy].map(reasonOf)).toEqual(
    Array.from({ length: 3 }, () => "something without a text was thrown"),
  );
});
