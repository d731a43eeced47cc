/**
 * The steps of a deploy, one after another: each has a name, a time and a sentence, said as soon as it is over, so that
 * who waits sees how far it is and who was refused sees where. The first step that fails is the last.
 */

import { reasonOf } from "../errors.ts";

/** The steps, in their order. "dry_run" is of real entities of the online store; "store" makes the version visible. */
export type DeployStepName =
  | "checksum"
  | "graph"
  | "manifest"
  | "signature"
  | "golden"
  | "dry_run"
  | "parity"
  | "store"
  | "promote";

/** A step that is over. */
export interface DeployStep {
  readonly step: DeployStepName;
  readonly ok: boolean;
  /** What was found, or why it failed: a sentence. */
  readonly detail: string;
  readonly durationMs: number;
}

/** What a step gives to the next ones, and what it tells. */
export interface StepResult<T> {
  readonly value: T;
  readonly detail: string;
}

/** Runs one step and tells of it. Rejects as the step does. */
export type RunStep = <T>(step: DeployStepName, work: () => Promise<StepResult<T>>) => Promise<T>;

/**
 * Makes the way to run steps; `now` is monotonic ms, `onStep` is told of each step as soon as it is over. Once `signal` is
 * aborted no step begins, and one that fails has failed for the signal's reason.
 */
export function createSteps(now: () => number, onStep: (step: DeployStep) => void, signal?: AbortSignal): RunStep {
  return async (step, work) => {
    const startMs = now();
    const tell = (ok: boolean, detail: string) =>
      onStep(Object.freeze({ step, ok, detail, durationMs: now() - startMs }));
    try {
      signal?.throwIfAborted();
      const { value, detail } = await work();
      tell(true, detail);
      return value;
    } catch (thrown) {
      const reason: unknown = signal?.aborted ? signal.reason : thrown;
      tell(false, reasonOf(reason));
      throw reason;
    }
  };
}
