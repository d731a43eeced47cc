/**
 * A bench's worker: a process of its own that does one job after the other, told and answered by IPC. Both ends are
 * here: the bench starts and asks, the worker's program serves. The same two types on both ends, what each job is given
 * and what it answers, by the job's name, keep them to one another.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { pinned } from "./process-cpu.ts";

/** What each of these jobs is given, or answers. */
type Each<Jobs> = { readonly [Name in keyof Jobs]: object };

/** A running worker: one job at a time. */
export interface Worker<Jobs extends Each<Jobs>, Answers extends Each<Jobs>> {
  readonly pid: number;
  /** Rejects when the job fails. */
  ask<Name extends keyof Jobs>(name: Name, job: Jobs[Name]): Promise<Answers[Name]>;
  stop(): Promise<void>;
}

/** How each job is done. */
type Work<Jobs, Answers extends Each<Jobs>> = {
  readonly [Name in keyof Jobs]: (job: Jobs[Name]) => Promise<Answers[Name]>;
};

/** What a worker is sent: the job, which has no `name` of its own, with its name. */
type Message<Jobs, Name extends keyof Jobs> = Jobs[Name] & { readonly name: Name };

interface Failure {
  readonly failed: string;
}

/** Starts a program that serves these jobs; `core` undefined lets it run on any. */
export function startWorker<Jobs extends Each<Jobs>, Answers extends Each<Jobs>>(
  program: URL,
  core: number | undefined,
): Worker<Jobs, Answers> {
  const file = fileURLToPath(program);
  const words = [process.execPath, "--import", import.meta.resolve("jiti/register"), file];
  const [command, ...args] = core === undefined ? words : pinned(core, words);
  // JSON has no Infinity, which a latency may be.
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"], serialization: "advanced" });
  const exited = once(child, "exit");
  return Object.freeze({
    pid: child.pid!,
    async ask<Name extends keyof Jobs>(name: Name, job: Jobs[Name]) {
      const ended = exited.then((): Failure => ({ failed: `${basename(file)} ended before it answered.` }));
      const answered = once(child, "message") as Promise<[Answers[Name] | Failure]>;
      child.send({ ...job, name } satisfies Message<Jobs, Name>);
      const answer = await Promise.race([answered.then(([message]) => message), ended]);
      if ("failed" in answer) throw new Error(answer.failed);
      return answer;
    },
    async stop() {
      child.kill();
      await exited;
    },
  });
}

/** Does the jobs that this process is asked for. */
export function serveJobs<Jobs extends Each<Jobs>, Answers extends Each<Jobs>>(work: Work<Jobs, Answers>): void {
  process.on("message", async <Name extends keyof Jobs>(message: Message<Jobs, Name>) => {
    try {
      process.send!(await work[message.name](message));
    } catch (thrown) {
      process.send!({ failed: String(thrown) } satisfies Failure);
    }
  });
}
