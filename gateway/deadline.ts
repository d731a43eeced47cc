/**
 * One budget for a request, from the caller's x-deadline-ms or the gateway's default, spent step by step. A step that
 * waits on another machine is raced against it; a step that holds the event loop can only be checked when it is over.
 */

import { excerpt, HeadgateError } from "../errors.ts";

/** When a request's answer stops being wanted. */
export interface Deadline {
  readonly atMs: number;
  readonly budgetMs: number;
}

/** The longest that a timer of Node's can wait, ms (24.8 days); a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * Reads the header; a budget longer than a timer can wait is cut to that. Throws REQUEST_INVALID when it is not a
 * positive number of milliseconds.
 */
export function deadlineOf(header: string | undefined, defaultMs: number, nowMs: number): Deadline {
  if (header === undefined) return { atMs: nowMs + defaultMs, budgetMs: defaultMs };
  const budgetMs = Math.min(Number(header), TIMER_MAX_MS);
  if (!/^\d+(\.\d+)?$/.test(header) || !(budgetMs > 0)) {
    throw new HeadgateError(
      "REQUEST_INVALID",
      `x-deadline-ms is "${excerpt(header)}"; send a positive number of milliseconds.`,
    );
  }
  return { atMs: nowMs + budgetMs, budgetMs };
}

/** Throws DEADLINE_EXCEEDED naming the step that ended too late. */
export function checkDeadline(deadline: Deadline, nowMs: number, step: string): void {
  if (nowMs < deadline.atMs) return;
  throw new HeadgateError(
    "DEADLINE_EXCEEDED",
    `The ${deadline.budgetMs} ms budget was spent when ${step} was done. Send a larger x-deadline-ms or fewer entities.`,
  );
}

/** The refusal of a step that was still under way when the budget was spent. */
function deadlineExceeded(deadline: Deadline, step: string): HeadgateError {
  return new HeadgateError("DEADLINE_EXCEEDED", `The ${deadline.budgetMs} ms budget passed during ${step}.`);
}

/** Waits for a step no longer than the deadline. The step itself is not cancelled. */
export function withinDeadline<T>(step: Promise<T>, deadline: Deadline, nowMs: number, name: string): Promise<T> {
  // One promise by hand: Promise.race and `finally` make four of them.
  return new Promise((done, fail) => {
    const expire = () => fail(deadlineExceeded(deadline, name));
    const timer = setTimeout(expire, Math.max(0, deadline.atMs - nowMs));
    step.then(
      (result) => {
        clearTimeout(timer);
        done(result);
      },
      (thrown: unknown) => {
        clearTimeout(timer);
        fail(thrown);
      },
    );
  });
}
