/**
 * The ingester as a process: opens definitions, store and Kafka, reads until it is closed, and says how it is doing.
 * What is wrong in settings and definitions is found before anything is read; a broker or a store that goes away later
 * is waited for.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import { HeadgateError, reasonOf } from "../errors.ts";
import { AppliedRegistryWatch, type HeldRegistry, readHeldRegistry } from "../features/applied-registry-watch.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { whileHeld } from "../features/held-writes.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { openOnlineStore } from "../features/store/open.ts";
import { type HealthServer, openHealthServer } from "../health-server.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { openConsumer, type StreamConsumer } from "./consumer.ts";
import { openDeadLetterQueue } from "./dead-letter.ts";
import { DeadLetterRate } from "./dead-letter-rate.ts";
import { compileTopicDecoder } from "./decode.ts";
import { type End, endsOnce } from "./ending.ts";
import { gatherWrites } from "./gathered-writes.ts";
import type { KafkaConnection } from "./kafka-client.ts";
import { openProducer, type StreamProducer } from "./kafka-producer.ts";
import { createPartitionLoad } from "./partition-load.ts";
import { checkIngestReadiness } from "./readiness.ts";
import { RefusedBatches } from "./refused-batches.ts";
import { type ReplayReport, replayDeadLetters } from "./replay.ts";
import { openSchemaRegistry } from "./schema-registry.ts";
import { StoreHistory } from "./store-history.ts";
import { consumerGroup, consumerSettings, kafkaConnection, startFrom } from "./stream-settings.ts";
import { StreamState } from "./stream-state.ts";
import { chooseStreams, planTopics, type Subscription, type TopicPlan } from "./topic-plan.ts";

/** A running ingester. */
export interface Ingester {
  readonly group: string;
  /** Topic → names of the views that it feeds. */
  readonly topics: Readonly<Record<string, readonly string[]>>;
  /** Where /livez, /readyz and /metrics are. */
  readonly healthUrl: string;
  /**
   * Resolves when closed; rejects with what ends it: STREAM_DENIED, TOO_MANY_DEAD_LETTERS, and REGISTRY_NOT_APPLIED when the
   * store has lost the registry. It is still to be closed then.
   */
  readonly ended: Promise<void>;
  /** Finishes the batches under way, commits, leaves the group and frees everything. Safe to call twice. */
  close(): Promise<void>;
}

/** What the command line asks for. */
export interface IngestRequest {
  /** Names; undefined: every view that has a stream. */
  readonly views: readonly string[] | undefined;
  readonly writeLog: (line: string) => void;
}

/**
 * Starts an ingester. Throws what any part of it refuses: CONFIG_INVALID, DEFINITION_INVALID, VIEW_NOT_FOUND,
 * SOURCE_NOT_FOUND, REGISTRY_NOT_APPLIED, STORE_UNREACHABLE …
 */
export async function startIngester(config: Config, request: IngestRequest): Promise<Ingester> {
  const now = () => Date.now();
  const project = await openStreams(config, request.views, now);
  const telemetry = startTelemetry(request.writeLog, now);
  try {
    return await start({ ...project, config, telemetry, now, group: consumerGroup(config, request.views) });
  } catch (thrown) {
    telemetry.stop();
    await project.close();
    throw thrown;
  }
}

/** Replays the dead letters of the views' topics, see replay.ts. Throws what startIngester does. */
export async function replay(config: Config, { views }: IngestRequest, signal: AbortSignal): Promise<ReplayReport> {
  const now = () => Date.now();
  const project = await openStreams(config, views, now);
  const { plan, store, producer, connection } = project;
  try {
    return await replayDeadLetters({
      plan,
      store,
      ensureTopic: (topic, likeTopic) => producer.ensureTopic(topic, likeTopic),
      openConsumer: (topics, onBatch) =>
        openConsumer({
          ...consumerSettings(config),
          connection,
          now: monotonicMs,
          // A group of its own that has committed nothing; Kafka forgets it when its offsets' retention is over.
          groupId: `${consumerGroup(config, views)}-dlq-${new Date(now()).toISOString()}`,
          topics,
          startFrom: "earliest",
          onBatch,
        }),
      views: views === undefined ? undefined : new Set(views),
      maxFutureMs: config.maxFuture,
      now,
      signal,
    });
  } finally {
    await project.close();
  }
}

interface OpenedStreams {
  readonly registry: Registry;
  readonly store: OnlineStore;
  /** What the plan writes by, to be watched. */
  readonly held: HeldRegistry;
  readonly connection: KafkaConnection;
  readonly producer: StreamProducer;
  readonly plan: TopicPlan;
  close(): Promise<void>;
}

async function openStreams(
  config: Config,
  views: readonly string[] | undefined,
  now: () => number,
): Promise<OpenedStreams> {
  const connection = kafkaConnection(config);
  const registry = await loadFeatureRepository(config.projectDirectory);
  const streams = chooseStreams(registry, views);
  const compileDecoder = decoderCompiler(config, now);
  const store = await openOnlineStore(config.onlineStore, {
    ...config,
    registry,
    redis: { minReplicas: config.minReplicas, now: () => performance.now() },
  });
  try {
    const chosen = [...streams.values()].flat().map(({ view }) => view);
    const held = await readHeldRegistry(store.control, registry, chosen);
    const plan = planTopics({
      streams,
      applied: held.lines,
      compileDecoder,
      control: store.control,
      maxFutureMs: config.maxFuture,
      expiryGraceMs: config.expiryGrace,
      onlineStoreLayout: config.onlineStoreLayout,
    });
    const producer = openProducer(connection);
    const close = async () => {
      await producer.close();
      await store.close();
    };
    return { registry, store, held, connection, producer, plan, close };
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

function decoderCompiler({ schemaRegistry }: Config, now: () => number) {
  const registry = schemaRegistry === "" ? undefined : openSchemaRegistry(schemaRegistry, { now });
  return (subscriptions: readonly Subscription[]) => compileTopicDecoder(subscriptions, registry);
}

interface Parts extends OpenedStreams {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  readonly group: string;
}

async function start(parts: Parts): Promise<Ingester> {
  const { config, held, plan, telemetry, group } = parts;
  const ending = endsOnce();
  const onChange = (problem: string | undefined) => {
    // A store that was applied to anew may have lost the origins' ids; one that lost the registry ends the ingester.
    plan.forgetOrigins();
    if (problem !== undefined) ending.end(new HeadgateError("REGISTRY_NOT_APPLIED", problem));
  };
  const watch = new AppliedRegistryWatch({ ...held, onChange });
  const stream = openStream(parts, watch, ending.end);
  const { consumer, state, history } = stream;
  let health: HealthServer;
  try {
    health = await openHealth(parts, stream);
  } catch (thrown) {
    await consumer.close();
    await history.close();
    throw thrown;
  }
  const poll = () => {
    void state.publish(false);
    history.check().catch((cause: unknown) => tellUnchecked(telemetry, cause));
  };
  const polling = setInterval(poll, config.historyInterval);
  poll();
  watch.start((ms, signal) => sleep(ms, undefined, { signal }));
  const close = async () => {
    clearInterval(polling);
    // First, so that what it found stays found: a batch under way is then not taken, whatever is applied meanwhile.
    await watch.close();
    await consumer.close();
    await history.close();
    await health.close();
    await parts.close();
    telemetry.stop();
    ending.end(undefined);
  };
  let closed: Promise<void> | undefined;
  return Object.freeze({
    group,
    topics: Object.fromEntries([...plan.topics].map(([topic, { views }]) => [topic, views])),
    healthUrl: health.url,
    ended: ending.ended,
    close: () => (closed ??= close()),
  });
}

interface Stream {
  readonly consumer: StreamConsumer;
  readonly refused: RefusedBatches;
  readonly state: StreamState;
  readonly history: StoreHistory;
}

/** Begins to read. */
function openStream(parts: Parts, watch: AppliedRegistryWatch, end: End): Stream {
  const { config, plan, store, producer, connection, now, group } = parts;
  const load = createPartitionLoad({
    plan,
    store: whileHeld(gatherWrites(store), watch),
    deadLetters: openDeadLetterQueue(producer),
    rate: new DeadLetterRate(config),
    maxFutureMs: config.maxFuture,
    now,
    onApplied: (topic, partition, records) => {
      history.applied(topic, partition, records[0]!.offset, records.at(-1)!.offset + 1n);
      state.applied(topic, partition, records.at(-1)!.timestampMs);
    },
  });
  const refused = new RefusedBatches({ now, onLasting: end });
  const watched = refused.watched(load);
  const consumer = openConsumer({
    ...consumerSettings(config),
    connection,
    now: monotonicMs,
    groupId: group,
    topics: [...plan.topics.keys()],
    startFrom: startFrom(config.ingestStart),
    onBatch: (batch, signal) => {
      state.begun(batch.topic, batch.partition, batch.records[0]!.timestampMs);
      return watched(batch, signal);
    },
  });
  consumer.ended.catch(end);
  const state = new StreamState(consumer, now);
  const history = new StoreHistory({
    store,
    groupId: group,
    consumer,
    replayMs: config.ingestReplay,
    now: monotonicMs,
    onChange: () => plan.forgetOrigins(),
  });
  return { consumer, refused, state, history };
}

function openHealth(
  { config, store, group, registry, telemetry }: Parts,
  { consumer, refused, state }: Stream,
): Promise<HealthServer> {
  return openHealthServer({
    host: config.healthHost,
    port: config.healthPort,
    portSetting: "HEADGATE_HEALTH_PORT",
    readiness: () =>
      checkIngestReadiness({ store, consumer, refused, group, registryFingerprint: registry.fingerprint }),
    metricsText: async () => {
      await state.publish(true);
      return telemetry.metricsText();
    },
  });
}

/** The store or Kafka being away is told where it hinders the stream; the next check makes up for this one. */
function tellUnchecked(telemetry: Telemetry, cause: unknown): void {
  if (cause instanceof HeadgateError && cause.retriable) return;
  telemetry.log("error", "whether the online store lost writes could not be checked", { reason: reasonOf(cause) });
}

/** For lengths of time: the wall clock may be set. */
const monotonicMs = () => performance.now();
