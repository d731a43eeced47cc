/** Names of an imported project: which of Feast's can be used here, and what a definition file calls the thing that has one. */

/** What a definition's or a field's name has to be, as features/definition.ts checks it. */
export function isUsableName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name) && !Object.hasOwn(Object.prototype, name);
}

/** What definition files import from headgate. */
export const IMPORTED: readonly string[] = [
  ...["entity", "featureView", "featureService", "fileSource", "kafkaSource", "requestSource", "onDemandFeatureView"],
  ...["int32", "int64", "float32", "float64", "string", "bool", "bytes", "timestamp", "array"],
];
/** Words that JavaScript does not take for a constant of a module. */
const RESERVED = `arguments await break case catch class const continue debugger default delete do else enum eval export
  extends false finally for function if implements import in instanceof interface let new null package private protected
  public return static super switch this throw true try typeof undefined var void while with yield`.split(/\s+/);

/** Hands out constants' names, each once: the definition's own, or with what it is behind it. */
export class DefinitionNames {
  readonly #taken = new Set([...IMPORTED, ...RESERVED]);

  /** A constant for a definition of a usable name; `kind` is what is put behind a name that is taken. */
  take(name: string, kind: string): string {
    let constant = name;
    for (let n = 1; this.#taken.has(constant); n++) constant = `${name}_${kind}${n === 1 ? "" : n}`;
    this.#taken.add(constant);
    return constant;
  }
}
