import { expect, test } from "vitest";
import { FetchSilence } from "./kafka-silence.ts";

test("silence counts from the last fetch, and not while the group forms, unless that takes for ever", () => {
  let nowMs = 1_000;
  const silence = new FetchSilence(() => nowMs);
  nowMs += 60_000;
  expect(silence.lengthMs()).toBe(0);
  silence.joined();
  nowMs += 500;
  expect(silence.lengthMs()).toBe(500);
  silence.heard();
  expect(silence.lengthMs()).toBe(0);
  nowMs += 100;
  silence.joining();
  nowMs += 30_000;
  silence.joining();
  nowMs += 30_000;
  expect(silence.lengthMs()).toBe(0);
  nowMs += 2_000;
  expect(silence.lengthMs()).toBe(2_000);
  silence.joined();
  expect(silence.lengthMs()).toBe(0);
});
