/**
 * Which join key values the online store has no key for, asked of each row before anything is written, so that one row
 * is refused with its reason and no other is lost with it. It follows from the name of the store's layout and the join
 * keys' types alone: names can be handed to a thread, and who encodes rows needs no store.
 */

import type { Schema } from "../field.ts";
import { compileFeastKeyRefusal } from "./feast-key.ts";

/** How rows lie in the online store; see the setting of this name. */
export type OnlineStoreLayout = "packed" | "feast";

/**
 * Why join key values, in the order of their sorted names and of their types, have no key in the store: a sentence
 * without a full stop, or undefined where they have one.
 */
type KeyRefusal = (values: readonly unknown[]) => string | undefined;

/** Compiles it; undefined where all values of these join keys have a key. */
export function compileKeyRefusal(layout: OnlineStoreLayout, joinKeys: Schema): KeyRefusal | undefined {
  return layout === "feast" ? compileFeastKeyRefusal(joinKeys) : undefined;
}
