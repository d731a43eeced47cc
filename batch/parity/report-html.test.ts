import { expect, test } from "vitest";
import type { JsonValue } from "../../features/json-value.ts";
import { type HtmlPart, html, renderHtml } from "./report-html.ts";

test("what is put in is text, in an element and in an attribute", () => {
  const text = `<script>alert("x")</script> & 'y'`;
  const escaped = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;";
  expect(renderHtml(html`<p title="${text}">${text}</p>`)).toBe(`<p title="${escaped}">${escaped}</p>`);
});

test("markup of the tag stays, lists are joined, nothing is nothing", () => {
  const rows = [1, 2].map((n) => html`<td>${n}</td>`);
  expect(renderHtml(html`<tr>${rows}${null}${undefined}${false}${0}${["<", [html`<b>`]]}</tr>`)).toBe(
    "<tr><td>1</td><td>2</td>0&lt;<b></tr>",
  );
});

test("JSON can't pass for markup, whatever its members are called", () => {
  const spoof = JSON.parse('{"Symbol(markup)":"<script>","markup":"<script>"}') as JsonValue;
  expect(() => renderHtml(html`${spoof as unknown as HtmlPart}`)).toThrow();
});
