#!/usr/bin/env node
/**
 * The command line: a table of commands, each with the module it imports when it is run, so that `headgate --help`
 * loads nothing. Options are read here and nowhere else.
 */

import { Command, CommanderError, Option } from "commander";
import { type CommandContext, EXIT, fail, warnOfUnknownVariables } from "./commands/command.ts";
import { HeadgateError } from "./errors.ts";
import { packageManifest } from "./package-root.ts";

interface CommandLine {
  readonly usage: string;
  readonly about: string;
  readonly example: string;
  readonly options?: readonly Option[];
  readonly run: (context: CommandContext, args: readonly string[], options: Record<string, unknown>) => Promise<number>;
}

/** Said before the command line is understood: what is wrong with it must be told as asked for, too. */
const AS_JSON = process.argv.includes("--json");
const ON_STDERR = { json: AS_JSON, stderr: process.stderr };
/** Node's exit code, without a word, when nothing is left that could settle what is awaited. */
const UNSETTLED = 13;

const flag = (flags: string, about: string) => new Option(flags, about);
const VIEWS = flag("--views <names>", "only these feature views, separated by commas");
const MATERIALIZE = [
  VIEWS,
  flag("--max-bad-rows <share>", "share of rows that may be refused before the run fails, such as 0.001"),
  flag("--max-rows-per-second <rows>", "write no faster than this, to leave a serving store room"),
  flag("--shard <i/n>", "load one of n parts, i from 1; another process loads each of the others"),
  flag("--restart", "with --shard: drop an unfinished plan that no shard is at work on"),
];

const COMMANDS: readonly CommandLine[] = [
  {
    usage: "init <dir>",
    about: "make a new project that works as it stands",
    example: "headgate init shop",
    run: async (context, [dir]) => (await import("./commands/init.ts")).init(context, dir!),
  },
  {
    usage: "import feast <repo>",
    about: "make a project of a Feast repo's definitions, and say what could not be carried over",
    example: "headgate import feast ../feature_repo --project shop",
    options: [flag("--force", "write over files that are there"), flag("--registry <file>", "its registry as a file")],
    run: async (context, [dir], options) =>
      (await import("./commands/import-feast.ts")).importFeast(context, dir!, options),
  },
  {
    usage: "plan",
    about: "show what applying the definitions would change",
    example: "headgate plan --check",
    options: [flag("--check", "fail when a change can't be applied (for a pull request's CI)")],
    run: async (context, _, options) =>
      (await import("./commands/plan.ts")).plan(context, { check: options.check === true }),
  },
  {
    usage: "apply",
    about: "record the definitions in the online store",
    example: "headgate apply",
    run: async (context) => (await import("./commands/plan.ts")).apply(context),
  },
  {
    usage: "serve",
    about: "run the gateway",
    example: "HEADGATE_PORT=9000 headgate serve --workers 4",
    options: [flag("--workers <n>", "serve by so many processes on the one port")],
    run: async (context, _, options) => (await import("./commands/serve.ts")).serve(context, options),
  },
  {
    usage: "ingest",
    about: "bring events from Kafka into the online store",
    example: "HEADGATE_KAFKA_BROKERS=localhost:9092 headgate ingest",
    options: [VIEWS, flag("--replay-dlq", "take the dead letters through again, once, and end")],
    run: async (context, _, options) => (await import("./commands/ingest.ts")).ingest(context, options),
  },
  {
    usage: "materialize <start> <end>",
    about: "load rows of an interval [start, end) of event time into the online store",
    example: "headgate materialize 2026-11-01 2026-11-23T06:00:00Z --views customer_30d_features",
    options: MATERIALIZE,
    run: async (context, [start, end], options) =>
      (await import("./commands/materialize.ts")).materializeInterval(context, start!, end!, options),
  },
  {
    usage: "materialize-incremental <end>",
    about: "load what is new since the last materialization, up to end",
    example: "headgate materialize-incremental now",
    options: MATERIALIZE,
    run: async (context, [end], options) =>
      (await import("./commands/materialize.ts")).materializeIncremental(context, end!, options),
  },
  {
    usage: "nightly",
    about: "materialize every view's new rows, once or on the schedule of nightlySchedule",
    example: "HEADGATE_NIGHTLY_SCHEDULE='0 2 * * *' headgate nightly",
    options: [VIEWS, flag("--once", "one run, whatever the schedule")],
    run: async (context, _, options) => (await import("./commands/nightly.ts")).nightly(context, options),
  },
  {
    usage: "parity",
    about: "hold what the online store serves against the files, and name the cause of every difference",
    example: "headgate parity --sample 0.01",
    options: [
      VIEWS,
      flag("--sample <share>", "look at this share of the entities, such as 0.01, chosen by their keys"),
      flag("--seed <n>", "another seed samples other entities"),
      flag("--repair", "show what would be written to put right what a materialization would"),
      flag("--yes", "with --repair: write it"),
      flag("--served", "hold what was served, by the served log, against what the files say was known then"),
      flag("--from <time>", "with --served: what was served from then on (default: a day before --to)"),
      flag("--to <time>", "with --served: what was served before then (default: now)"),
    ],
    run: async (context, _, options) => (await import("./commands/parity.ts")).parity(context, options),
  },
  {
    usage: "features list",
    about: "list feature views and services",
    example: "headgate features list",
    run: async (context) => (await import("./commands/features.ts")).listFeatures(context),
  },
  {
    usage: "features describe <view>",
    about: "show one feature view",
    example: "headgate features describe customer_30d_features",
    run: async (context, [view]) => (await import("./commands/features.ts")).describeFeature(context, view!),
  },
  {
    usage: "features get <view> [keys...]",
    about: "why this value? one entity's row as served and as stored",
    example: "headgate features get customer_30d_features customer_id=17",
    run: async (context, [view, ...keys]) => (await import("./commands/features.ts")).getFeature(context, view!, keys),
  },
  {
    usage: "models list",
    about: "load and check every model of the repository",
    example: "headgate models list",
    run: async (context) => (await import("./commands/models.ts")).listModels(context),
  },
  {
    usage: "models deploy <model> <file>",
    about: "check an ONNX file and store it as the model's next version",
    example: "headgate models deploy churn ./model.onnx --promote",
    options: [
      flag("--manifest <file>", "its manifest (default: model.json beside it, else that of the newest version)"),
      flag("--sha256 <hex>", "what the file's SHA-256 has to be"),
      flag("--dry-run", "check everything, store nothing"),
      flag("--promote", "make it stable at once"),
    ],
    run: async (context, [model, file], options) =>
      (await import("./commands/models-deploy.ts")).deployModel(context, model!, file!, options),
  },
  {
    usage: "models traffic <model> [file]",
    about: "show which versions answer whom, or put a traffic file in its place",
    example: "headgate models traffic churn traffic.json",
    run: async (context, [model, file]) =>
      (await import("./commands/models-traffic.ts")).trafficOfModel(context, model!, file),
  },
  {
    usage: "models canary <model> [version]",
    about: "send a version a share of the entities",
    example:
      "headgate models canary churn 4 --percent 10 --guard error_rate=0.02,latency_ratio=2,psi=0.25,requests=500",
    options: [
      flag("--percent <share>", "the share, from 0 to 100"),
      flag("--guard <bounds>", "end it by itself over error_rate, latency_ratio or psi in the last requests"),
    ],
    run: async (context, [model, version], options) =>
      (await import("./commands/models-traffic.ts")).canaryModel(context, model!, version, options),
  },
  {
    usage: "models shadow <model> [version]",
    about: "let a version see the same features off the answer's path",
    example: "headgate models shadow churn 5",
    options: [flag("--remove", "let it no longer")],
    run: async (context, [model, version], options) =>
      (await import("./commands/models-traffic.ts")).shadowModel(context, model!, version, options),
  },
  {
    usage: "models promote <model> [version]",
    about: "make a version stable: the canary's, or the newest",
    example: "headgate models promote churn 4",
    run: async (context, [model, version]) =>
      (await import("./commands/models-traffic.ts")).promoteModel(context, model!, version),
  },
  {
    usage: "models rollback <model>",
    about: "end the canary, or go back to the version before",
    example: "headgate models rollback churn",
    run: async (context, [model]) => (await import("./commands/models-traffic.ts")).rollbackModel(context, model!),
  },
  {
    usage: "models retire <model> [version]",
    about: "delete a version that answers nobody, or the whole model",
    example: "headgate models retire churn 3",
    options: [flag("--all", "delete the model with all of its versions, whoever they answer")],
    run: async (context, [model, version], options) =>
      (await import("./commands/models-traffic.ts")).retireVersion(context, model!, version, options),
  },
];

const GROUPS: Readonly<Record<string, string>> = {
  import: "definitions of other feature stores",
  features: "what features there are, and why a value is what it is",
  models: "what models there are, and which of their versions answer",
};

/** The program; `report` is told a finished command's exit code. */
function createProgram(report: (exitCode: number) => void): Command {
  const program = new Command("headgate")
    .description("A real-time feature store and ONNX inference gateway in one process.")
    .version(packageManifest().version)
    // Before the command as well as after it, where each command's help has them.
    .option("--project <dir>", 'the project folder (default: ".")')
    .option("--json", "answer with one JSON object")
    .exitOverride()
    .configureOutput({ writeErr: (text) => void (AS_JSON || process.stderr.write(text)) })
    .showHelpAfterError("(see --help)");
  for (const line of COMMANDS) addCommand(program, line, report);
  return program;
}

function addCommand(program: Command, line: CommandLine, report: (exitCode: number) => void): void {
  const words = line.usage.split(" ");
  const parent = words[1] !== undefined && /^[a-z]/.test(words[1]) ? groupOf(program, words.shift()!) : program;
  const command = parent
    .command(words.join(" "))
    .description(line.about)
    .option("--project <dir>", "the project folder", ".")
    .option("--json", "answer with one JSON object")
    .addHelpText("after", `\nExample:\n  $ ${line.example}`)
    .exitOverride();
  for (const option of line.options ?? []) command.addOption(option);
  command.action(async () => {
    const options = { ...command.opts<Record<string, unknown>>(), ...program.opts<Record<string, unknown>>() };
    const context = contextOf(options);
    warnOfUnknownVariables(context);
    try {
      report(await line.run(context, command.args, options));
    } catch (thrown) {
      report(fail(context, thrown));
    }
  });
}

function groupOf(program: Command, name: string): Command {
  const known = program.commands.find((command) => command.name() === name);
  return known ?? program.command(name).description(GROUPS[name]!).exitOverride();
}

function contextOf(options: Record<string, unknown>): CommandContext {
  return {
    projectDirectory: String(options.project),
    json: options.json === true,
    environment: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => Date.now(),
  };
}

/** A reader that has seen enough, such as `| head`, is no failure. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EPIPE") throw cause;
  });
}

/** Whether the command has said how it ended. */
let reported = false;
const report = (exitCode: number) => {
  reported = true;
  process.exitCode = exitCode;
};

process.once("exit", (exitCode) => {
  if (reported || (exitCode !== 0 && exitCode !== UNSETTLED)) return;
  const detail =
    "The command can't go on: something in features/ or headgate.config.ts awaits what never comes. Look at the top-level awaits there.";
  process.exitCode = fail(ON_STDERR, new HeadgateError("DEFINITION_INVALID", detail));
});

try {
  await createProgram(report).parseAsync();
} catch (thrown) {
  reported = true;
  if (!(thrown instanceof CommanderError)) throw thrown;
  // Commander has written its message, but for --json; help and version end with 0.
  const isWrong = thrown.exitCode !== 0;
  if (isWrong && AS_JSON) fail(ON_STDERR, new HeadgateError("USAGE", usageProblem(thrown)));
  process.exitCode = isWrong ? EXIT.usage : EXIT.done;
}

function usageProblem({ code, message }: CommanderError): string {
  if (code === "commander.help") return "A command is missing; see headgate --help.";
  return `${message.replace(/^error: /, "")}; see --help.`;
}
