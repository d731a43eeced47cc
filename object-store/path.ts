/**
 * How paths of source files are written: `s3://bucket/key` apart from local ones, and the one small language of globs
 * that both share: `*` and `?` within a name, `**` across folders, `{a,b}`. All other characters stand for themselves.
 */

import { HeadgateError } from "../errors.ts";

/** A place in S3. The key is as it is stored: nothing is decoded, and "" is the whole bucket. */
export interface S3Path {
  readonly bucket: string;
  readonly key: string;
}

/** True for what begins with `s3://`. */
export function isS3Path(path: string): boolean {
  return /^s3:\/\//i.test(path);
}

/** Takes `s3://bucket/key` apart. Throws SOURCE_NOT_FOUND for what can't be a bucket. */
export function parseS3Path(path: string): S3Path {
  const [, bucket, key] = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{2,62})(?:\/([\s\S]*))?$/i.exec(path) ?? [];
  if (bucket !== undefined) return { bucket, key: key ?? "" };
  throw new HeadgateError("SOURCE_NOT_FOUND", `${path} names no bucket. Write s3://bucket/key.`);
}

/** A glob taken apart. */
export interface Glob {
  /** The folder before the first wildcard, with its "/"; "" where there is none. */
  readonly head: string;
  /** What every match begins with: the head and what the next name has before the wildcard. */
  readonly prefix: string;
  /** Whether the rest of a path, after the head, is a file that the glob stands for. */
  readonly matches: (name: string) => boolean;
}

/** Compiles a path that has wildcards; undefined for one that has none. */
export function compileGlob(path: string): Glob | undefined {
  const wildcard = path.search(/[*?{]/);
  if (wildcard < 0) return undefined;
  const head = path.slice(0, path.lastIndexOf("/", wildcard) + 1);
  const choices = alternatives(path.slice(head.length).replace(/\/+$/, "")).map(expressionOf);
  // A folder among the matches stands for the Parquet files below it.
  const expression = new RegExp(`^(?:${choices.join("|")})(?:/.+\\.parquet)?$`, "su");
  const matches = (name: string): boolean => !isLeftover(name) && expression.test(name);
  return Object.freeze({ head, prefix: path.slice(0, wildcard), matches });
}

/** Whether a path below a folder is one of the files that the folder stands for. */
export function isParquetBelow(name: string): boolean {
  return name.endsWith(".parquet") && !isLeftover(name);
}

/**
 * Whether a name on the path begins with "_" or ".": `_SUCCESS`, `_temporary`, `.part-0.crc`. A folder `_day=1` is a
 * partition by a column of that name, as for Spark.
 */
export function isLeftover(name: string): boolean {
  return /(?:^|\/)(?:\.|_(?![^/]*=[^/]*\/))/.test(name);
}

/** A pattern without `{a,b}`: what it stands for, each written out. Braces that hold no comma or have no pair stay. */
function alternatives(pattern: string): readonly string[] {
  const [braces, choices] = /\{([^{}]*,[^{}]*)\}/.exec(pattern) ?? [];
  if (braces === undefined) return [pattern];
  return choices!.split(",").flatMap((choice) => alternatives(pattern.replace(braces, () => choice)));
}

/** The regular expression of a glob; "**" is special only as a whole name. */
function expressionOf(glob: string): string {
  const names = glob.split("/");
  const last = names.length - 1;
  return names
    .map((name, i) => {
      if (name === "**") return i === last ? ".+" : "(?:.+/)?";
      const literal = name.replace(/[\\^$.+()[\]{}|]/g, "\\$&");
      const expression = literal.replace(/\*+|\?/g, (wildcard) => (wildcard === "?" ? "[^/]" : "[^/]*"));
      return i === last ? expression : `${expression}/`;
    })
    .join("");
}
