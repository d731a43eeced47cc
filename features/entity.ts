/**
 * An entity: what features are about (a customer, a product), named by its join keys. Join keys are the columns by
 * which a source's rows and a request's entities meet.
 */

import { checkName, type Definition, define, require } from "./definition.ts";
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
  const joinKeys = Object.entries(options.joinKeys ?? {});
  require(joinKeys.length > 0, `entity "${name}" has no join key; add joinKeys: { ${name}_id: int64() }.`);
  for (const [key, type] of joinKeys) checkJoinKey(name, key, type);
  return define({
    kind: "entity",
    name,
    joinKeys: Object.freeze({ ...options.joinKeys }),
    description: options.description ?? "",
  });
}

function checkJoinKey(entityName: string, key: string, type: FieldType): void {
  checkName(`entity "${entityName}" join key`, key);
  require(!type.list &&
    KEY_KINDS.has(
      type.kind,
    ), `entity "${entityName}": join key "${key}" is ${typeName(type)}; use int32, int64, string, bool, bytes or timestamp.`);
}
