/**
 * A project whose view of scores is streamed from two topics and loaded nightly from a file, its ingesters, and looks at
 * what its store holds and what its group has committed.
 */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadFeatureRepository } from "../../features/feature-repository.ts";
import { STATUS_NAMES } from "../../features/feature-status.ts";
import { float32, int64 } from "../../features/field.ts";
import { compileReadPlan } from "../../features/read-plan.ts";
import { createFeatureReader } from "../../features/reader.ts";
import { compileDecodeValues } from "../../features/row-codec.ts";
import { isTombstone, readRowOrder } from "../../features/row-order.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { openOnlineStore } from "../../features/store/open.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import { type KafkaTopics, until } from "./kafka.ts";
import { type Environment, headgate, type Running, run, start, temporaryFolder } from "./project.ts";
import { PARTITIONS, type ScoreEvent, type ScoreValues, type StoredScoreRow, TOPICS } from "./score-events.ts";
import { CHECKOUT } from "./source-tree.ts";

/** Rows that are asked for at once: a store that is slow to answer counts as away. */
const READ_ROWS = 1_000;

/** An ingester that has said where its health is. */
export interface RunningIngester extends Running {
  /** Answers of its health port. */
  get(path: "/readyz" | "/metrics"): Promise<{ readonly status: number; readonly text: string }>;
}

/** A row that is stored, with its bytes. */
export interface ScannedRow extends StoredScoreRow {
  readonly bytes: Uint8Array;
}

/** The project. */
export class ScoreStream {
  readonly folder = temporaryFolder();
  readonly name: string;
  readonly topics: readonly string[];
  readonly broker: KafkaTopics;
  readonly #environment: Environment;

  /** Nothing is made of it but its folder; `environment` is of all its commands. */
  constructor(name: string, broker: KafkaTopics, environment: Environment) {
    this.name = name;
    this.broker = broker;
    this.topics = Array.from({ length: TOPICS }, (_, i) => `${name}-${i}`);
    this.#environment = {
      HEADGATE_KAFKA_BROKERS: broker.brokers.join(","),
      HEADGATE_HEALTH_PORT: "0",
      ...environment,
    };
    const sources = this.topics.map((topic) => `kafkaSource({ topic: "${topic}", timestampField: "ts" })`);
    symlinkSync(join(CHECKOUT, "node_modules"), join(this.folder, "node_modules"));
    mkdirSync(join(this.folder, "features"));
    const config = `import { defineConfig } from "headgate";\nexport default defineConfig({ project: "${name}" });\n`;
    writeFileSync(join(this.folder, "headgate.config.ts"), config);
    writeFileSync(join(this.folder, "features", "scores.ts"), definitions(sources));
  }

  /** Makes the topics and applies the definitions to a store. */
  async begin(storeUrl: string): Promise<void> {
    for (const topic of this.topics) await this.broker.createTopic(topic, PARTITIONS);
    await this.apply(storeUrl);
  }

  /** Applies the definitions to a store. Rejects with what the command wrote when it fails. */
  async apply(storeUrl: string): Promise<void> {
    await this.command(["apply"], storeUrl);
  }

  /** Runs a command on a store to its end. Rejects with what it wrote when it fails. */
  async command(words: readonly string[], storeUrl: string): Promise<void> {
    const environment = { ...this.#environment, HEADGATE_ONLINE_STORE: storeUrl };
    const { exitCode, stderr } = await run(headgate(...words), this.folder, environment);
    if (exitCode !== 0) throw new Error(`headgate ${words.join(" ")} ended with ${exitCode}:\n${stderr}`);
  }

  /** Starts an ingester and waits until it is a member of its group. */
  async ingest(storeUrl: string, environment: Environment = {}): Promise<RunningIngester> {
    const all = { ...this.#environment, HEADGATE_ONLINE_STORE: storeUrl, ...environment };
    const running = start(headgate("ingest"), this.folder, all);
    const [, url] = await running.waitFor(/\(health: (\S+)\/readyz\)/);
    const get = async (path: string) => {
      const response = await fetch(`${url}${path}`);
      return { status: response.status, text: await response.text() };
    };
    await until("the ingester to be ready", async () => (await get("/readyz")).status === 200);
    return { ...running, get };
  }

  /** Produces events in their order; again when the broker goes away meanwhile, so some may be there twice. */
  async produce(events: readonly ScoreEvent[]): Promise<void> {
    const places = new Map<string, ScoreEvent[]>();
    for (const event of events) {
      const place = `${event.topic}/${event.partition}`;
      places.set(place, [...(places.get(place) ?? []), event]);
    }
    await Promise.all(
      [...places.values()].map((ofPlace) =>
        until("the broker to take events", async () => {
          const { topic, partition } = ofPlace[0]!;
          const messages = ofPlace.map(({ message }) => message);
          await this.broker.produce(this.topics[topic]!, messages, partition);
          return true;
        }),
      ),
    );
  }

  /** What a group has committed, by topic and partition; 0 where nothing. */
  async committed(group = `headgate-${this.name}`): Promise<readonly (readonly number[])[]> {
    const answers = await this.broker.admin.fetchOffsets({ groupId: group, topics: [...this.topics] });
    return this.topics.map((topic) => {
      const offsets = new Array<number>(PARTITIONS).fill(0);
      for (const { partition, offset } of answers.find((one) => one.topic === topic)!.partitions) {
        offsets[partition] = Math.max(0, Number(offset));
      }
      return offsets;
    });
  }

  /** Waits until a group has committed all that its topics have. */
  async drained(group?: string): Promise<void> {
    await until("the group to have committed everything", async () => {
      const ends = await Promise.all(this.topics.map((topic) => this.broker.admin.fetchTopicOffsets(topic)));
      const committed = await this.committed(group);
      return ends.every((ofTopic, i) =>
        ofTopic.every(({ partition, high }) => committed[i]![partition] === Number(high)),
      );
    });
  }

  /** Opens the store, to look into it. */
  openStore(storeUrl: string): Promise<OnlineStore> {
    return openOnlineStore(storeUrl, { projectDirectory: this.folder, project: this.name });
  }

  /** What serving would answer of customers at a time: values as texts, and statuses. */
  async served(store: OnlineStore, customerIds: readonly number[], nowMs: number): Promise<readonly string[]> {
    const service = (await loadFeatureRepository(this.folder)).services.get("all")!;
    const reader = createFeatureReader(store, new StoredSchemas(store.control), compileReadPlan(service));
    const texts: string[] = [];
    for (let from = 0; from < customerIds.length; from += READ_ROWS) {
      const some = customerIds.slice(from, from + READ_ROWS);
      const vectors = await reader.read(
        some.map((customerId) => ({ customer_id: customerId })),
        [],
        nowMs,
      );
      for (const { values, statuses } of vectors) {
        texts.push(values.map((value, i) => `${value} ${STATUS_NAMES[statuses[i]!]}`).join(", "));
      }
    }
    return texts;
  }
}

function definitions(sources: readonly string[]): string {
  return `
import { entity, featureService, featureView, fileSource, float32, int64, kafkaSource } from "headgate";

export const customer = entity("customer", { joinKeys: { customer_id: int64() } });
export const scores = featureView("scores", {
  entities: [customer],
  ttl: "2d",
  schema: { total: int64(), score: float32() },
  source: fileSource({ path: "scores.parquet", timestampField: "event_ts", createdField: "created" }),
  stream: [${sources.join(", ")}],
});
export const all = featureService("all", [scores.select("total", "score")]);
`;
}

/** Every stored row of the view, by entity key. */
export async function scanScores(store: OnlineStore): Promise<ReadonlyMap<string, ScannedRow>> {
  const decode = compileDecodeValues([int64(), float32()]);
  const rows = new Map<string, ScannedRow>();
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await store.scan("scores", READ_ROWS, cursor);
    for (const { key, bytes } of page.rows) {
      const { eventTimestampUs, createdTimestampUs, sourceRank, position } = readRowOrder(bytes);
      const [total, score] = isTombstone(bytes) ? [] : decode(bytes);
      const values: ScoreValues | undefined = isTombstone(bytes)
        ? undefined
        : [total === null ? null : BigInt(total as number), score as number | null];
      rows.set(key, { order: [eventTimestampUs, createdTimestampUs, sourceRank, position], values, bytes });
    }
    cursor = page.cursor;
  }
  return rows;
}
