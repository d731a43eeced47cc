/** When and why a batcher takes a request not at all, or gives it back: each reason says what a client is to do. */

import { HeadgateError } from "../errors.ts";

/**
 * Of the time that a request has left, what its run may be expected to end in: runs vary, and a request that is taken and
 * then comes too late has waited for nothing. Nearer to 1 fewer are refused in a burst and more are dropped.
 */
export const BUDGET_SHARE = 0.8;

/**
 * Of the time that a request had left, by when the run that it could go with must be expected to end, else it is dropped:
 * half of the runs take longer than expected, and the answer has a way to go.
 */
export const RUN_SHARE = 0.9;

/** More rows wait than may. */
export function queueFull(queuedRows: number, rowCount: number, maxQueueRows: number): HeadgateError {
  return new HeadgateError(
    "OVERLOADED",
    `${queuedRows} rows wait for the model and ${rowCount} more would pass the limit of ${maxQueueRows}; send this request again in a moment.`,
  );
}

/** It would be answered too late. */
export function tooLate(queuedRows: number, expectedMs: number, budgetMs: number): HeadgateError {
  return new HeadgateError(
    "OVERLOADED",
    `${queuedRows} rows wait for the model, so that this request is expected to take ${Math.ceil(expectedMs)} ms of the ${Math.max(0, Math.floor(budgetMs))} it has left; send it again in a moment, or with more time.`,
  );
}

/** It was taken, and has come to be too late while it waited. */
export function cameTooLate(): HeadgateError {
  return new HeadgateError(
    "OVERLOADED",
    "The rows ahead of this request took longer than expected, so that its answer would come too late; send it again in a moment, or with more time.",
  );
}

/** The version is being closed. */
export function unloading(): HeadgateError {
  return new HeadgateError("MODEL_UNAVAILABLE", "This version of the model is being unloaded; send the request again.");
}
