/** The words that the OpenAPI document's schemas are written in: JSON Schema 2020-12, as OpenAPI 3.1 takes it. */

import type { JsonValue } from "../../features/json-value.ts";

/** A JSON object as a part of the document. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** Any text. */
export const TEXT: JsonObject = { type: "string" };
/** A text, or null. */
export const TEXT_OR_NULL: JsonObject = { type: ["string", "null"] };
/** Texts. */
export const TEXTS: JsonObject = { type: "array", items: TEXT };
/** RFC 3339. */
export const TIME: JsonObject = { type: "string", format: "date-time" };
/** RFC 3339, or null. */
export const TIME_OR_NULL: JsonObject = { type: ["string", "null"], format: "date-time" };
/** true or false. */
export const FLAG: JsonObject = { type: "boolean" };
/** Any number. */
export const NUMBER: JsonObject = { type: "number" };
/** A number, or null. */
export const NUMBER_OR_NULL: JsonObject = { type: ["number", "null"] };
/** A whole number from 0. */
export const COUNT: JsonObject = { type: "integer", minimum: 0 };
/** A model version's number. */
export const VERSION: JsonObject = { type: "integer", minimum: 1 };

/** An object that has all of its members, and may have the `optional` ones. */
export const whole = (properties: JsonObject, optional: JsonObject = {}): JsonObject => ({
  type: "object",
  required: Object.keys(properties),
  properties: { ...properties, ...optional },
});
/** An object of any members, whose values are alike. */
export const mapOf = (additionalProperties: JsonObject): JsonObject => ({ type: "object", additionalProperties });
/** What `schema` is of, or null. */
export const orNull = (schema: JsonObject): JsonObject => ({ oneOf: [schema, { type: "null" }] });
/** A list. */
export const list = (items: JsonObject): JsonObject => ({ type: "array", items });
/** A schema of the document's components. */
export const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });
