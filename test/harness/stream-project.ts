/** A project with a stream of its own, and what a producer and an operator do with it. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { KafkaTopics } from "./kafka.ts";
import { type Environment, headgate, type Running, run, start, temporaryFolder } from "./project.ts";
import { CHECKOUT } from "./source-tree.ts";

/** Partitions of the project's topic. */
export const STREAM_PARTITIONS = 3;

/** An ingester that has said where its health is. */
export interface Ingester extends Running {
  readonly health: string;
}

/** One view of totals per customer over one topic, and one without a stream. */
export class StreamProject {
  static #made = 0;
  readonly folder = temporaryFolder();
  readonly project: string;
  readonly topic: string;
  environment: Environment;
  readonly #broker: Pick<KafkaTopics, "brokers" | "produce">;

  constructor(broker: Pick<KafkaTopics, "brokers" | "produce">) {
    const name = `ingest-${process.pid}-${StreamProject.#made++}`;
    this.project = name;
    this.topic = `${name}-orders`;
    this.#broker = broker;
    this.environment = { HEADGATE_KAFKA_BROKERS: broker.brokers.join(","), HEADGATE_HEALTH_PORT: "0" };
    symlinkSync(join(CHECKOUT, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(
      join(this.folder, "headgate.config.ts"),
      `import { defineConfig } from "headgate";\nexport default defineConfig({ project: "${name}" });\n`,
    );
    mkdirSync(join(this.folder, "features"));
    this.define();
  }

  /** Writes the definitions, with more of the source's options. */
  define(options = ""): void {
    writeFileSync(
      join(this.folder, "features", "orders.ts"),
      `import { entity, featureView, int64, kafkaSource } from "headgate";
export const customer = entity("customer", { joinKeys: { customer_id: int64() } });
export const totals = featureView("totals", {
  entities: [customer],
  schema: { total: int64() },
  stream: kafkaSource({ topic: "${this.topic}", timestampField: "ts", ${options} }),
});
export const still = featureView("still", { entities: [customer], schema: { total: int64() } });
`,
    );
  }

  /** Applies the definitions; the environment is that of all later commands too. */
  async apply(environment: Environment = {}): Promise<void> {
    this.environment = { ...this.environment, ...environment };
    const { exitCode, stderr } = await run(headgate("apply"), this.folder, this.environment);
    expect(exitCode, stderr).toBe(0);
  }

  /** Starts an ingester. */
  start(environment: Environment = {}, words: readonly string[] = []): Running {
    return start(headgate("ingest", ...words), this.folder, { ...this.environment, ...environment });
  }

  /** Starts an ingester and waits until it has said where its health is. */
  async ingest(): Promise<Ingester> {
    const running = this.start();
    const [, health] = await running.waitFor(/\(health: (\S+)\/readyz\)/);
    return { ...running, health: health! };
  }

  /** Produces to the partitions in turn, each customer to one. */
  order(customerId: number, event: Record<string, unknown>, headers: Record<string, string> = {}): Promise<void> {
    const value = JSON.stringify({ customer_id: customerId, ts: Date.now(), ...event });
    const key = JSON.stringify({ customer_id: customerId });
    return this.#broker.produce(this.topic, [{ key, value, headers }], customerId % STREAM_PARTITIONS);
  }

  /** Produces a delete. */
  remove(customerId: number): Promise<void> {
    const key = JSON.stringify({ customer_id: customerId });
    return this.#broker.produce(this.topic, [{ key, value: null }], customerId % STREAM_PARTITIONS);
  }

  /** The total that serving has of a customer; undefined when it has none. */
  async get(customerId: number): Promise<number | undefined> {
    const words = ["features", "get", "totals", `customer_id=${customerId}`, "--json"];
    const { stdout, stderr, exitCode } = await run(headgate(...words), this.folder, this.environment);
    expect(exitCode, stderr).toBe(0);
    const { served } = JSON.parse(stdout) as {
      served: { values: { total: { value: number | null; status: string } } };
    };
    const { value, status } = served.values.total;
    return status === "PRESENT" ? value! : undefined;
  }
}

/** Whether an ingester says that it is ready. */
export async function isReady({ health }: Ingester): Promise<boolean> {
  return (await fetch(`${health}/readyz`)).status === 200;
}

/** Whether an ingester has counted one dead letter. */
export async function hasDeadLetter({ health }: Ingester): Promise<boolean> {
  const text = await (await fetch(`${health}/metrics`)).text();
  return /^headgate_ingest_dead_letters_total\S+ 1$/m.test(text);
}
