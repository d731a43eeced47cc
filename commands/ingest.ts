/** `headgate ingest`: Kafka into the online store, until SIGTERM or SIGINT; with --replay-dlq the dead letters, once. */

import { type Config, loadConfig } from "../config.ts";
import type { JsonValue } from "../features/json-value.ts";
import { type Ingester, replay, startIngester } from "../ingest/main.ts";
import { formatReplayReport } from "../ingest/replay.ts";
import { callable } from "../listening.ts";
import { answer, type CommandContext, EXIT } from "./command.ts";

/** Options as the command line has them. */
export interface IngestFlags {
  readonly views?: string;
  readonly replayDlq?: boolean;
}

/** Ingests; returns when a signal came and everything under way is done. Throws what ends an ingester by itself. */
export async function ingest(context: CommandContext, flags: IngestFlags): Promise<number> {
  const config = await loadConfig(context.projectDirectory, context.environment);
  const request = {
    views: flags.views?.split(",").map((name) => name.trim()),
    writeLog: (line: string) => void context.stderr.write(line),
  };
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once("SIGTERM", stop).once("SIGINT", stop);
  try {
    if (flags.replayDlq === true) {
      const report = await replay(config, request, stopped.signal);
      answer(context, report as unknown as JsonValue, formatReplayReport(report));
      return report.remaining === 0 ? EXIT.done : EXIT.failed;
    }
    const ingester = await startIngester(config, request);
    answer(
      context,
      { group: ingester.group, topics: ingester.topics, health: callable(ingester.healthUrl) },
      welcome(config, ingester),
    );
    try {
      await Promise.race([ingester.ended, aborted(stopped.signal)]);
    } finally {
      await ingester.close();
    }
    return EXIT.done;
  } finally {
    process.off("SIGTERM", stop).off("SIGINT", stop);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function welcome({ project, kafkaBrokers }: Config, { group, topics, healthUrl }: Ingester): string {
  const streams = Object.entries(topics).map(([topic, views]) => `${topic} → ${views.join(", ")}`);
  return `Headgate ingests ${project} from ${kafkaBrokers} as group ${group}: ${streams.join("; ")} (health: ${callable(healthUrl)}/readyz)`;
}
