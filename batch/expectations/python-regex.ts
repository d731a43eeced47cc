/**
 * Patterns of Python's `re` as JavaScript's, with the meaning they have there: `$` also before a last line feed, `.` is
 * all but a line feed, `\d`, `\w` and `\b` know all of Unicode, `\A`, `\Z`, `(?P<name>…)`, `(?P=name)`, flags in front.
 * What JavaScript has no words for (conditionals, flags of a part, atomic groups, verbose patterns) is not guessed at.
 *
 * Source: the regular expression syntax of Python 3's `re`, and ECMAScript's patterns under the flag "v".
 */

const DIGIT = "\\p{Nd}";
const WORD = "\\p{L}\\p{N}_";
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const CLASSES: Readonly<Record<string, string>> = {
  d: `[${DIGIT}]`,
  D: `[^${DIGIT}]`,
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
};
const ASCII_CLASSES: Readonly<Record<string, string>> = {
  d: "[0-9]",
  D: "[^0-9]",
  w: "[a-zA-Z0-9_]",
  W: "[^a-zA-Z0-9_]",
  s: "[\\t-\\r\\x20]",
  S: "[^\\t-\\r\\x20]",
};
const END = "(?![\\s\\S])";
const BEGIN = "(?<![\\s\\S])";

/** Compiles a pattern to search with, or says in a sentence why it can't be. */
export function compilePythonRegex(pattern: string): RegExp | string {
  try {
    return new Translation(pattern).compile();
  } catch (thrown) {
    if (thrown instanceof Untranslatable) return thrown.message;
    return `The pattern ${JSON.stringify(pattern)} is not one of Python's re: ${(thrown as Error).message}`;
  }
}

class Untranslatable extends Error {}

/** One pattern from left to right. */
class Translation {
  readonly #pattern: string;
  #at = 0;
  #flags = new Set<string>();
  #classes = CLASSES;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  compile(): RegExp {
    this.#takeFlags();
    let source = "";
    while (this.#at < this.#pattern.length) source += this.#part();
    return new RegExp(source, this.#flags.has("i") ? "vi" : "v");
  }

  #takeFlags(): void {
    for (;;) {
      const flags = /^\(\?([aiLmsux]+)\)/.exec(this.#pattern.slice(this.#at));
      if (flags === null) return;
      this.#at += flags[0].length;
      for (const flag of flags[1]!) this.#flags.add(flag);
      if (this.#flags.has("x") || this.#flags.has("L")) throw this.#cannot("the flags x and L");
      if (this.#flags.has("a")) this.#classes = ASCII_CLASSES;
    }
  }

  #part(): string {
    const character = this.#next();
    switch (character) {
      case "\\":
        return this.#escape();
      case "[":
        return this.#set();
      case "(":
        return this.#group();
      case "^":
        return this.#flags.has("m") ? `(?:${BEGIN}|(?<=\\n))` : BEGIN;
      case "$":
        return this.#flags.has("m") ? `(?:${END}|(?=\\n))` : `(?=\\n?${END})`;
      case ".":
        return this.#flags.has("s") ? "[\\s\\S]" : "[^\\n]";
      case "{":
        return this.#quantifier();
      case "*":
      case "+":
      case "?":
        return this.#repeat(character);
      case ")":
      case "|":
        return character;
      default:
        return literal(character);
    }
  }

  /** The next code point. */
  #next(): string {
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.#at)!);
    this.#at += character.length;
    return character;
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#pattern);
    if (found !== null) this.#at += found[0].length;
    return found;
  }

  #repeat(quantifier: string): string {
    if (this.#pattern[this.#at] === "+") throw this.#cannot(`the possessive quantifier ${quantifier}+`);
    return quantifier;
  }

  /** A brace that is no quantifier stands for itself. */
  #quantifier(): string {
    const found = this.#take(/(\d*)(,?)(\d*)\}/y);
    if (found === null || (found[1] === "" && found[3] === "")) {
      if (found !== null) this.#at -= found[0].length;
      return "\\{";
    }
    const [, least, comma, most] = found;
    return this.#repeat(`{${least === "" ? "0" : least}${comma}${most}}`);
  }

  #group(): string {
    if (this.#pattern[this.#at] !== "?") return "(";
    if (this.#take(/\?#[^)]*\)/y) !== null) return "";
    const named = this.#take(/\?P<([^>]+)>/y);
    if (named !== null) return `(?<${named[1]}>`;
    const back = this.#take(/\?P=([^)]+)\)/y);
    if (back !== null) return `\\k<${back[1]}>`;
    const opened = this.#take(/\?(?::|=|!|<=|<!)/y);
    if (opened === null)
      throw this.#cannot(`a group that begins with "(${this.#pattern.slice(this.#at, this.#at + 3)}"`);
    return `(${opened[0]}`;
  }

  #escape(): string {
    if (this.#at >= this.#pattern.length) throw new Error("bad escape (end of pattern)");
    const number = this.#take(/[1-9]\d?(?!\d)/y);
    if (number !== null) return `(?:\\${number[0]})`;
    const character = this.#next();
    const [word, isAscii] = [this.#classes.w!, this.#classes === ASCII_CLASSES];
    switch (character) {
      case "A":
        return BEGIN;
      case "Z":
        return END;
      case "b":
        return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
      case "B":
        return `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
      default:
        return (isAscii ? ASCII_CLASSES : CLASSES)[character] ?? this.#characterEscape(character);
    }
  }

  #characterEscape(character: string): string {
    const control = { a: "\\x07", f: "\\f", n: "\\n", r: "\\r", t: "\\t", v: "\\v" }[character];
    if (control !== undefined) return control;
    const digits = { x: /[\da-fA-F]{2}/y, u: /[\da-fA-F]{4}/y, U: /[\da-fA-F]{8}/y }[character];
    if (digits !== undefined) {
      const found = this.#take(digits);
      if (found === null) throw new Error(`incomplete escape \\${character}`);
      return `\\u{${Number.parseInt(found[0], 16).toString(16)}}`;
    }
    if (/[0-7]/.test(character)) {
      const more = this.#take(/[0-7]{0,2}/y)![0];
      return `\\u{${Number.parseInt(character + more, 8).toString(16)}}`;
    }
    if (/[a-zA-Z0-9]/.test(character)) throw new Error(`bad escape \\${character}`);
    return literal(character);
  }

  /** A set; "]" in front is a member. */
  #set(): string {
    let members = this.#pattern[this.#at] === "^" ? `${this.#next()}` : "";
    let isFirst = true;
    for (;;) {
      if (this.#at >= this.#pattern.length) throw new Error("unterminated character set");
      const character = this.#next();
      if (character === "]" && !isFirst) return `[${members}]`;
      isFirst = false;
      const member = this.#member(character);
      const isRange = this.#pattern[this.#at] === "-" && ![undefined, "]"].includes(this.#pattern[this.#at + 1]);
      if (!isRange || member.startsWith("[")) {
        members += member;
        continue;
      }
      this.#next();
      members += `${member}-${this.#member(this.#next())}`;
    }
  }

  #member(character: string): string {
    if (character !== "\\") return literal(character);
    const escaped = this.#next();
    if (escaped === "b") return "\\x08";
    return this.#classes[escaped] ?? this.#characterEscape(escaped);
  }

  #cannot(what: string): Untranslatable {
    const pattern = JSON.stringify(this.#pattern);
    return new Untranslatable(`The pattern ${pattern} has ${what}, which is not supported. Write it without.`);
  }
}

/** A character that stands for itself, inside a set and out. */
function literal(character: string): string {
  if (/[a-zA-Z0-9_]/.test(character)) return character;
  const code = character.codePointAt(0)!;
  return code < 128 ? `\\x${code.toString(16).padStart(2, "0")}` : character;
}
