/**
 * `row_condition`: which rows an expectation looks at, in the words of pandas' query: comparisons (also chained), and, or,
 * not, &, |, ~, parentheses, in and not in a list, isnull() and notnull(), texts, numbers, booleans, names in backticks.
 * Great Expectations' own `col("x") > 1` and `.notNull()` are understood too, and so are its saved condition objects.
 *
 * Source: pandas.DataFrame.query under its parser "pandas", in which & and | bind as and and or do.
 */

import { canonicalInteger } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { ExpectationFault } from "./expectation-fault.ts";

/** A value that a comparison takes. */
export type Operand =
  | { readonly column: string }
  | { readonly literal: string | number | bigint | boolean | null }
  | { readonly list: readonly (string | number | bigint | boolean | null)[] };

/** The comparisons. */
export type Comparator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** A condition as a tree. */
export type Condition =
  | { readonly compare: Comparator; readonly left: Operand; readonly right: Operand }
  | { readonly isNull: string }
  | { readonly flag: string }
  | { readonly not: Condition }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] };

/** What fails when a condition can't be read or applied. */
export const CONDITION_METRICS: readonly string[] = ["table.row_count", "table.column_types"];

const untranslatable = (text: string, why: string) =>
  new ExpectationFault(`The row_condition ${JSON.stringify(text)} can't be applied: ${why}`, CONDITION_METRICS);

/** A saved row_condition as a tree. Throws ExpectationFault for what can't be translated. */
export function parseCondition(saved: JsonValue): Condition {
  if (typeof saved === "string") return new Reader(saved).read();
  const { type } = saved as { type?: unknown };
  if (type === "pass_through")
    return new Reader(String((saved as { pass_through_filter: string }).pass_through_filter)).read();
  return savedCondition(saved as unknown as SavedCondition);
}

type SavedCondition =
  | { type: "comparison"; column: { name: string }; operator: string; parameter: Exclude<JsonValue, object> }
  | { type: "nullity"; column: { name: string }; is_null: boolean }
  | { type: "and" | "or"; conditions: readonly SavedCondition[] };

function savedCondition(saved: SavedCondition): Condition {
  switch (saved.type) {
    case "comparison": {
      const { operator, parameter, column } = saved;
      const compare = ({ IN: "in", NOT_IN: "not in" }[operator] ?? operator) as Comparator;
      const right = Array.isArray(parameter) ? { list: parameter } : { literal: parameter };
      return { compare, left: { column: column.name }, right };
    }
    case "nullity":
      return saved.is_null ? { isNull: saved.column.name } : { not: { isNull: saved.column.name } };
    case "and":
      return { and: saved.conditions.map(savedCondition) };
    default:
      return { or: saved.conditions.map(savedCondition) };
  }
}

const TOKEN =
  /\s*(?:(`[^`]*`)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|(==|!=|<=|>=|[<>&|~()[\],.-]))/uy;

interface Token {
  readonly kind: "quoted" | "text" | "number" | "word" | "sign";
  readonly text: string;
}

const COMPARATORS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["True", true],
  ["False", false],
  ["None", null],
]);
const NULL_TESTS: ReadonlyMap<string, boolean> = new Map([
  ["isnull", true],
  ["isna", true],
  ["notnull", false],
  ["notna", false],
  ["notNull", false],
]);

/** Reads one condition by descent. */
class Reader {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = this.#tokensOf(text.trim());
  }

  read(): Condition {
    const condition = this.#or();
    if (this.#at < this.#tokens.length)
      throw this.#cannot(`"${this.#tokens[this.#at]!.text}" is not understood there.`);
    return condition;
  }

  #tokensOf(text: string): Token[] {
    const tokens: Token[] = [];
    for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
      TOKEN.lastIndex = at;
      const found = TOKEN.exec(text);
      if (found === null) throw this.#cannot(`"${text.slice(at, at + 10).trim()}" is not understood.`);
      const [, quoted, string, number, word, sign] = found;
      if (quoted !== undefined) tokens.push({ kind: "quoted", text: quoted.slice(1, -1) });
      else if (string !== undefined) tokens.push({ kind: "text", text: unescaped(string.slice(1, -1)) });
      else if (number !== undefined) tokens.push({ kind: "number", text: number });
      else if (word !== undefined) tokens.push({ kind: "word", text: word });
      else tokens.push({ kind: "sign", text: sign! });
    }
    return tokens;
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#takes("or") || this.#takes("|")) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : { or: parts };
  }

  #and(): Condition {
    const parts = [this.#not()];
    while (this.#takes("and") || this.#takes("&")) parts.push(this.#not());
    return parts.length === 1 ? parts[0]! : { and: parts };
  }

  #not(): Condition {
    if (this.#takes("not") || this.#takes("~")) return { not: this.#not() };
    return this.#comparison();
  }

  #comparison(): Condition {
    if (this.#peek("(")) return this.#parenthesized();
    let left = this.#operand();
    if ("column" in left && this.#takes(".")) return this.#nullTest(left.column);
    const parts: Condition[] = [];
    for (let compare = this.#comparator(); compare !== undefined; compare = this.#comparator()) {
      const right = this.#operand();
      parts.push(comparisonOf(compare, left, right));
      left = right;
    }
    if (parts.length > 0) return parts.length === 1 ? parts[0]! : { and: parts };
    if ("column" in left) return { flag: left.column };
    throw this.#cannot("a value alone is no condition.");
  }

  #parenthesized(): Condition {
    this.#takes("(");
    const condition = this.#or();
    this.#expect(")");
    return condition;
  }

  #nullTest(column: string): Condition {
    const name = this.#next("word");
    const isNull = NULL_TESTS.get(name);
    if (isNull === undefined) throw this.#cannot(`.${name} is not supported; .isnull() and .notnull() are.`);
    this.#expect("(");
    this.#expect(")");
    return isNull ? { isNull: column } : { not: { isNull: column } };
  }

  #comparator(): Comparator | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind === "sign" && COMPARATORS.has(token.text)) {
      this.#at++;
      return token.text as Comparator;
    }
    if (this.#takes("in")) return "in";
    if (!this.#peek("not")) return undefined;
    this.#at++;
    this.#expect("in");
    return "not in";
  }

  #operand(): Operand {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#cannot("it ends too early.");
    if (token.kind === "quoted") return { column: this.#next("quoted") };
    if (this.#peek("[") || this.#peek("(")) return { list: this.#list() };
    if (token.kind !== "word" || CONSTANTS.has(token.text)) return { literal: this.#literal() };
    const name = this.#next("word");
    if (name !== "col" || !this.#takes("(")) return { column: name };
    const column = this.#next("text");
    this.#expect(")");
    return { column };
  }

  #list() {
    const end = this.#takes("[") ? "]" : ")";
    this.#takes("(");
    const members = [];
    while (!this.#peek(end)) {
      members.push(this.#literal());
      if (!this.#takes(",")) break;
    }
    this.#expect(end);
    return members;
  }

  #literal(): string | number | bigint | boolean | null {
    const isNegative = this.#takes("-");
    const token = this.#tokens[this.#at++];
    if (token?.kind === "number") return numberOf(isNegative ? `-${token.text}` : token.text);
    if (token?.kind === "text" && !isNegative) return token.text;
    const constant = token?.kind === "word" ? CONSTANTS.get(token.text) : undefined;
    if (constant !== undefined && !isNegative) return constant;
    throw this.#cannot(token === undefined ? "it ends too early." : `"${token.text}" is no value.`);
  }

  #next(kind: Token["kind"]): string {
    const token = this.#tokens[this.#at++];
    if (token?.kind !== kind) throw this.#cannot(`a ${kind} is missing.`);
    return token.text;
  }

  #peek(text: string): boolean {
    const token = this.#tokens[this.#at];
    return token !== undefined && token.text === text && (token.kind === "sign" || token.kind === "word");
  }

  #takes(text: string): boolean {
    const isThere = this.#peek(text);
    if (isThere) this.#at++;
    return isThere;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#cannot(`"${text}" is missing.`);
  }

  #cannot(why: string): ExpectationFault {
    return untranslatable(this.#text, why);
  }
}

/** A list is equal to whatever is in it; a text in a text is in a list of one. */
function comparisonOf(compare: Comparator, left: Operand, right: Operand): Condition {
  if ("list" in right && (compare === "==" || compare === "!=")) {
    return { compare: compare === "==" ? "in" : "not in", left, right };
  }
  if ("literal" in right && (compare === "in" || compare === "not in")) {
    return { compare, left, right: { list: [right.literal] } };
  }
  return { compare, left, right };
}

/** Integers are exact. */
const numberOf = (text: string) => (/^-?\d+$/.test(text) ? canonicalInteger(BigInt(text)) : Number(text));

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

const unescaped = (text: string) => text.replace(/\\(.)/gs, (_, character: string) => ESCAPES[character] ?? character);
