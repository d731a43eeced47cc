/**
 * Projects in temporary folders, and the built command line run in them as a user runs it: another process, its texts,
 * its exit code. Whatever a test file starts or makes here is gone when the file is done.
 */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll } from "vitest";
import { CHECKOUT } from "./source-tree.ts";

const CLI = join(CHECKOUT, "dist", "cli.js");
const EXAMPLE = join(CHECKOUT, "examples", "churn");

/** Settings of Headgate's, and what npm and vitest tell their own children. */
const NOT_INHERITED =
  /^(HEADGATE_|VITEST|NODE_ENV$|INIT_CWD$|npm_(package|lifecycle|command|config_(local_prefix|package|call)))/;

const folders: string[] = [];
const running = new Set<(name: NodeJS.Signals) => unknown>();

afterAll(() => {
  for (const signal of running) signal("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** An empty folder, removed at the end of the test file. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "headgate-test-")));
  folders.push(folder);
  return folder;
}

/** Signals all processes of a group; one that ended in this moment needs none. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

/** A copy of the churn example as it is committed, with this checkout's packages. */
export function copyExample(): string {
  const project = temporaryFolder();
  cpSync(EXAMPLE, project, { recursive: true, filter: (file) => ![".headgate", "tools"].includes(basename(file)) });
  symlinkSync(join(CHECKOUT, "node_modules"), join(project, "node_modules"));
  return project;
}

/** What a process that has ended left behind. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs on. */
export interface Running {
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the first match in stdout; rejects when the process ends without one. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Signals the process and all that it started. */
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** Environment on top of this process's own, in which no setting of Headgate's is left. */
export type Environment = Readonly<Record<string, string>>;

/** Starts a program in a folder. */
export function start(command: readonly string[], cwd: string, environment: Environment = {}): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  const env = { ...Object.fromEntries(inherited), ...environment };
  const child = spawn(command[0]!, command.slice(1), { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  // A group of its own: `npm start` is a shell that does not hand signals on.
  const signal = (name: NodeJS.Signals) => signalGroup(child.pid!, name);
  running.add(signal);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<Ended>((done, fail) => {
    child.once("error", fail);
    child.once("close", (exitCode) => {
      running.delete(signal);
      done({ exitCode, stdout, stderr });
    });
  });
  return Object.freeze({
    stdout: () => stdout,
    stderr: () => stderr,
    waitFor: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((found, fail) => {
        const look = () => {
          const match = pattern.exec(stdout);
          if (match !== null) found(match);
        };
        child.stdout.on("data", look);
        look();
        ended.then(() => fail(new Error(`It ended before it wrote ${pattern}:\n${stdout}\n${stderr}`)), fail);
      }),
    signal,
    ended,
  });
}

/** Runs a program to its end. */
export function run(command: readonly string[], cwd: string, environment?: Environment): Promise<Ended> {
  return start(command, cwd, environment).ended;
}

/** The built command line with some arguments, for `start` and `run`. Throws when it is not built. */
export function headgate(...words: readonly string[]): readonly string[] {
  if (!existsSync(CLI)) throw new Error(`${CLI} is not there: npm run build first.`);
  return [process.execPath, CLI, ...words];
}

/** A gateway started by `headgate serve` on a free port. */
export interface ServedProject extends Running {
  readonly url: string;
  /** The request it printed, as printed; undefined when it printed none. */
  readonly curl: string | undefined;
}

/** Serves a project and waits until it listens. */
export async function serve(project: string, environment: Environment = {}): Promise<ServedProject> {
  const gateway = start(headgate("serve"), project, { HEADGATE_PORT: "0", ...environment });
  const [, url] = await gateway.waitFor(/ at (http:\S+) [\s\S]*\n\n/);
  const curl = /^ {2}(curl .*)$/m.exec(gateway.stdout())?.[1];
  return Object.freeze({ ...gateway, url: url!, curl });
}
