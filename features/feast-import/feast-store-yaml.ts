/**
 * feature_store.yaml, as far as an import needs it: a registry's path, a project, an online store. These files are maps of
 * maps of plain values, so this reads those, with comments, quotes and one-line {maps}, and steps over whatever else
 * YAML has (lists, blocks of text, anchors): a text on several lines is there, as a map without members. A full YAML
 * library would be a dependency for twenty lines of a file.
 */

import { HeadgateError } from "../../errors.ts";

/** A value of the file: a text as written, or a map. */
export type YamlValue = string | YamlMap;
/** A map of the file. */
export type YamlMap = { readonly [name: string]: YamlValue };

/** A text in quotes: doubled ones are in it, or escaped ones. */
const QUOTED = `"(?:[^"\\\\]|\\\\.)*"|'(?:[^']|'')*'`;
const BEGINS_QUOTED = new RegExp(`^(?:${QUOTED})`);
const MEMBER = new RegExp(`^( *)(${QUOTED}|[\\w.-]+) *:(?: +(.*)|)$`);
const INLINE_MEMBER = new RegExp(`(${QUOTED}|[\\w.-]+) *: *(${QUOTED}|[^,}]*)`, "g");

/**
 * The file's map, with variables of the environment in the places of `$NAME` and `${NAME}`, as Feast reads it. Throws
 * SOURCE_UNSUPPORTED naming the line for a file that is indented by tabs, or has a map in braces on several lines.
 */
export function parseFeatureStoreYaml(written: string, environment: NodeJS.ProcessEnv): YamlMap {
  const text = written.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, a, b) => environment[a ?? b] ?? whole);
  const root: Record<string, YamlValue> = Object.create(null);
  const open: { readonly indent: number; readonly map: Record<string, YamlValue> }[] = [{ indent: -1, map: root }];
  let last: { readonly indent: number; readonly drop: () => void } | undefined;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*\t/.test(line)) throw refused(i, "YAML is not indented by tabs");
    if (isBelow(line, last?.indent)) last?.drop();
    const [, spaces, name, rest] = MEMBER.exec(line) ?? [];
    if (spaces === undefined || name === undefined) continue;
    while (open.at(-1)!.indent >= spaces.length) open.pop();
    const { map } = open.at(-1)!;
    const key = scalar(name);
    const value = withoutComment(rest ?? "");
    if (value === "" || /^[&|>]/.test(value)) {
      const members: Record<string, YamlValue> = Object.create(null);
      map[key] = members;
      open.push({ indent: spaces.length, map: members });
      last = undefined;
    } else {
      map[key] = value.startsWith("{") ? inlineMap(value, i) : scalar(value);
      last = { indent: spaces.length, drop: () => (map[key] = Object.create(null)) };
    }
  }
  return root;
}

function refused(line: number, sentence: string): HeadgateError {
  return new HeadgateError("SOURCE_UNSUPPORTED", `feature_store.yaml, line ${line + 1}: ${sentence}.`);
}

/** True for more of the text that a line began, half of which must not be taken for the whole. */
const isBelow = (line: string, indent = Number.POSITIVE_INFINITY) => line.search(/[^ ]/) > indent && !/^ *#/.test(line);

/** The text under some names; undefined where there is none. */
export function yamlText(map: YamlMap, ...names: readonly string[]): string | undefined {
  let value: YamlValue | undefined = map;
  for (const name of names) value = typeof value === "object" ? value[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

function withoutComment(text: string): string {
  const [quoted] = BEGINS_QUOTED.exec(text) ?? [];
  if (quoted !== undefined) return quoted;
  const at = ` ${text}`.search(/\s#/);
  return (at === -1 ? text : text.slice(0, at)).trim();
}

function scalar(text: string): string {
  const trimmed = text.trim();
  if (/^".*"$/.test(trimmed)) return trimmed.slice(1, -1).replace(/\\(["\\])/g, "$1");
  return /^'.*'$/.test(trimmed) ? trimmed.slice(1, -1).replaceAll("''", "'") : trimmed;
}

function inlineMap(text: string, line: number): YamlMap {
  if (!text.endsWith("}")) throw refused(line, "a map in braces is read where it ends on its line");
  const map: Record<string, YamlValue> = Object.create(null);
  for (const [, name, value] of text.matchAll(INLINE_MEMBER)) {
    map[scalar(name!)] = scalar(value!);
  }
  return map;
}
