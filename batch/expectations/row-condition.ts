/**
 * `row_condition`: which rows an expectation looks at, in the words of pandas' query: comparisons (also chained), and, or,
 * not, &, |, ~, parentheses, in and not in a list, isnull() and notnull(), texts, numbers, booleans, names in backticks.
 * Great Expectations' own `col("x") > 1` and `.notNull()` are understood too, and so are its saved condition objects.
 * What pandas would read otherwise than it looks (`~a > 1`, an escape beyond the plain ones) is a fault, never a guess.
 *
 * Source: pandas.DataFrame.query under its parser "pandas", in which & and | bind as and and or do.
 */

import { canonicalInteger } from "../../features/field.ts";
import { type JsonValue, writeJson } from "../../features/json-value.ts";
import { type Token, tokensOf, untranslatable } from "./condition-tokens.ts";
import type { ExpectationFault } from "./expectation-fault.ts";

/** A value that a comparison takes. */
export type Operand =
  | { readonly column: string }
  | { readonly literal: string | number | bigint | boolean | null }
  | { readonly list: readonly (string | number | bigint | boolean | null)[] };

/** The comparisons. */
export type Comparator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** A condition as a tree; `in` and `not in` have a column to the left and a list to the right, others have no list. */
export type Condition =
  | { readonly compare: Comparator; readonly left: Operand; readonly right: Operand }
  | { readonly isNull: string }
  | { readonly flag: string }
  | { readonly not: Condition }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] };

/** How deep parentheses, not, ~ and saved conditions may be nested; each level takes some of the stack. */
const DEPTH_MAX = 100;

/** A saved row_condition as a tree. Throws ExpectationFault for what can't be translated. */
export function parseCondition(saved: JsonValue): Condition {
  if (typeof saved === "string") return new Reader(saved).read();
  const { type } = saved as { type?: unknown };
  if (type === "pass_through")
    return new Reader(String((saved as { pass_through_filter: string }).pass_through_filter)).read();
  return savedCondition(saved as unknown as SavedCondition, 1);
}

type SavedCondition =
  | { type: "comparison"; column: { name: string }; operator: string; parameter: Exclude<JsonValue, object> }
  | { type: "nullity"; column: { name: string }; is_null: boolean }
  | { type: "and" | "or"; conditions: readonly SavedCondition[] };

function savedCondition(saved: SavedCondition, depth: number): Condition {
  if (depth > DEPTH_MAX)
    throw untranslatable(writeJson(saved as unknown as JsonValue), `it is nested more than ${DEPTH_MAX} deep.`);
  switch (saved.type) {
    case "comparison": {
      const { operator, parameter, column } = saved;
      const compare = ({ IN: "in", NOT_IN: "not in" }[operator] ?? operator) as Comparator;
      const right = Array.isArray(parameter) ? { list: parameter } : { literal: parameter };
      return comparisonOf(writeJson(saved as unknown as JsonValue), compare, { column: column.name }, right);
    }
    case "nullity":
      return saved.is_null ? { isNull: saved.column.name } : { not: { isNull: saved.column.name } };
    case "and":
      return { and: saved.conditions.map((one) => savedCondition(one, depth + 1)) };
    default:
      return { or: saved.conditions.map((one) => savedCondition(one, depth + 1)) };
  }
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
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  read(): Condition {
    const condition = this.#or();
    if (this.#at < this.#tokens.length)
      throw this.#cannot(`"${this.#tokens[this.#at]!.text}" is not understood there.`);
    return condition;
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
    if (this.#takes("not")) return { not: this.#deeper(() => this.#not()) };
    return this.#peek("~") ? this.#inverted() : this.#comparison();
  }

  /** `~` binds more tightly than any comparison: of a number it is another number, which is not followed here. */
  #inverted(): Condition {
    this.#expect("~");
    const condition = this.#deeper(() => this.#invertible());
    const compare = this.#tokens[this.#at]?.text;
    if (this.#comparator() !== undefined) {
      throw this.#cannot(`~ is before "${compare}", which it binds more tightly than; write not, or parentheses.`);
    }
    return { not: condition };
  }

  #invertible(): Condition {
    if (this.#peek("~")) return this.#inverted();
    if (this.#peek("(")) return this.#parenthesized();
    const operand = this.#operand();
    if (!("column" in operand)) throw this.#cannot("~ is before a value; it inverts a boolean column or parentheses.");
    return this.#takes(".") ? this.#nullTest(operand.column) : { flag: operand.column };
  }

  #deeper(read: () => Condition): Condition {
    if (++this.#depth > DEPTH_MAX) throw this.#cannot(`it is nested more than ${DEPTH_MAX} deep.`);
    const condition = read();
    this.#depth--;
    return condition;
  }

  #comparison(): Condition {
    if (this.#peek("(")) return this.#parenthesized();
    let left = this.#operand();
    if ("column" in left && this.#takes(".")) return this.#nullTest(left.column);
    const parts: Condition[] = [];
    for (let compare = this.#comparator(); compare !== undefined; compare = this.#comparator()) {
      const right = this.#operand();
      parts.push(comparisonOf(this.#text, compare, left, right));
      left = right;
    }
    if (parts.length > 0) return parts.length === 1 ? parts[0]! : { and: parts };
    if ("column" in left) return { flag: left.column };
    throw this.#cannot("a value alone is no condition.");
  }

  #parenthesized(): Condition {
    this.#takes("(");
    const condition = this.#deeper(() => this.#or());
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
    if (this.#peek("[") || this.#peek("(")) return this.#list();
    if (token.kind !== "word" || CONSTANTS.has(token.text)) return { literal: this.#literal() };
    const name = this.#next("word");
    if (name !== "col" || !this.#takes("(")) return { column: name };
    const column = this.#next("text");
    this.#expect(")");
    return { column };
  }

  /** One value in parentheses is that value; with a comma it is a list. */
  #list(): Operand {
    const end = this.#takes("[") ? "]" : ")";
    this.#takes("(");
    const list = [];
    let hasComma = false;
    while (!this.#peek(end)) {
      list.push(this.#literal());
      if (!this.#takes(",")) break;
      hasComma = true;
    }
    this.#expect(end);
    return end === ")" && list.length === 1 && !hasComma ? { literal: list[0]! } : { list };
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
function comparisonOf(text: string, compare: Comparator, left: Operand, right: Operand): Condition {
  const isIn = compare === "in" || ("list" in right && compare === "==");
  if (isIn || compare === "not in" || ("list" in right && compare === "!=")) {
    const list = listOf(right);
    if (!("column" in left) || list === undefined) {
      throw untranslatable(
        text,
        `${compare} is between a column to the left and a list to the right, like ["a", "b"].`,
      );
    }
    return { compare: isIn ? "in" : "not in", left, right: { list } };
  }
  if ("list" in left || "list" in right)
    throw untranslatable(text, `a list has no ${compare}; write a column in a list.`);
  if (!("column" in left || "column" in right)) throw untranslatable(text, "a comparison needs a column.");
  return { compare, left, right };
}

function listOf(right: Operand) {
  if ("list" in right) return right.list;
  return "literal" in right && typeof right.literal === "string" ? [right.literal] : undefined;
}

/** Integers are exact. */
const numberOf = (text: string) => (/^-?\d+$/.test(text) ? canonicalInteger(BigInt(text)) : Number(text));
