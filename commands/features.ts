/** `headgate features list | describe | get`: what there is, and "why this value?". */

import { loadConfig } from "../config.ts";
import { HeadgateError, reasonOf } from "../errors.ts";
import { describeFeatures, describeView, entityOfQuery, findView } from "../features/catalog.ts";
import { formatDuration } from "../features/duration.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import type { FeatureView } from "../features/feature-view.ts";
import { typeName } from "../features/field.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import { type MaterializedView, readMaterialized } from "../features/materialized-view.ts";
import { type Registry, viewJoinKeys } from "../features/registry.ts";
import { inspectRow, type RowInspection, type TierRow } from "../features/row-inspection.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import { answer, type CommandContext, EXIT, table, withProject } from "./command.ts";

/** Lists the views and services of the project's definitions. */
export async function listFeatures(context: CommandContext): Promise<number> {
  const registry = await loadDefinitions(context);
  const rows = [...registry.views.values()].map((view) => [
    view.name,
    Object.keys(viewJoinKeys(view)).join(", ") || "(none)",
    view.ttlMs === undefined ? "any age" : formatDuration(view.ttlMs),
    Object.keys(view.schema).join(", "),
  ]);
  const services = [...registry.services.values()].map((service) => [service.name, String(service.features.length)]);
  const views = table(["feature view", "join keys", "ttl", "fields"], rows);
  answer(context, describeFeatures(registry), `${views}\n\n${table(["feature service", "features"], services)}`);
  return EXIT.done;
}

/** Describes one view, and tells when it was last materialized where the online store can be asked. */
export async function describeFeature(context: CommandContext, name: string): Promise<number> {
  const view = findView(await loadDefinitions(context), name);
  const materialized = await lastMaterialized(context, name).catch((cause: unknown) => reasonOf(cause));
  const isKnown = typeof materialized !== "string";
  answer(context, describeView(view, isKnown ? materialized : undefined), viewText(view, materialized));
  return EXIT.done;
}

function lastMaterialized(context: CommandContext, name: string): Promise<MaterializedView> {
  return withProject(context, async ({ store }) => (await readMaterialized(store.control, [name])).get(name)!);
}

/** The definitions of a folder that is a project. */
async function loadDefinitions(context: CommandContext): Promise<Registry> {
  const { projectDirectory } = await loadConfig(context.projectDirectory, context.environment);
  return loadFeatureRepository(projectDirectory);
}

/** Shows one entity's row: what serving answers and what every tier holds. */
export function getFeature(context: CommandContext, name: string, joinKeys: readonly string[]): Promise<number> {
  return withProject(context, async ({ registry, store }) => {
    const view = findView(registry, name);
    const entity = entityOfQuery(view, parseAssignments(joinKeys), (keys) =>
      ["headgate features get", name, ...keys].join(" "),
    );
    const row = await inspectRow(store, new StoredSchemas(store.control), view, entity, context.now());
    answer(context, row as unknown as JsonValue, rowText(row));
    return EXIT.done;
  });
}

function parseAssignments(texts: readonly string[]): Record<string, string> {
  const pairs = texts.map((text) => {
    const at = text.indexOf("=");
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const;
    throw new HeadgateError("USAGE", `"${text}" is not a join key; write it as customer_id=17.`);
  });
  return Object.fromEntries(pairs);
}

/** `materialized`: the record, or why it can't be read. */
function viewText(view: FeatureView, materialized: MaterializedView | string): string {
  const fields = Object.entries(view.schema).map(([name, type]) => [name, typeName(type)]);
  const keys = Object.entries(viewJoinKeys(view)).map(([name, type]) => `${name} (${typeName(type)})`);
  return [
    view.name,
    ...(view.description === "" ? [] : [view.description]),
    `  join keys  ${keys.join(", ") || "(none)"}`,
    `  ttl        ${view.ttlMs === undefined ? "any age" : formatDuration(view.ttlMs)}`,
    `  source     ${view.source?.path ?? "(none)"}`,
    ...(view.source === undefined ? [] : [`  loaded     ${loadedText(materialized)}`]),
    `  stream     ${(view.streams.map(({ topic }) => topic).join(", ") || undefined) ?? "(none)"}`,
    "",
    table(["field", "type"], fields),
  ].join("\n");
}

function loadedText(materialized: MaterializedView | string): string {
  if (typeof materialized === "string") return `unknown: ${materialized}`;
  const { success, failure } = materialized;
  const when = (ms: number) => new Date(ms).toISOString();
  const done =
    success === undefined
      ? "never"
      : `${when(success.at_ms)}, up to ${formatTimestampUs(success.end_us)}, ${success.rows_written} rows written`;
  const isTroubled = failure !== undefined && failure.at_ms > (success?.at_ms ?? 0);
  return isTroubled ? `${done}; failed ${when(failure.at_ms)} [${failure.code}]` : done;
}

function rowText(row: RowInspection): string {
  const { served } = row;
  const tiers = row.tiers.map(tierText).join("\n");
  if (served === null) return `${row.view}  ${row.key}\nserved: unknown, as the store does not answer\n\n${tiers}`;
  const values = Object.entries(served.values).map(([field, { value, status }]) => [field, writeJson(value), status]);
  const when = served.event_timestamp === null ? "" : `, ${served.age_seconds} s old (${served.event_timestamp})`;
  return `${row.view}  ${row.key}\nserved: ${served.status}${when}\n\n${table(["field", "value", "status"], values)}\n\n${tiers}`;
}

function tierText(tier: TierRow): string {
  if (!tier.found) return `tier ${tier.tier}: ${tier.problem ?? "no row"}`;
  const shown = Object.entries(tier).filter(([property]) => !["tier", "found", "values", "schema"].includes(property));
  const lines = shown.map(([property, value]) => `  ${property.padEnd(18)} ${propertyText(property, value)}`);
  return [`tier ${tier.tier}:`, ...lines].join("\n");
}

function propertyText(property: string, value: JsonValue): string {
  // Without a ttl nothing is unknown.
  if (value === null) return property === "ttl_left_seconds" ? "any age" : "unknown";
  return typeof value === "string" ? value : writeJson(value);
}
