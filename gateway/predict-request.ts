/**
 * What a prediction request may look like, checked twice: by plain comparisons on every request (a tenth of a
 * microsecond for one entity), and by zod only when those fail, for its message. The OpenAPI document is made from the
 * same zod schema. Types of join keys and request features are checked where they are used, by the model's read plan.
 */

import { z } from "zod";
import { excerpt, HeadgateError, reasonOf } from "../errors.ts";
import { JoinKeyRefused } from "../features/entity-key.ts";
import type { Schema } from "../features/field.ts";
import { parseJson } from "../features/json-text.ts";
import { isObject, type JsonValue } from "../features/json-value.ts";
import type { EntityKeys } from "../features/reader.ts";

const entity = z.record(z.string(), z.unknown()).describe("Join key → value.");

/** The request of POST /predict. Unknown members are refused by name. */
const predictRequestSchema = z.strictObject({
  model: z.string().describe("The model's name."),
  entities: z.union([entity, z.array(entity).min(1)]).describe("One entity, or a list of them."),
  context: z.record(z.string(), z.unknown()).optional().describe("Request features, shared by all entities."),
  explain: z.boolean().optional().describe("True adds every feature's value, status, event timestamp and tier."),
});

/** The same schema as JSON Schema, for the OpenAPI document. */
export function predictRequestJsonSchema(): JsonValue {
  const { $schema: _, ...schema } = z.toJSONSchema(predictRequestSchema);
  return schema as JsonValue;
}

/** A request whose shape is right. */
export interface PredictRequest {
  readonly model: string;
  readonly entities: readonly EntityKeys[];
  /** True when `entities` was one object: a rejected entity then is the whole answer. */
  readonly single: boolean;
  readonly context: Readonly<Record<string, unknown>> | undefined;
  readonly explain: boolean;
}

const MEMBERS = new Set(["model", "entities", "context", "explain"]);
/** The most characters of a parser's own message that are told; it may repeat the token it stumbled on. */
const REASON_CHARACTERS = 160;

/** Parses a body. Integers past 2^53 become bigints; of a member that is there twice the last counts. Throws BODY_NOT_JSON saying where it stops being JSON. */
export function parseBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const reason =
      cause instanceof RangeError ? "it is nested too deeply" : excerpt(reasonOf(cause), REASON_CHARACTERS);
    throw new HeadgateError("BODY_NOT_JSON", `The request body is not JSON: ${reason}.`);
  }
}

/** Checks the shape. Throws REQUEST_INVALID naming the member, or TOO_MANY_ENTITIES. */
export function checkPredictRequest(body: unknown, maxEntities: number): PredictRequest {
  if (!hasRightShape(body)) throw new HeadgateError("REQUEST_INVALID", shapeProblem(body));
  const { model, entities, context, explain } = body;
  const single = !Array.isArray(entities);
  const list = single ? [entities as EntityKeys] : (entities as EntityKeys[]);
  if (list.length > maxEntities) {
    throw new HeadgateError(
      "TOO_MANY_ENTITIES",
      `The request names ${list.length} entities; the most is ${maxEntities} (maxEntities). Send them in several requests.`,
    );
  }
  return { model, entities: list, single, context, explain: explain === true };
}

/** Compiles the check that an entity carries a model's join keys and no other. */
export function compileEntityCheck(joinKeys: Schema, service: string): (entities: readonly EntityKeys[]) => void {
  const names = Object.keys(joinKeys);
  return (entities) => {
    for (let i = 0; i < entities.length; i++) {
      if (!hasExactly(entities[i]!, names)) throw joinKeyProblem(entities[i]!, i, names, service);
    }
  };
}

/** What was thrown for a request; a refused join key of a list with its place, which is looked for only now. */
export function withPlace(thrown: unknown, request: PredictRequest | undefined): unknown {
  if (request === undefined || request.single || !(thrown instanceof JoinKeyRefused)) return thrown;
  const { code, joinKey, message, value } = thrown;
  const index = request.entities.findIndex((entity) => Object.is(entity[joinKey], value));
  return new HeadgateError(code, `entities[${index}]: ${message}`, thrown);
}

interface RightShape {
  readonly model: string;
  readonly entities: unknown;
  readonly context: Record<string, unknown> | undefined;
  readonly explain: boolean | undefined;
}

function hasRightShape(body: unknown): body is RightShape {
  if (!isObject(body)) return false;
  for (const member in body) if (!MEMBERS.has(member)) return false;
  const { model, entities, context, explain } = body;
  if (typeof model !== "string") return false;
  if (Array.isArray(entities) ? entities.length === 0 || !entities.every(isObject) : !isObject(entities)) return false;
  return (context === undefined || isObject(context)) && (explain === undefined || typeof explain === "boolean");
}

function shapeProblem(body: unknown): string {
  const checked = predictRequestSchema.safeParse(body);
  if (checked.success) return "The request body has a member that is not allowed.";
  const { issues } = checked.error;
  const unknown = issues.find(({ code }) => code === "unrecognized_keys");
  const issue = unknown ?? issues[0]!;
  if (issue.code === "unrecognized_keys") {
    return `Unknown member "${excerpt(issue.keys[0]!)}"; a request has "model", "entities", "context" and "explain".`;
  }
  const [member] = issue.path;
  if (member === undefined) return `The request body must be an object, not ${kindOf(body)}.`;
  const value = (body as Readonly<Record<string, unknown>>)[String(member)];
  const wrong = Array.isArray(value) ? value.findIndex((one) => !isObject(one)) : -1;
  if (member === "entities" && wrong !== -1) {
    return `entities[${wrong}] must be an entity such as {"customer_id": 17}, not ${kindOf((value as unknown[])[wrong])}.`;
  }
  return `"${String(member)}" must be ${MEMBER_KINDS[String(member)]}, not ${kindOf(value)}.`;
}

const MEMBER_KINDS: Readonly<Record<string, string>> = {
  model: "a text",
  entities: 'an entity such as {"customer_id": 17}, or a list of at least one',
  context: "an object",
  explain: "true or false",
};

/** A JSON value's kind in words. */
function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? "a text" : typeof value === "boolean" ? String(value) : "a number";
}

function hasExactly(entity: EntityKeys, names: readonly string[]): boolean {
  let count = 0;
  for (const _ in entity) count++;
  if (count !== names.length) return false;
  for (const name of names) if (!Object.hasOwn(entity, name)) return false;
  return true;
}

function joinKeyProblem(entity: EntityKeys, index: number, names: readonly string[], service: string): HeadgateError {
  const missing = names.find((name) => !Object.hasOwn(entity, name));
  const extra = Object.keys(entity).find((name) => !names.includes(name));
  const problem =
    missing === undefined ? `has "${excerpt(extra!)}", which is not a join key` : `lacks join key "${missing}"`;
  const known =
    names.length === 0 ? "takes an empty entity, {}" : `takes ${names.map((name) => `"${name}"`).join(", ")}`;
  return new HeadgateError(
    "ENTITY_KEY_INVALID",
    `entities[${index}] ${problem}; feature service "${service}" ${known}.`,
  );
}
