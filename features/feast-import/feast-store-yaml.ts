/**
 * feature_store.yaml, as far as an import needs it: a registry's path, a project, an online store. Feast puts variables of
 * the environment into the text and then parses that, so this does too. Every value stays the text that is written: a
 * project named `y` or `1.10` is no boolean and no number, and whoever needs one reads the text.
 */

import { type Document, isMap, LineCounter, parseDocument, visit } from "yaml";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { isObject } from "../json-value.ts";
import { shown } from "../shown.ts";

/** A map of the file: texts, maps, lists, and null where nothing is written. */
export type YamlMap = { readonly [name: string]: unknown };

/**
 * The file's map, with variables of the environment in the places of `$NAME` and `${NAME}`, as Feast reads it (PyYAML's
 * safe_load of os.path.expandvars: a name that is there twice counts as it is last, an unknown variable stays). Throws
 * SOURCE_UNSUPPORTED for what is no YAML, naming the file, line and column; not the text there, which may be a password.
 */
export function parseFeatureStoreYaml(written: string, environment: NodeJS.ProcessEnv, file: string): YamlMap {
  const text = written.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, bare, braced) => {
    const name: string = bare ?? braced;
    return (Object.hasOwn(environment, name) ? environment[name] : undefined) ?? whole;
  });
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    customTags: ["null"],
    merge: true,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
    lineCounter,
  });
  const refused = (at: number | undefined, reason: string) => {
    const { line, col } = lineCounter.linePos(at ?? 0);
    const filled = text === written ? "" : " with its variables filled in";
    const where = at === undefined ? "" : ` at line ${line}, column ${col}`;
    const sentence = `${file}${filled} is not understood as YAML${where}: ${reason.replace(/[:;] .*| \\.*/s, "")}.`;
    return new HeadgateError("SOURCE_UNSUPPORTED", `${sentence} Mend it there, and import again.`);
  };
  const [error] = document.errors;
  if (error !== undefined) throw refused(error.pos[0], error.message);
  if (!isMap(document.contents)) {
    throw new HeadgateError("SOURCE_UNSUPPORTED", `${file} is no map of settings, such as "project: shop".`);
  }
  try {
    return document.toJS();
  } catch (thrown) {
    throw refused(wrongAlias(document), reasonOf(thrown));
  }
}

/** Where the alias is that stands for nothing, else the last one: the library does not say which it could not follow. */
function wrongAlias(document: Document.Parsed): number | undefined {
  let at: number | undefined;
  visit(document, {
    Alias: (_, alias) => {
      at = alias.range?.[0];
      return alias.resolve(document) === undefined ? visit.BREAK : undefined;
    },
  });
  return at;
}

/** The text under some names; undefined where there is none. */
export function yamlText(map: YamlMap, ...names: readonly string[]): string | undefined {
  let value: unknown = map;
  for (const name of names) value = isObject(value) ? value[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

/**
 * Whole numbers as Feast takes them, whether they are quoted, which pydantic reads, or not, which YAML 1.1 does. Those that
 * the two read differently (010 is ten and eight, 0x10 none and sixteen, 1:30 none and ninety) are not among them.
 */
const WHOLE_NUMBER = /^\+?(0|[1-9]\d*(_\d+)*)(\.0+)?$/;

/**
 * The whole number, 0 or more, under a name; `fallback` where the name is not there. Throws SOURCE_UNSUPPORTED for
 * whatever else stands there, naming the file.
 */
export function yamlInteger(map: YamlMap, name: string, fallback: number, file: string): number {
  if (!Object.hasOwn(map, name)) return fallback;
  const value = map[name];
  const number = typeof value === "string" && WHOLE_NUMBER.test(value) ? Number(value.replaceAll("_", "")) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new HeadgateError(
    "SOURCE_UNSUPPORTED",
    `${name} in ${file} is ${shown(value)}; write a whole number in decimal digits.`,
  );
}
