/**
 * What the brokers of tests and benches have in common: one node (KRaft) that is broker and controller, on the loopback,
 * small so that it starts in seconds.
 */

import { join } from "node:path";
import type { Admin } from "kafkajs";

/** Where the broker's properties are, in its folder. */
export const PROPERTIES_FILE = "server.properties";

const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk";

/** Kafka's class and its words that make an empty log in the broker's folder, once. */
export const FORMAT_LOG: readonly string[] = Object.freeze(
  `kafka.tools.StorageTool format --standalone -t ${CLUSTER_ID} -c ${PROPERTIES_FILE}`.split(" "),
);

/** A listener for clients. */
export interface BrokerListener {
  readonly name: string;
  readonly port: number;
  /** Where clients are told to come instead. */
  readonly advertisedPort?: number;
}

/**
 * The lines of a broker's PROPERTIES_FILE; the broker speaks to itself by the first listener. A group's first rebalance
 * does not wait for more members, and topics are made by those who need them.
 */
export function brokerProperties(
  folder: string,
  controllerPort: number,
  listeners: readonly [BrokerListener, ...BrokerListener[]],
): string {
  const at = (name: string, port: number) => `${name}://127.0.0.1:${port}`;
  const controller = at("CONTROLLER", controllerPort);
  const advertised = listeners.map(({ name, port, advertisedPort = port }) => at(name, advertisedPort));
  return `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
listeners=${[...listeners.map(({ name, port }) => at(name, port)), controller]}
advertised.listeners=${[...advertised, controller]}
inter.broker.listener.name=${listeners[0].name}
controller.listener.names=CONTROLLER
log.dirs=${join(folder, "log")}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
`;
}

/**
 * True when all partitions of a new topic have a leader. To be waited for after `createTopics` with
 * `waitForLeaders: false`: kafkajs' own waiting takes a broker that has not heard of the topic yet for a failure.
 */
export async function hasLeaders(admin: Admin, topic: string, partitions: number): Promise<boolean> {
  const metadata = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
  const found = metadata?.topics[0]?.partitions ?? [];
  return found.length === partitions && found.every(({ leader }) => leader >= 0);
}
