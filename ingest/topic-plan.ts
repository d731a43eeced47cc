/**
 * What is read and what becomes of it, decided once: the topics, which views each feeds, how its records are decoded,
 * and how the rows of each view are encoded. A batch only walks it.
 *
 * An encoder belongs to a partition, because each row says where it is from. The store learns of an origin when the
 * partition's first batch comes, not before: an ingester need not know how many partitions there are.
 */

import { HeadgateError } from "../errors.ts";
import type { AppliedView } from "../features/applied-registry.ts";
import { findView } from "../features/catalog.ts";
import type { FeatureView } from "../features/feature-view.ts";
import type { Registry } from "../features/registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import type { KafkaSource } from "../features/source.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import { createRowEncoder, encodedView, type RowEncoder, recordOrigin } from "../features/writer.ts";
import { deadLetterTopic, isTopicNameTooLong } from "./dead-letter.ts";
import type { TopicDecoder } from "./decode.ts";

/** A view and the stream that it reads a topic by. */
export interface Subscription {
  readonly view: FeatureView;
  readonly source: KafkaSource;
}

/** A topic that is read. */
export interface PlannedTopic {
  readonly topic: string;
  /** Names of the views that it feeds; what is decoded of a record and the encoders are in this order. */
  readonly views: readonly string[];
  readonly decoder: TopicDecoder;
  /** One for each view. Rejects with STORE_UNREACHABLE at a partition's first use. */
  encoders(partition: number): readonly RowEncoder[] | Promise<readonly RowEncoder[]>;
}

/** All topics that are read. */
export interface TopicPlan {
  readonly topics: ReadonlyMap<string, PlannedTopic>;
  /** Records origins anew when they are next used, since a store that lost writes may have lost them too. */
  forgetOrigins(): void;
}

/** What a plan is made of. */
export interface TopicPlanOptions {
  /** From chooseStreams. */
  readonly streams: ReadonlyMap<string, readonly Subscription[]>;
  readonly applied: ReadonlyMap<string, AppliedView>;
  readonly compileDecoder: (subscriptions: readonly Subscription[]) => TopicDecoder;
  readonly control: ControlStore;
  readonly maxFutureMs: number;
  readonly expiryGraceMs: number;
  /** Of the store that the rows are for. */
  readonly onlineStoreLayout: OnlineStoreLayout;
}

/**
 * The streams of the views that are named, or of all that have one, by topic. Throws VIEW_NOT_FOUND, and SOURCE_NOT_FOUND
 * for a view without a stream or when there is none at all, and DEFINITION_INVALID for a topic whose dead letters could
 * have no topic.
 */
export function chooseStreams(
  registry: Registry,
  names: readonly string[] | undefined,
): ReadonlyMap<string, readonly Subscription[]> {
  const views = names === undefined ? [...registry.views.values()] : names.map((name) => findView(registry, name));
  const streams = new Map<string, Subscription[]>();
  for (const view of new Set(views)) {
    if (names !== undefined && view.streams.length === 0) {
      throw new HeadgateError("SOURCE_NOT_FOUND", `Feature view "${view.name}" has no stream. ${ADD_STREAM}`);
    }
    for (const source of view.streams) {
      checkTopicName(view.name, source.topic);
      const subscriptions = streams.get(source.topic) ?? [];
      streams.set(source.topic, [...subscriptions, { view, source }]);
    }
  }
  if (streams.size > 0) return new Map([...streams].sort(([a], [b]) => (a < b ? -1 : 1)));
  throw new HeadgateError("SOURCE_NOT_FOUND", `No feature view has a stream. ${ADD_STREAM}`);
}

function checkTopicName(view: string, topic: string): void {
  if (!isTopicNameTooLong(topic)) return;
  const detail = `Feature view "${view}" reads topic "${topic}", whose dead letters would go to "${deadLetterTopic(topic)}": Kafka takes no names of more than 249 characters. Read a topic with a shorter name.`;
  throw new HeadgateError("DEFINITION_INVALID", detail);
}

const ADD_STREAM = `Add stream: kafkaSource({ topic, timestampField }) to what is to be ingested.`;

/** Compiles a plan. Throws what `compileDecoder` does. */
export function planTopics(options: TopicPlanOptions): TopicPlan {
  const planned = [...options.streams].map(([topic, subscriptions]) => planTopic(options, topic, subscriptions));
  return Object.freeze({
    topics: new Map(planned.map((one) => [one.topic, one])),
    forgetOrigins: () => {
      for (const { forget } of planned) forget();
    },
  });
}

function planTopic(
  options: TopicPlanOptions,
  topic: string,
  subscriptions: readonly Subscription[],
): PlannedTopic & { readonly forget: () => void } {
  const { applied, control, maxFutureMs, expiryGraceMs, onlineStoreLayout } = options;
  const known = new Map<number, readonly RowEncoder[]>();
  const compile = async (partition: number): Promise<readonly RowEncoder[]> => {
    const originId = await recordOrigin(control, { topic, partition });
    const encoders = subscriptions.map(({ view }) =>
      createRowEncoder({
        view: encodedView(view),
        applied: applied.get(view.name)!,
        originId,
        sourceRank: SOURCE_RANK.stream,
        maxFutureMs,
        expiryGraceMs,
        onlineStoreLayout,
      }),
    );
    known.set(partition, encoders);
    return encoders;
  };
  return Object.freeze({
    topic,
    views: subscriptions.map(({ view }) => view.name),
    decoder: options.compileDecoder(subscriptions),
    encoders: (partition: number) => known.get(partition) ?? compile(partition),
    forget: () => known.clear(),
  });
}
