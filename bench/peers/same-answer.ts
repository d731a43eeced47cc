/** Whether a peer does the work that it is measured at: its answers are held against Headgate's. */

import { predictBody } from "../predict-body.ts";
import type { ServerUnderTest } from "../server-under-test.ts";

/** Customers that are asked for. */
const CHECKED = [1, 17, 4_711, 99_999];
/** ONNX Runtime's builds for Node and Python may differ by so much in a float32. */
const TOLERANCE = 1e-5;

interface Answer {
  readonly predictions: readonly [{ readonly label: number; readonly probabilities: readonly number[] }];
}

/** Makes a check of a server's predictions; what is not reached yet, or answers otherwise, is not ready. */
export function isSamePrediction(headgate: ServerUnderTest): (url: string) => Promise<boolean> {
  return async (url) => {
    for (const id of CHECKED) {
      const body = predictBody("predict", 1, () => id);
      const [wanted, given] = await Promise.all(
        [headgate.url, url].map((server) => ask<Answer>(`${server}/predict`, body)),
      );
      if (given === undefined || !isSame(wanted!, given)) return false;
    }
    return true;
  };
}

/** Same label and, within float32, the same probabilities. */
export function isSame({ predictions: [wanted] }: Answer, { predictions: [given] }: Answer): boolean {
  const isNear = (probability: number, i: number) => Math.abs(probability - given.probabilities[i]!) < TOLERANCE;
  return wanted.label === given.label && wanted.probabilities.every(isNear);
}

/** True when Feast's server has values for the customers. */
export async function isFeastReady(url: string): Promise<boolean> {
  const ids = CHECKED.values();
  const body = predictBody("feast", CHECKED.length, () => ids.next().value!);
  const answer = await ask<{ results: readonly { values: readonly unknown[] }[] }>(`${url}/get-online-features`, body);
  return answer?.results.every(({ values }) => values.every((value) => value !== null)) ?? false;
}

async function ask<Answered>(url: string, body: string): Promise<Answered | undefined> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body });
  return response.ok ? ((await response.json()) as Answered) : undefined;
}
