/** Command lines that show what a parity run speaks of, to be pasted into a shell. */

import { parseEntityKey } from "../../features/entity-key.ts";
import type { Schema } from "../../features/field.ts";
import { type JsonValue, toJson } from "../../features/json-value.ts";

/** `headgate features get` for the row of a view under an entity key. */
export function rowCommand(view: string, key: string): string {
  const parts = key === "" ? [] : key.split("&");
  const words = parts.map((part) => {
    const at = part.indexOf("=") + 1;
    return shellWord(part.slice(0, at) + decodeURIComponent(part.slice(at)));
  });
  return ["headgate features get", view, ...words].join(" ");
}

/** The join keys of an entity key as JSON; the key itself where it is none of these join keys. */
export function entityOfKey(key: string, joinKeys: Schema): Readonly<Record<string, JsonValue>> {
  const entity = parseEntityKey(key, joinKeys);
  if (entity === undefined) return { entity_key: key };
  return Object.fromEntries(Object.entries(entity).map(([name, value]) => [name, toJson(joinKeys[name]!, value)]));
}

/** A word that a POSIX shell takes as it is. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_.,:=@%+/~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
