/**
 * Kafka's own jars for the tests that need a real broker: got by Maven once for all runs, into a folder outside the
 * checkout, and run by Java; both are Debian's packages where they are missing and this is root. Where they can't be
 * had the tests are skipped by name and reason; with CI=true that is a failure instead.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alone } from "./install-lock.ts";
import { INSTALL_TIMEOUT_MS, installDebianPackage, onPath } from "./program.ts";
import { testCache } from "./test-cache.ts";

const KAFKA_VERSION = "4.4.0";
const LOG4J_VERSION = "2.25.5";
/** After so long an install has ended, or its process is gone, ms. */
const LOCK_STALE_MS = INSTALL_TIMEOUT_MS + 10_000;

/** How to run Kafka's classes, the address of a broker that is there already, or why there is neither. */
export type FoundKafka =
  | { readonly java: string; readonly jars: string }
  | { readonly brokers: readonly string[] }
  | { readonly missing: string };

/** HEADGATE_TEST_KAFKA, else Kafka's jars. Throws instead of telling what is missing when CI=true. */
export async function findKafka(): Promise<FoundKafka> {
  const address = process.env.HEADGATE_TEST_KAFKA;
  if (address !== undefined && address !== "") return { brokers: address.split(",") };
  return findKafkaJars();
}

/** Kafka's jars, for the tests that start and stop their broker themselves. */
export async function findKafkaJars(): Promise<Exclude<FoundKafka, { brokers: unknown }>> {
  const cache = testCache();
  const jars = join(cache, `kafka-${KAFKA_VERSION}`);
  if (!existsSync(jars) || onPath("java") === undefined) {
    await alone(cache, "kafka", LOCK_STALE_MS, () => {
      if (!existsSync(jars)) copyJars(cache, jars);
    });
  }
  const java = onPath("java");
  if (java !== undefined && existsSync(jars)) return { java, jars };
  const missing = "no Kafka: install Java 17 and Maven, or name a broker in HEADGATE_TEST_KAFKA";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

function copyJars(cache: string, jars: string): void {
  const maven = onPath("mvn") ?? installDebianPackage("maven");
  if (maven === undefined) return;
  // With the compiler: a producer of the tests is a single source file that `java` runs.
  if (onPath("javac") === undefined) installDebianPackage("default-jdk-headless");
  const folder = mkdtempSync(join(cache, "kafka-"));
  writeFileSync(join(folder, "pom.xml"), POM);
  const copying = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"];
  try {
    execFileSync(maven, copying, { cwd: folder, stdio: "ignore", timeout: INSTALL_TIMEOUT_MS });
    renameSync(join(folder, "jars"), jars);
  } catch {
    // Told as missing.
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const dependency = (group: string, name: string, version: string) =>
  `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;

/** Without the log4j binding Kafka says nothing. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)}
    ${dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION)}
  </dependencies>
</project>
`;
