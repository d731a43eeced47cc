/**
 * What all declarations share: a mark that tells them from other exports of a definition file, and the checks of what a
 * project writes into them. The mark is a registered symbol, so that a definition made by another copy of the package
 * is still known. Projects are also written in JavaScript, so nothing here trusts the compiler to have looked.
 */

import { HeadgateError } from "../errors.ts";
import { isFieldType, type Schema } from "./field.ts";
import { isObject } from "./json-value.ts";
import { shown } from "./shown.ts";

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

/**
 * Refuses names that are not plain identifiers: they become keys of hashes, JSON and metrics. Names that every object
 * has (`constructor`, `toString`) are refused too: JavaScript would find them where nobody put them.
 */
function checkName(what: string, name: string): void {
  const usable = typeof name === "string" && /^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name);
  refuseUnless(
    usable,
    `${what} name ${shown(name)} can't be used; start with a letter and use letters, digits and "_", at most 63.`,
  );
  refuseUnless(
    !Object.hasOwn(Object.prototype, name),
    `${what} name "${name}" can't be used, because every JavaScript object has it already; take another.`,
  );
}

/** Refuses options that are none, and those that a declaration does not have, listing the ones it has. */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  refuseUnless(
    typeof options === "object" && options !== null,
    `${what} needs its options, { ${known.join(", ")} }, not ${shown(options)}.`,
  );
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  refuseUnless(unknown === undefined, `${what} has no option "${unknown}"; there are ${known.join(", ")}.`);
}

/** Refuses a schema without fields, a field whose name can't be used, and one whose type is none. */
export function checkSchema(what: string, schema: Schema, noun = "field", option = "schema"): void {
  const names = isObject(schema) ? Object.keys(schema) : [];
  refuseUnless(names.length > 0, `${what} has no ${noun}; add ${option}: { name: int64() }.`);
  for (const name of names) {
    checkName(`${what} ${noun}`, name);
    const type: unknown = schema[name];
    if (isFieldType(type)) continue;
    const instead = typeof type === "function" && type.name !== "" ? `write ${type.name}()` : "write int64(), for one";
    refuseUnless(false, `${what}: ${noun} "${name}" is ${shown(type)}, which is no type; ${instead}.`);
  }
}

/** Refuses a member of a list that is no definition of these kinds. */
export function checkDefinition(what: string, member: unknown, kinds: readonly DefinitionKind[]): void {
  if (isDefinition(member) && kinds.includes(member.kind)) return;
  const given = isDefinition(member) ? `${member.kind} "${member.name}"` : shown(member);
  const hint = member === undefined ? " It may come from two files that import each other: declare it in a third." : "";
  refuseUnless(false, `${what} is ${given}; it must be ${kinds.join(" or ")}.${hint}`);
}

/** Throws DEFINITION_INVALID with the sentence unless the condition holds. */
export function refuseUnless(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new HeadgateError("DEFINITION_INVALID", sentence);
}
