/**
 * An entity: what features are about (a customer, a product), named by its join keys. Join keys are the columns by
 * which a source's rows and a request's entities meet.
 */

import { checkOptions, checkSchema, type Definition, define, refuseUnless } from "./definition.ts";
import { type FieldType, type Schema, typeName } from "./field.ts";

/** A declared entity. */
export interface Entity<Keys extends Schema = Schema> extends Definition<"entity"> {
  readonly joinKeys: Keys;
  readonly description: string;
}

const KEY_KINDS = new Set(["int32", "int64", "string", "bool", "bytes", "timestamp"]);

/** Declares an entity. Throws DEFINITION_INVALID: no join key, or one of a type that has no exact equality. */
export function entity<const Keys extends Schema>(
  name: string,
  options: { readonly joinKeys: Keys; readonly description?: string },
): Entity<Keys> {
  const what = `entity "${name}"`;
  checkOptions(what, options, ["joinKeys", "description"]);
  checkSchema(what, options.joinKeys, "join key", "joinKeys");
  for (const [key, type] of Object.entries(options.joinKeys)) checkJoinKey(what, key, type);
  return define({
    kind: "entity",
    name,
    joinKeys: Object.freeze({ ...options.joinKeys }),
    description: options.description ?? "",
  });
}

function checkJoinKey(what: string, key: string, type: FieldType): void {
  refuseUnless(
    !type.list && KEY_KINDS.has(type.kind),
    `${what}: join key "${key}" is ${typeName(type)}; use int32, int64, string, bool, bytes or timestamp.`,
  );
}
