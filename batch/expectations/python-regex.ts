/**
 * Patterns of Python's `re` as JavaScript's, with the meaning they have there: `$` also before a last line feed, `.` is
 * all but a line feed, `\d`, `\w` and `\b` know all of Unicode, `\A`, `\Z`, `(?P<name>…)`, `(?P=name)`, flags in front.
 * What JavaScript has no words for (conditionals, flags of a part, atomic groups, verbose patterns), or other ones (a back
 * reference to a group that did not take part matches nothing there and everything here), is not guessed at.
 *
 * Source: the regular expression syntax of Python 3's `re`, and ECMAScript's patterns under the flag "v".
 */

import { ASCII_CLASSES, CLASSES, literal } from "./python-classes.ts";

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

/** A group that is open: how many characters it takes, as far as that is looked at. */
interface Open {
  readonly isBehind: boolean;
  readonly isLook: boolean;
  width: number;
  /** Of its last part. */
  lastWidth: number;
  /** Of the alternatives before. */
  firstWidth: number | undefined;
}

const opened = (isLook: boolean, isBehind: boolean): Open => ({
  ...{ isBehind, isLook },
  ...{ width: 0, lastWidth: 0, firstWidth: undefined },
});

/** One pattern from left to right. */
class Translation {
  readonly #pattern: string;
  readonly #open: Open[] = [opened(false, false)];
  #at = 0;
  #hasBackReference = false;
  /** Groups so far that can be referred to. */
  #captures = 0;
  /** A group that may take no part in a match, or in its last round. */
  #hasOptional = false;
  #flags = new Set<string>();
  #classes = CLASSES;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  compile(): RegExp {
    this.#takeFlags();
    let source = "";
    while (this.#at < this.#pattern.length) source += this.#part();
    if (this.#hasBackReference && this.#hasOptional) {
      throw this.#cannot("a back reference beside |, a negative look-around or a repeated group");
    }
    return new RegExp(source, this.#flags.has("i") ? "vi" : "v");
  }

  #takeFlags(): void {
    for (;;) {
      const flags = /^\(\?([aiLmsux]+)\)/.exec(this.#pattern.slice(this.#at));
      if (flags === null) return;
      this.#at += flags[0].length;
      for (const flag of flags[1]!) this.#flags.add(flag);
      if (this.#flags.has("x") || this.#flags.has("L")) throw this.#cannot("the flags x and L");
      if (this.#flags.has("a") && this.#flags.has("i")) throw this.#cannot("the flags a and i together");
      if (this.#flags.has("a")) this.#classes = ASCII_CLASSES;
    }
  }

  #part(): string {
    const character = this.#next();
    switch (character) {
      case "\\":
        return this.#escape();
      case "[":
        this.#takes(1);
        return this.#set();
      case "(":
        return this.#group();
      case "^":
        return this.#flags.has("m") ? `(?:${BEGIN}|(?<=\\n))` : BEGIN;
      case "$":
        return this.#flags.has("m") ? `(?:${END}|(?=\\n))` : `(?=\\n?${END})`;
      case ".":
        this.#takes(1);
        return this.#flags.has("s") ? "[\\s\\S]" : "[^\\n]";
      case "{":
        return this.#quantifier();
      case "*":
      case "+":
      case "?":
        return this.#repeat(character);
      case ")":
        return this.#close();
      case "|":
        this.#hasOptional = true;
        this.#endAlternative();
        return character;
      default:
        this.#takes(1);
        return literal(character);
    }
  }

  /** The part just read takes so many characters. */
  #takes(width: number): void {
    const group = this.#open.at(-1)!;
    group.width += width;
    group.lastWidth = width;
  }

  #endAlternative(): void {
    const group = this.#open.at(-1)!;
    if (this.#isBehind() && group.firstWidth !== undefined && group.firstWidth !== group.width) throw unfixed();
    group.firstWidth ??= group.width;
    group.width = 0;
  }

  #isBehind(): boolean {
    return this.#open.some(({ isBehind }) => isBehind);
  }

  #close(): string {
    if (this.#open.length === 1) throw new Error("unbalanced parenthesis");
    this.#endAlternative();
    const { isLook, firstWidth } = this.#open.pop()!;
    this.#takes(isLook ? 0 : firstWidth!);
    if (/[*+?{]/.test(this.#pattern[this.#at] ?? "")) this.#hasOptional = true;
    return ")";
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
    const times = /^\{(\d+)\}$/.exec(quantifier);
    if (this.#isBehind() && times === null) throw unfixed();
    this.#takes(this.#open.at(-1)!.lastWidth * (Number(times?.[1] ?? 1) - 1));
    if (this.#pattern[this.#at] === "+") throw this.#cannot(`the possessive quantifier ${quantifier}+`);
    return quantifier;
  }

  /** A brace that is no quantifier stands for itself. */
  #quantifier(): string {
    const found = this.#take(/(\d*)(,?)(\d*)\}/y);
    if (found === null || found[0] === "}") {
      if (found !== null) this.#at -= found[0].length;
      this.#takes(1);
      return "\\{";
    }
    const [, least, comma, most] = found;
    return this.#repeat(`{${least === "" ? "0" : least}${comma}${most}}`);
  }

  #group(): string {
    if (this.#pattern[this.#at] !== "?") return this.#begin("(");
    if (this.#take(/\?#[^)]*\)/y) !== null) return "";
    const named = this.#take(/\?P<([^>]+)>/y);
    if (named !== null) return this.#begin(`(?<${named[1]}>`);
    const back = this.#take(/\?P=([^)]+)\)/y);
    if (back !== null) return this.#backReference(back[1]!, `\\k<${back[1]}>`);
    const special = this.#take(/\?(?::|=|!|<=|<!)/y);
    if (special === null)
      throw this.#cannot(`a group that begins with "(${this.#pattern.slice(this.#at, this.#at + 3)}"`);
    return this.#begin(`(${special[0]}`);
  }

  #begin(opening: string): string {
    if (opening.endsWith("!")) this.#hasOptional = true;
    if (/^\((?:\?<[^=!]|$)/.test(opening)) this.#captures++;
    this.#open.push(opened(/[=!]$/.test(opening), /^\(\?<[=!]$/.test(opening)));
    return opening;
  }

  /** Of a number or of a name; to a group that is open or that comes later Python has none. */
  #backReference(group: string, reference: string): string {
    const isKnown = /^\d/.test(group)
      ? Number(group) <= this.#captures
      : this.#pattern.slice(0, this.#at).includes(`(?P<${group}>`);
    if (!isKnown) throw new Error(`invalid group reference ${group}`);
    if (this.#isBehind() || this.#open.length > 1) throw this.#cannot("a back reference inside a group");
    this.#hasBackReference = true;
    return reference;
  }

  #escape(): string {
    if (this.#at >= this.#pattern.length) throw new Error("bad escape (end of pattern)");
    const number = this.#take(/[1-9]\d?(?!\d)/y);
    if (number !== null) return this.#backReference(number[0], `(?:\\${number[0]})`);
    const character = this.#next();
    this.#takes("AZbB".includes(character) ? 0 : 1);
    const [word, isAscii] = [this.#classes.w!, this.#classes === ASCII_CLASSES];
    switch (character) {
      case "A":
        return BEGIN;
      case "Z":
        return END;
      case "b":
        return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
      case "B":
        // There is none in an empty text.
        return `(?:(?<=[\\s\\S])|(?=[\\s\\S]))(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
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
      if (!isRange) {
        members += member;
        continue;
      }
      this.#next();
      const last = this.#member(this.#next());
      if (member.startsWith("[") || last.startsWith("[")) throw new Error("bad character range");
      members += `${member}-${last}`;
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

const unfixed = () => new Error("look-behind requires fixed-width pattern");
