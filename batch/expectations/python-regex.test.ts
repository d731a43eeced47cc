import { describe, expect, test } from "vitest";
import { compilePythonRegex } from "./python-regex.ts";

function isMatch(pattern: string, text: string): boolean {
  const compiled = compilePythonRegex(pattern);
  if (typeof compiled === "string") throw new Error(compiled);
  return compiled.test(text);
}

describe("a pattern means what it means to Python", () => {
  test.each([
    ["a search, not a match of all", "b", "abc", true],
    ["$ is also before a last line feed", "a$", "a\n", true],
    ["but not before two", "a$", "a\n\n", false],
    ["\\Z is the very end", "a\\Z", "a\n", false],
    ["\\A is the very begin", "\\Ab", "a\nb", false],
    ["^ is the begin of a line with m", "(?m)^b", "a\nb", true],
    ["a dot is no line feed", "^.$", "\n", false],
    ["but a carriage return", "^.$", "\r", true],
    ["any character with s", "(?s)^.$", "\n", true],
    ["a dot is a whole code point", "^.$", "😀", true],
    ["\\d knows all digits", "^\\d$", "٣", true],
    ["but not with a", "(?a)^\\d$", "٣", false],
    ["\\w knows letters", "^\\w+$", "Zoë_1", true],
    ["\\b is between words of any script", "\\bé\\b", "a é b", true],
    ["\\W in a set", "^[\\W\\d]+$", "1-2", true],
    ["a named group and its repetition", "^(?P<c>.)x(?P=c)$", "axa", true],
    ["letters of either case", "(?i)^ch", "CH-1", true],
    ["] in front of a set is a member", "^[]a]+$", "]a", true],
    ["a brace that is no quantifier", "^{a}$", "{a}", true],
    ["a quantifier without a least", "^a{,2}$", "aa", true],
    ["a dash at the end of a set", "^[a-]+$", "a-", true],
    ["octal and long escapes", "^\\101\\U0001F600$", "A😀", true],
    ["a look behind", "(?<=CH-)\\d", "CH-1", true],
    ["a quantifier without ends", "^x{,}y", "xxy", true],
    ["\\B is not in an empty text", "\\B", "", false],
    ["but between two spaces", "\\B", "  ", true],
    ["a look behind of equal alternatives", "(?<=ab|cd)e", "cde", true],
    ["a look behind of so many", "(?<=a{3})b", "aaab", true],
    ["a look behind of a group so often", "(?<=(?:ab){2})c", "ababc", true],
    ["a back reference to a group that takes part", "^(a+)b\\1$", "aabaa", true],
    ["a comment", "a(?#letter)b", "ab", true],
  ])("%s", (_, pattern, text, expected) => {
    expect(isMatch(pattern, text)).toBe(expected);
  });
});

describe("what can't be translated is a sentence", () => {
  test.each([
    ...["(", "[a", "(?x) a b", "(a)?(?(1)b|c)", "(?>a+)b", "a++b", "(?i:a)b", "\\q", "a)b"],
    // A group that takes no part: "" would be matched here.
    ...[
      "^(a)?b\\1$",
      "^(?:(a)|b)*\\1$",
      "^(?:(?P<x>a)|b)(?P=x)$",
      "(?!(a))\\1",
      "(a\\1)",
      "(a){0}\\1",
      "\\1(a)",
      "(?P=x)(?P<x>a)",
    ],
    ...[
      "[\\d-x]",
      "[a-\\d]",
      "(?<=a+)b",
      "(?<=a|bc)d",
      "(?<!a?)b",
      "(?<=(?:a|bc))d",
      "(?<=(a)\\1)b",
      "(?ai)k",
      "(?i)(?a)k",
    ],
  ])("%s", (pattern) => {
    expect(compilePythonRegex(pattern)).toMatch(/^The pattern .+/);
  });
});
