/**
 * Writers' schemas from a Confluent-compatible schema registry. What an id means never changes, so a schema is fetched
 * once and kept; records of a known schema are decoded without waiting. A registry that does not answer is no fault of
 * the record: it rejects, and the caller tries again.
 *
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */

import { HeadgateError, reasonOf } from "../errors.ts";

/** A schema as the registry has it. */
export interface RegistrySchema {
  readonly id: number;
  /** "AVRO", "JSON" or "PROTOBUF". */
  readonly kind: string;
  readonly text: string;
  /** The schemas that it refers to, each after those that it refers to itself. */
  readonly references: readonly string[];
}

/** A schema; undefined where the registry has none of that id. */
export type FoundSchema = RegistrySchema | undefined;

/** Looks schemas up. */
export interface SchemaRegistry {
  /**
   * The schema of an id; a promise when it has to be fetched. Rejects with STREAM_UNREACHABLE when the registry does not
   * answer as one, and with STREAM_DENIED when it refuses the login.
   */
  schema(id: number): FoundSchema | Promise<FoundSchema>;
}

/** Schemas that are kept. Beyond it the ones longest unused are fetched again. */
const KEPT_SCHEMAS = 1_000;
/** How long the registry may take to answer, ms. Its partition waits meanwhile. */
const SCHEMA_TIMEOUT_MS = 10_000;
/** How long it is believed that an id is not there, ms; replicas of a registry can be behind. */
export const MISSING_SCHEMA_MS = 10_000;
/** The most schemas that one refers to, directly or not. */
const MAX_REFERENCES = 200;
/** The registry's own words for an id that it does not have, so that a wrong address is not taken for one. */
const SCHEMA_NOT_FOUND = 40_403;

/** Settings of a registry. */
export interface SchemaRegistryOptions {
  readonly now: () => number;
  readonly timeoutMs?: number;
  readonly keptSchemas?: number;
}

/** Opens a registry by its base address, which may hold a user and a password. Fetches nothing yet. */
export function openSchemaRegistry(url: string, options: SchemaRegistryOptions): SchemaRegistry {
  const { now, keptSchemas = KEPT_SCHEMAS } = options;
  const client = clientOf(url, options);
  /** In the order of their last use. */
  const kept = new Map<number, RegistrySchema>();
  /** Ids that the registry does not have, and until when that is believed. */
  const missing = new Map<number, number>();
  const underway = new Map<number, Promise<FoundSchema>>();

  function keep(id: number, schema: FoundSchema): void {
    if (schema === undefined) putLast(missing, id, now() + MISSING_SCHEMA_MS, keptSchemas);
    else putLast(kept, id, schema, keptSchemas);
  }

  async function fetchSchema(id: number): Promise<FoundSchema> {
    try {
      const schema = await client.fetchSchema(id);
      keep(id, schema);
      return schema;
    } finally {
      underway.delete(id);
    }
  }

  let last: RegistrySchema | undefined;
  return Object.freeze({
    schema(id: number): FoundSchema | Promise<FoundSchema> {
      // Nearly always the one of the record before.
      if (last?.id === id) return last;
      const schema = kept.get(id);
      if (schema !== undefined) {
        last = schema;
        putLast(kept, id, schema, keptSchemas);
        return schema;
      }
      if (now() < (missing.get(id) ?? 0)) return undefined;
      const fetching = underway.get(id) ?? fetchSchema(id);
      underway.set(id, fetching);
      return fetching;
    },
  });
}

function putLast<T>(map: Map<number, T>, id: number, value: T, most: number): void {
  map.delete(id);
  if (map.size >= most) map.delete(map.keys().next().value!);
  map.set(id, value);
}

/** What the registry sends of a schema. */
interface SentSchema {
  readonly schema?: unknown;
  readonly schemaType?: unknown;
  readonly references?: readonly { readonly subject: string; readonly version: number }[];
}

interface RegistryClient {
  fetchSchema(id: number): Promise<FoundSchema>;
}

function clientOf(url: string, { timeoutMs = SCHEMA_TIMEOUT_MS }: SchemaRegistryOptions): RegistryClient {
  const base = new URL(url);
  const { username, password } = base;
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  const headers = { accept: "application/json", ...(username !== "" && { authorization: `Basic ${login}` }) };
  // fetch refuses an address that holds a password, and a message must not show it.
  const shownUrl = `${base.origin}${base.pathname.replace(/\/+$/, "")}`;

  /** The registry's answer; undefined when it says that it has no such schema. */
  async function get(path: string): Promise<SentSchema | undefined> {
    let response: Response;
    let body: SentSchema & { readonly error_code?: unknown };
    try {
      response = await fetch(`${shownUrl}${path}`, { headers, signal: AbortSignal.timeout(timeoutMs) });
      body = (await response.json().catch(() => undefined)) ?? {};
    } catch (cause) {
      throw unreachable(`does not answer: ${rootReason(cause)}`, cause);
    }
    if (response.ok && typeof body.schema === "string") return body;
    if (response.status === 401 || response.status === 403) {
      const detail = `The schema registry ${shownUrl} refuses access (HTTP ${response.status}). Put a login into schemaRegistry: https://user:password@host.`;
      throw new HeadgateError("STREAM_DENIED", detail);
    }
    if (response.status === 404 && body.error_code === SCHEMA_NOT_FOUND) return undefined;
    throw unreachable(`answers ${path} with HTTP ${response.status} and no schema`);
  }

  function unreachable(what: string, cause?: unknown): HeadgateError {
    const detail = `The schema registry ${shownUrl} ${what}. Check schemaRegistry: it is the address before /schemas/ids.`;
    return new HeadgateError("STREAM_UNREACHABLE", detail, cause);
  }

  async function fetchReferences(sent: SentSchema, texts: Map<string, string>): Promise<void> {
    for (const { subject, version } of sent.references ?? []) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
      if (texts.has(path)) continue;
      if (texts.size >= MAX_REFERENCES) throw unreachable(`has a schema with more than ${MAX_REFERENCES} references`);
      const referred = await get(path);
      if (referred === undefined) throw unreachable(`lacks ${path}, which a schema refers to`);
      await fetchReferences(referred, texts);
      texts.set(path, referred.schema as string);
    }
  }

  return {
    async fetchSchema(id) {
      const sent = await get(`/schemas/ids/${id}`);
      if (sent === undefined) return undefined;
      const texts = new Map<string, string>();
      await fetchReferences(sent, texts);
      return Object.freeze({
        id,
        kind: typeof sent.schemaType === "string" ? sent.schemaType : "AVRO",
        text: sent.schema as string,
        references: Object.freeze([...texts.values()]),
      });
    },
  };
}

/** fetch says "fetch failed" and keeps the reason beneath. */
function rootReason(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? reasonOf(thrown) : rootReason(cause);
}
