/**
 * A Feast repository (test/harness/feast/) on a Redis, driven as its users drive it: `feast apply`, `feast materialize`,
 * its online store's own writes, its SDK's reads; and the same views as a project of Headgate's.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll } from "vitest";
import { run, temporaryFolder } from "./project.ts";
import { CHECKOUT } from "./source-tree.ts";

const FEAST_PROJECT = "feast_shop";

/** A value in protobuf's JSON; {} is an unset one, Feast's null. */
export type FeastJson = Readonly<Record<string, unknown>>;

/** A row as Feast's online store is given it. */
export interface FeastRow {
  readonly view: string;
  readonly entity: Readonly<Record<string, FeastJson>>;
  readonly values: Readonly<Record<string, FeastJson>>;
  /** ISO 8601 with a zone. */
  readonly at: string;
  /** Written without looking at what is there (`skip_dedup`). */
  readonly blindly?: boolean;
}

/** What the SDK's get_online_features gave: feature → a value for each entity. */
export interface FeastAnswer {
  readonly values: Readonly<Record<string, readonly FeastJson[]>>;
  /** True where its to_dict() has None. */
  readonly none: Readonly<Record<string, readonly boolean[]>>;
}

/** A line of scores.parquet. */
export interface ScoreLine {
  readonly customerId: number;
  readonly count: bigint;
  readonly ratio: number;
  readonly eventMs: number;
}

/** The repository, applied. */
export interface FeastRepository {
  /** Runs Feast's command line. Throws with what it said when it fails. */
  feast(...words: readonly string[]): Promise<void>;
  write(rows: readonly FeastRow[]): Promise<void>;
  read(features: readonly string[], entities: readonly Readonly<Record<string, unknown>>[]): Promise<FeastAnswer>;
}

/** Makes the repository in a folder of its own and applies it. `python` is pythonEnv's. */
export async function feastRepository(
  python: string,
  redis: { readonly host: string; readonly port: number },
  lines: readonly ScoreLine[],
): Promise<FeastRepository> {
  const folder = temporaryFolder();
  cpSync(join(CHECKOUT, "test", "harness", "feast"), folder, { recursive: true });
  writeFileSync(join(folder, "scores.parquet"), scoresFile(lines));
  writeFileSync(
    join(folder, "feature_store.yaml"),
    [
      `project: ${FEAST_PROJECT}`,
      "provider: local",
      "registry: registry.db",
      "offline_store: {type: file}",
      `online_store: {type: redis, connection_string: "${redis.host}:${redis.port}"}`,
      "entity_key_serialization_version: 3",
    ].join("\n"),
  );
  const feast = async (...words: readonly string[]) => {
    const { exitCode, stdout, stderr } = await run([join(dirname(python), "feast"), ...words], folder, QUIET);
    if (exitCode !== 0) throw new Error(`feast ${words.join(" ")}:\n${stdout}${stderr}`);
  };
  await feast("apply");
  const ask = conversation([python, "rows.py"], folder);
  return Object.freeze({
    feast,
    write: async (rows: readonly FeastRow[]) => void (await ask(["write", rows])),
    read: async (features: readonly string[], entities: readonly object[]) =>
      (await ask(["read", { features, entities }])) as FeastAnswer,
  });
}

/** Feast tells its makers of its use unless it is told not to. */
const QUIET = { FEAST_USAGE: "False", IS_TEST: "True" };

/** A program that answers each line with one. It takes seconds to start, so it is started once. */
function conversation([program, ...words]: readonly string[], cwd: string): (question: unknown) => Promise<unknown> {
  const child = spawn(program!, words, { cwd, env: { ...process.env, ...QUIET } });
  afterAll(() => void child.kill());
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return async (question) => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${words.join(" ")} ended:\n${stderr}`);
    return JSON.parse(value);
  };
}

function scoresFile(lines: readonly ScoreLine[]): Buffer {
  const required = { repetition_type: "REQUIRED" as const };
  return Buffer.from(
    parquetWriteBuffer({
      schema: [
        { name: "root", num_children: 4 },
        { name: "customer_id", type: "INT64", ...required },
        { name: "s_count", type: "INT64", ...required },
        { name: "s_ratio", type: "DOUBLE", ...required },
        { name: "event_ts", type: "INT64", converted_type: "TIMESTAMP_MICROS", ...required },
      ],
      columnData: [
        { name: "customer_id", data: lines.map(({ customerId }) => BigInt(customerId)) },
        { name: "s_count", data: lines.map(({ count }) => count) },
        { name: "s_ratio", data: lines.map(({ ratio }) => ratio) },
        { name: "event_ts", data: lines.map(({ eventMs }) => BigInt(eventMs) * 1_000n) },
      ],
    }),
  );
}

const KINDS = ["int32", "int64", "float32", "float64", "string", "bool", "bytes", "timestamp"];

/** The same views and the example's model as a project of Headgate's in a folder of its own; `lines` are what its file of scores holds. */
export function feastProject(lines: readonly ScoreLine[]): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "features"));
  cpSync(join(CHECKOUT, "examples", "churn", "models"), join(folder, "models"), { recursive: true });
  symlinkSync(join(CHECKOUT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "scores.parquet"), scoresFile(lines));
  writeFileSync(
    join(folder, "headgate.config.ts"),
    `import { defineConfig } from "headgate";\n\nexport default defineConfig({ project: "shop", onlineStoreLayout: "feast", feastProject: "${FEAST_PROJECT}" });\n`,
  );
  const fields = KINDS.flatMap((kind) => [`f_${kind}: ${kind}()`, `l_${kind}: array(${kind}())`]);
  writeFileSync(
    join(folder, "features", "views.ts"),
    `import { array, ${KINDS.join(", ")}, entity, featureService, featureView, fileSource } from "headgate";

export const customer = entity("customer", { joinKeys: { customer_id: int64() } });
export const product = entity("product", { joinKeys: { product_id: string() } });
export const everything = featureView("everything", { entities: [customer], schema: { ${fields.join(", ")} } });
export const pairs = featureView("pairs", { entities: [product, customer], schema: { p_bought: int64() } });
export const world = featureView("world", { entities: [], schema: { w_name: string() } });
export const scores = featureView("scores", {
  entities: [customer],
  schema: { s_count: int64(), s_ratio: float64() },
  source: fileSource({ path: "scores.parquet", timestampField: "event_ts" }),
});
export const churned = featureView("churned", {
  entities: [customer],
  schema: { orders_30d: int64(), aov_30d: float32(), returns_rate_30d: float32(), time_since_last_d: float32() },
});
export const churn_v1 = featureService("churn_v1", [churned]);
`,
  );
  return folder;
}
