/**
 * A request's join keys and request features, column by column, as the entities and contexts of /predict. Rows that
 * share their request features share one context, and are read together.
 */

import type { EntityKeys } from "../../features/reader.ts";
import type { EntityContexts, RequestContext } from "../entity-contexts.ts";
import { type Datatype, refused } from "./datatype.ts";
import type { EntityInput, InferPlan } from "./infer-plan.ts";
import type { InferBody, InferInput } from "./infer-request.ts";
import { jsonElement } from "./json-tensor.ts";
import { checkRows } from "./raw-rows.ts";

/** The rows of a request. */
export interface EntityRows {
  readonly entities: readonly EntityKeys[];
  /** Of each row; undefined where none sends request features. */
  readonly contexts: EntityContexts | undefined;
}

interface Column extends EntityInput {
  /** As JSON has it, row by row. */
  readonly values: readonly unknown[];
}

/**
 * The entities of a request, row by row. Throws REQUEST_INVALID for a shape or an element that is wrong, TOO_MANY_ENTITIES
 * for more than `maxEntities`. Types of join keys and request features are checked where they are used.
 */
export function entityRows(
  { entityInputs }: InferPlan,
  { request: { inputs }, binary }: InferBody,
  maxEntities: number,
): EntityRows {
  const count = inputs[0]!.shape[0] ?? 0;
  checkRows(count, maxEntities);
  const columns = inputs.map((input) => columnOf(input, binary, entityInputs.get(input.name)!, count));
  const keys = columns.filter(({ isJoinKey }) => isJoinKey);
  const features = columns.filter(({ isJoinKey }) => !isJoinKey);
  const entities = Array.from({ length: count }, (_, row) => rowOf(keys, row));
  if (features.length === 0) return { entities, contexts: undefined };
  const known = new Map<string, RequestContext>();
  const contexts = entities.map((_, row) => {
    const text = textOf(features, row);
    let context = known.get(text);
    if (context === undefined) {
      context = rowOf(features, row);
      known.set(text, context);
    }
    return context;
  });
  return { entities, contexts };
}

/** A client that sends them as floats has rounded them by then: 16,777,217 arrives as another entity's key. */
const INTEGER_KINDS: ReadonlySet<string> = new Set(["int32", "int64", "timestamp"]);

function columnOf(input: InferInput, binary: Buffer, known: EntityInput, count: number): Column {
  const { datatype, name, shape } = input;
  const isList = known.type.list;
  const isColumn = shape.length === 1 || (shape.length === 2 && (isList || shape[1] === 1));
  if (!isColumn || (isList && shape.length !== 2)) {
    const wanted = isList ? `[${count}, elements]` : `[${count}] or [${count}, 1]`;
    throw refused(`Input "${name}" has the shape [${shape.join(", ")}], but one value a row is ${wanted}.`);
  }
  if (INTEGER_KINDS.has(known.type.kind) && datatype.name.startsWith("FP")) {
    throw refused(
      `Input "${name}" is ${known.type.kind}, which ${datatype.name} does not hold exactly; send an integer datatype, such as INT64.`,
    );
  }
  if (shape[0] !== count) {
    throw refused(`Input "${name}" has ${shape[0]} rows, but the request's first input has ${count}.`);
  }
  const elements = input.read(binary);
  const at = (i: number) => jsonElement(datatype as Datatype, elements[i]!);
  const size = shape[1] ?? 1;
  const values = Array.from({ length: count }, (_, row) =>
    isList ? Array.from({ length: size }, (_, i) => at(row * size + i)) : at(row),
  );
  return { ...known, values };
}

const rowOf = (columns: readonly Column[], row: number): Record<string, unknown> =>
  Object.fromEntries(columns.map(({ name, values }) => [name, values[row]]));

/** What tells contexts apart: a bigint and a number of the same digits are the same integer. */
const textOf = (columns: readonly Column[], row: number): string =>
  JSON.stringify(
    columns.map(({ values }) => values[row]),
    (_, value) => (typeof value === "bigint" ? String(value) : Object.is(value, -0) ? "-0" : value),
  );
