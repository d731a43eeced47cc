/**
 * What all declarations share: a mark that tells them from other exports of a definition file, and the rule for names.
 * The mark is a registered symbol, so that a definition made by another copy of the package is still known.
 */

import { HeadgateError } from "../errors.ts";

const MARK = Symbol.for("headgate.definition");

/** The kinds of declaration. */
export type DefinitionKind = "entity" | "featureView" | "onDemandFeatureView" | "requestSource" | "featureService";

/** Anything declared in a feature repository. */
export interface Definition<Kind extends DefinitionKind = DefinitionKind> {
  readonly kind: Kind;
  readonly name: string;
}

/** Marks and freezes a declaration. Throws DEFINITION_INVALID when its name can't be used. */
export function define<T extends Definition>(definition: T): T {
  checkName(definition.kind, definition.name);
  Object.defineProperty(definition, MARK, { value: true });
  return Object.freeze(definition);
}

/** True for what `define` made. */
export function isDefinition(value: unknown): value is Definition {
  return typeof value === "object" && value !== null && MARK in value;
}

/** Refuses names that are not plain identifiers: they become keys of hashes, JSON and metrics. */
export function checkName(what: string, name: string): void {
  if (typeof name === "string" && /^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name)) return;
  throw new HeadgateError(
    "DEFINITION_INVALID",
    `${what} name ${JSON.stringify(name)} can't be used; start with a letter and use letters, digits and "_", at most 63.`,
  );
}

/** Throws DEFINITION_INVALID with the sentence unless the condition holds. */
export function require(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new HeadgateError("DEFINITION_INVALID", sentence);
}
