import { expect, test } from "vitest";
import { DEAD_LETTERS_ALWAYS, DeadLetterRate } from "./dead-letter-rate.ts";

const example = () => "orders[0]@1";

test("so many bad events are let through whatever their share, and none more", () => {
  const rate = new DeadLetterRate({ maxDeadLetters: 0.05, deadLetterWindow: 10_000 });
  rate.check("orders", 19, DEAD_LETTERS_ALWAYS - 1, example);
  expect(() => rate.check("orders", 20, DEAD_LETTERS_ALWAYS, example)).toThrow(
    expect.objectContaining({
      code: "TOO_MANY_DEAD_LETTERS",
      message: expect.stringMatching(/20 of the last 20 events of topic "orders" .*5% of 10000.*orders\[0\]@1/),
    }),
  );
});

test("the share is of a topic's own last events", () => {
  const rate = new DeadLetterRate({ maxDeadLetters: 0.1, deadLetterWindow: 1_000 });
  for (let i = 0; i < 9; i++) rate.count("orders", 100, 10);
  rate.count("clicks", 1_000_000, 0);
  expect(() => rate.check("orders", 100, 11, example)).toThrow("101 of the last 1000");
  rate.check("orders", 100, 10, example);
  // The older ones leave the window.
  for (let i = 0; i < 10; i++) rate.count("orders", 100, 0);
  rate.check("orders", 100, 99, example);
});

test("0 stops at the first bad event, and good ones never stop anything", () => {
  const rate = new DeadLetterRate({ maxDeadLetters: 0, deadLetterWindow: 1_000 });
  rate.check("orders", 1_000, 0, example);
  expect(() => rate.check("orders", 1_000, 1, example)).toThrow("1 of the last 1000");
});
