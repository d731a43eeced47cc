/**
 * A suite of expectations as Great Expectations 1.x exports it. Everything that can be wrong with it is found here, with
 * the file, the place in it and what to write instead, before a row is read.
 */

import { excerpt, HeadgateError, reasonOf } from "../../errors.ts";
import { parseJson } from "../../features/json-text.ts";
import { isObject, type JsonValue } from "../../features/json-value.ts";
import { shown } from "../../features/shown.ts";
import { type ExpectationType, KWARGS, withoutDefaults, wrongKwarg } from "./suite-kwargs.ts";

/** What a failed expectation means. Only "critical" stops a load. */
export type Severity = "critical" | "warning" | "info";

const SEVERITIES: readonly unknown[] = ["critical", "warning", "info"];

/** One expectation of a suite. */
export interface Expectation {
  readonly type: ExpectationType;
  /** Without those that equal their default, as results show them. */
  readonly kwargs: Readonly<Record<string, JsonValue>>;
  readonly meta: JsonValue;
  readonly severity: Severity;
  /** As in the suite; null without. */
  readonly id: string | null;
  /** Only there when the suite has one. */
  readonly description?: string;
  /** Only there when the suite has some. */
  readonly notes?: JsonValue;
}

/** A suite. */
export interface ExpectationSuite {
  readonly name: string;
  readonly id: string | null;
  readonly expectations: readonly Expectation[];
  readonly meta: JsonValue;
}

/** Reads a suite's JSON. Throws SUITE_INVALID, naming the file, the expectation's index and type, and the next step. */
export function parseSuite(text: string, file: string): ExpectationSuite {
  const suite = asObject(parsed(text, file), () => new HeadgateError("SUITE_INVALID", notASuite(file)));
  const { name, id, expectations, meta } = suite;
  if (typeof name !== "string" || name === "" || !Array.isArray(expectations)) {
    throw new HeadgateError("SUITE_INVALID", notASuite(file));
  }
  return Object.freeze({
    name,
    id: typeof id === "string" ? id : null,
    expectations: Object.freeze(expectations.map((one, index) => expectation(one, index, file))),
    meta: (meta ?? {}) as JsonValue,
  });
}

const notASuite = (file: string) =>
  `${file} is not a suite of expectations: it needs a "name" and a list "expectations". Export it with Great Expectations 1.x.`;

function parsed(text: string, file: string): unknown {
  try {
    return parseJson(text);
  } catch (thrown) {
    throw new HeadgateError(
      "SUITE_INVALID",
      `${file} is not JSON: ${excerpt(reasonOf(thrown))}. Export the suite again.`,
    );
  }
}

function asObject(value: unknown, refused: () => HeadgateError): Record<string, unknown> {
  if (!isObject(value)) throw refused();
  return value;
}

function expectation(given: unknown, index: number, file: string): Expectation {
  const at = `${file}, expectations[${index}]`;
  const refuse = (detail: string) => new HeadgateError("SUITE_INVALID", `${at} ${detail}`);
  const one = asObject(given, () => refuse(`must be an object, not ${shown(given)}.`));
  const type = one.type ?? one.expectation_type;
  if (!isType(type)) {
    throw refuse(
      `has the type ${shown(type)}, which is none of the supported ones. Take it out, or see docs/expectations.md.`,
    );
  }
  const kwargs = asObject(one.kwargs ?? {}, () =>
    refuse(`(${type}) needs an object as kwargs, not ${shown(one.kwargs)}.`),
  );
  const parameter = Object.keys(kwargs).find((key) => isParameter(kwargs[key]));
  if (parameter !== undefined) {
    throw refuse(`(${type}) has a suite parameter in kwargs.${parameter}. Write its value into the suite.`);
  }
  const wrong = wrongKwarg(type, kwargs);
  if (wrong !== undefined) throw refuse(`(${type}) has wrong kwargs; ${wrong}. Mend it and export the suite again.`);
  const severity = one.severity ?? "critical";
  if (!SEVERITIES.includes(severity)) {
    throw refuse(`(${type}) has the severity ${shown(severity)}. Write "critical", "warning" or "info".`);
  }
  return Object.freeze({
    type,
    kwargs: withoutDefaults(kwargs as Record<string, JsonValue>),
    meta: (one.meta ?? {}) as JsonValue,
    severity: severity as Severity,
    id: typeof one.id === "string" ? one.id : null,
    ...(typeof one.description === "string" ? { description: one.description } : {}),
    ...(one.notes === undefined || one.notes === null ? {} : { notes: one.notes as JsonValue }),
  });
}

const isType = (type: unknown): type is ExpectationType => typeof type === "string" && Object.hasOwn(KWARGS, type);

function isParameter(value: unknown): boolean {
  return typeof value === "object" && value !== null && "$PARAMETER" in value;
}
