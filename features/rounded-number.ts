/**
 * A number of a JSON text that a double can't hold: 4503599627370497.2 is nearest to 4503599627370497, which is whole.
 * A float may take the double; for an integer it would be another number than was written, and 1.7 is never 1.
 */

/** The most characters of a token that are kept. */
const TOKEN_CHARACTERS = 60;

/** Counts as its double in arithmetic, and is no number by type. */
export class RoundedNumber extends Number {
  readonly #token: string;

  /** Of a JSON number whose nearest double is whole, while it is not. */
  constructor(token: string) {
    super(token);
    this.#token = token.length <= TOKEN_CHARACTERS ? token : `${token.slice(0, TOKEN_CHARACTERS)}…`;
  }

  /** As it was written, cut when it is long. */
  override toString(): string {
    return this.#token;
  }
}
