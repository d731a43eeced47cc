/**
 * What a test asks of a page as a whole, in functions that run in the page, where playwright sends their text: how far it
 * overflows, how large its drawings are, how much its text and its marks stand out from their ground. The few names of the
 * browser's that they need are declared here, as the tests are compiled without a browser's types.
 */

interface PageElement {
  readonly tagName: string;
  readonly textContent: string;
  readonly childNodes: Iterable<{ readonly nodeType: number; readonly textContent: string }>;
  readonly parentElement: PageElement | null;
  closest(selector: string): PageElement | null;
  getAttribute(name: string): string | null;
  getBoundingClientRect(): { readonly width: number; readonly height: number };
}
declare const document: {
  readonly documentElement: { readonly scrollWidth: number };
  querySelectorAll(selector: string): Iterable<PageElement>;
};
declare const innerWidth: number;
declare function getComputedStyle(
  element: PageElement,
): Readonly<Record<"color" | "fill" | "stroke" | "backgroundColor", string>>;

/** How much an element stands out: the contrast ratio, from 1 to 21. */
export interface Contrast {
  /** The element, its classes, and what its text begins with. */
  readonly what: string;
  readonly contrast: number;
}

/** Pixels that the page is wider than its window. */
export function overflowOfPage(): number {
  return document.documentElement.scrollWidth - innerWidth;
}

/** The shorter side of every element that a selector finds, pixels. */
export function sidesOfElements(selector: string): readonly number[] {
  return [...document.querySelectorAll(selector)].map((element) => {
    const { width, height } = element.getBoundingClientRect();
    return Math.min(width, height);
  });
}

/**
 * Of every element with text of its own, of what `strokes` finds by its line and of what `fills` finds by its area. Colours
 * must be opaque. Formula: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
 */
export function contrastsOfPage({ strokes, fills }: { readonly strokes: string; readonly fills: string }): {
  readonly text: readonly Contrast[];
  readonly marks: readonly Contrast[];
} {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: string) => {
    const [red, green, blue] = channels(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (element: PageElement | null): string => {
    if (element === null) return "rgb(255, 255, 255)";
    const { backgroundColor } = getComputedStyle(element);
    return channels(backgroundColor)[3] === 0 ? groundOf(element.parentElement) : backgroundColor;
  };
  const contrastOf = (element: PageElement, color: string): Contrast => {
    const [darker, lighter] = [luminance(color), luminance(groundOf(element))].sort((a, b) => a - b) as [
      number,
      number,
    ];
    const what = `${element.tagName} ${element.getAttribute("class") ?? ""} ${element.textContent.slice(0, 30)}`;
    return { what, contrast: (lighter + 0.05) / (darker + 0.05) };
  };
  const isText = (element: PageElement) =>
    element.closest("style, title, defs") === null &&
    [...element.childNodes].some(({ nodeType, textContent }) => nodeType === 3 && textContent.trim() !== "");
  const found = (selector: string) => [...document.querySelectorAll(selector)];
  return {
    text: found("body *")
      .filter(isText)
      .map((element) => {
        const { color, fill } = getComputedStyle(element);
        return contrastOf(element, element.closest("svg") === null ? color : fill);
      }),
    marks: [
      ...found(strokes).map((element) => contrastOf(element, getComputedStyle(element).stroke)),
      ...found(fills).map((element) => contrastOf(element, getComputedStyle(element).fill)),
    ],
  };
}
