/** How an imported project's definition files are written: what they import, what is on one line, what is quoted. */

import { IMPORTED } from "./definition-names.ts";

/** A definition as a file has it. */
export interface Written {
  readonly constant: string;
  readonly text: string;
}

/** A view with the fields that were carried over. */
export interface WrittenView extends Written {
  readonly fields: ReadonlySet<string>;
}

/** What is imported from other files. */
export type Imports = readonly (readonly [file: string, definitions: readonly Written[]])[];

/** A file of definitions; empty where there is none. */
export function fileText(about: string, definitions: readonly Written[], imports: Imports): string {
  if (definitions.length === 0) return "";
  const body = definitions.map(({ text }) => text).join("\n\n");
  const functions = IMPORTED.filter((name) => body.includes(`${name}(`)).sort();
  const used = imports.flatMap(([file, all]) => {
    const constants = all.map(({ constant }) => constant).filter((name) => new RegExp(`\\b${name}\\b`).test(body));
    return constants.length === 0 ? [] : [importText(constants, file)];
  });
  const lines = [importText(functions, "headgate"), ...used];
  return `// ${about}, imported from Feast.\n\n${lines.join("\n")}\n\n${body}\n`;
}

const LINE_CHARACTERS = 100;

function importText(names: readonly string[], from: string): string {
  return `import ${listText("{", names, "}")} from ${JSON.stringify(from)};`;
}

/** A list: on one line where that is short, else one item a line. */
export function listText(open: string, items: readonly string[], close: string, indent = ""): string {
  if (items.length === 0) return `${open}${close}`;
  const space = open === "{" ? " " : "";
  const line = `${open}${space}${items.join(", ")}${space}${close}`;
  if (line.length <= LINE_CHARACTERS) return line;
  return `${open}\n${items.map((item) => `${indent}  ${item},\n`).join("")}${indent}${close}`;
}

/** The option of a description; none for an empty one. */
export const descriptionOption = (description: string): readonly string[] =>
  description === "" ? [] : [`description: ${quoted(description)}`];

/** A text as a definition file has it. */
export const quoted = (text: string): string => JSON.stringify(text);
