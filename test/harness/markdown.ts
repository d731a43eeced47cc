/** Reading Markdown pages as far as the tests hold them to the code: headings, tables, links. */

/** The rows of the first table under a heading, cells trimmed, without the head. Throws when there is none. */
export function markdownTable(page: string, heading: string): readonly (readonly string[])[] {
  const section = sectionOf(page, heading);
  const lines = section.split("\n");
  const rule = lines.findIndex((line) => /^\|[\s|:-]+\|$/.test(line));
  if (rule < 0) throw new Error(`There is no table under the heading "${heading}".`);
  const rows = lines.slice(rule + 1);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end < 0 ? undefined : end).map(cellsOf);
}

/** The headings of a level, without backticks. */
export function headingsOf(page: string, level: number): readonly string[] {
  const heads = withoutCode(page).matchAll(new RegExp(`^#{${level}} (.+)$`, "gm"));
  return [...heads].map((match) => match[1]!.replaceAll("`", "").trim());
}

/** The contents of the fenced blocks of a language. */
export function codeBlocks(page: string, language: string): readonly string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map((match) => match[1]!);
}

/** The relative targets of links and images. */
export function linksOf(page: string): readonly string[] {
  const targets = [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

function withoutCode(page: string): string {
  return page.replace(/^```[\s\S]*?^```/gm, "");
}

function sectionOf(page: string, heading: string): string {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) throw new Error(`There is no heading "${heading}".`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line));
  return rest.slice(0, end < 0 ? undefined : end).join("\n");
}

/** A cell's "\|" stands for a bar. */
function cellsOf(line: string): readonly string[] {
  return line
    .slice(1, line.lastIndexOf("|"))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}
