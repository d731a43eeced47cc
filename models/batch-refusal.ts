/** Why a batcher takes a request not at all, or gives it back: each says what a client is to do. */

import { HeadgateError } from "../errors.ts";

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
