/**
 * What the benches' pictures share: an SVG of its own, without fonts, scripts or anything else from outside, that is
 * readable in a page of either colour. It brings its background, because a picture in a README follows the colours of
 * the reader's system and the page around it may not.
 */

const WIDTH = 720;

/** The classes c0 … c5 are the colours of series: c0 is for what others are compared with. */
const STYLE = `
  .back { fill: #ffffff; stroke: #d1d9e0 }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.25; stroke-linejoin: round }
  .dashed { stroke-dasharray: 6 4 }
  .c0 { --c: #6e7781 } .c1 { --c: #0969da } .c2 { --c: #bc4c00 }
  .c3 { --c: #8250df } .c4 { --c: #1a7f37 } .c5 { --c: #bf3989 }
  .line { stroke: var(--c) } .area { fill: var(--c) }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .grid { stroke: #30363d }
    .c0 { --c: #9198a1 } .c1 { --c: #4493f8 } .c2 { --c: #f0883e }
    .c3 { --c: #ab7df8 } .c4 { --c: #3fb950 } .c5 { --c: #db61a2 }
  }`;

/** What every picture says about itself. */
export interface Heading {
  readonly title: string;
  readonly subtitle: string;
}

/** The width of every picture and the left and right edges of what is drawn. */
export const FRAME = Object.freeze({ width: WIDTH, left: 24, right: WIDTH - 24, top: 64 });

/** A whole picture: its frame, its heading and what is drawn below it, `height` pixels in all. */
export function svgDocument({ title, subtitle }: Heading, height: number, drawn: readonly string[]): string {
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    textAt(FRAME.left, 30, title, { class: "title" }),
    textAt(FRAME.left, 50, subtitle, { class: "quiet" }),
    ...drawn,
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

/** A text whose characters mean themselves; `x` is its start unless the anchor says otherwise. */
export function textAt(x: number, y: number, text: string, attributes: Readonly<Record<string, string>> = {}): string {
  return `<text x="${pixel(x)}" y="${pixel(y)}"${attributeText(attributes)}>${escaped(text)}</text>`;
}

/** An element without content; numbers are rounded to tenths of a pixel. */
export function element(name: string, attributes: Readonly<Record<string, string | number>>): string {
  return `<${name}${attributeText(attributes)}/>`;
}

/** A number of pixels, short. */
export function pixel(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function attributeText(attributes: Readonly<Record<string, string | number>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${typeof value === "number" ? pixel(value) : escaped(value)}"`)
    .join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
