/**
 * POST /write-to-online-store and POST /push: columns as a data frame has them, turned into rows, which go through the
 * same writer as the stream, the nightly load and POST /features/{view}/rows. A view's rows are
 * taken whole or not at all; of several views that a push source feeds the first may have its rows when the second
 * refuses its own. The request can be sent again: what is there already is written once.
 */

import { excerpt } from "../../errors.ts";
import { findView } from "../../features/catalog.ts";
import type { FeatureView } from "../../features/feature-view.ts";
import { type FieldType, REFUSED, type Schema, typeName } from "../../features/field.ts";
import { isObject } from "../../features/json-value.ts";
import { type Registry, viewJoinKeys } from "../../features/registry.ts";
import { shown } from "../../features/shown.ts";
import type { WriteRows } from "../row-write.ts";
import { compileFeastJson, compileFeastKeyJson, type FeastJson } from "./feast-json.ts";
import { invalid, membersOf } from "./online-features-request.ts";
import type { ViewsOfPushSource } from "./push-sources.ts";

/** What the two routes need. */
export interface FeastWriteOptions {
  readonly registry: Registry;
  readonly writeRows: WriteRows;
  readonly viewsOfPushSource: ViewsOfPushSource;
}

/** Both of them: each takes a parsed body. They reject with REQUEST_INVALID naming the column, and as WriteRows does. */
export interface FeastWrite {
  /** Writes to one view, also with VIEW_NOT_FOUND. */
  write(body: unknown): Promise<void>;
  /** Writes to all views that a push source feeds, also with PUSH_SOURCE_NOT_FOUND. */
  push(body: unknown): Promise<void>;
}

/** Makes them. */
export function createFeastWrite({ registry, writeRows, viewsOfPushSource }: FeastWriteOptions): FeastWrite {
  async function writeTo(views: readonly FeatureView[], frame: unknown, route: string): Promise<void> {
    const columns = columnsOf(frame);
    const taken = views.map((view) => ({ view, columns: viewColumns(view, columns) }));
    const unknown = [...columns.keys()].find((name) => !taken.some((one) => one.columns.has(name)));
    if (unknown !== undefined) {
      const names = views.map(({ name }) => name).join(", ");
      throw invalid(`df has a column "${excerpt(unknown)}", which ${names} does not take; leave it out.`);
    }
    const rows = taken.map((one) => ({ view: one.view.name, rows: rowsOf(one.view, one.columns) }));
    for (const one of rows) await writeRows(one.view, { rows: one.rows }, route);
  }

  return Object.freeze({
    async write(body: unknown) {
      const { feature_view_name: name, df } = membersOf(body);
      if (typeof name !== "string") throw invalid(`"feature_view_name" must be a text, not ${shown(name)}.`);
      await writeTo([findView(registry, name)], df, "POST /write-to-online-store");
    },
    async push(body: unknown) {
      const { push_source_name: name, df, to = "online" } = membersOf(body);
      if (typeof name !== "string") throw invalid(`"push_source_name" must be a text, not ${shown(name)}.`);
      if (to !== "online") {
        throw invalid(`"to" is ${shown(to)}; Headgate writes to the online store alone, its offline store is files.`);
      }
      await writeTo(viewsOfPushSource(name), df, "POST /push");
    },
  });
}

type Columns = ReadonlyMap<string, readonly unknown[]>;

/** A frame's columns, all of one length that is not 0. */
function columnsOf(frame: unknown): Columns {
  if (!isObject(frame)) {
    throw invalid(`"df" must be columns, such as {"driver_id": [1001], "event_timestamp": [..]}, not ${shown(frame)}.`);
  }
  let rowCount: number | undefined;
  const columns = new Map<string, readonly unknown[]>();
  for (const [name, column] of Object.entries(frame)) {
    if (!Array.isArray(column)) throw invalid(`df.${excerpt(name)} is ${shown(column)}; send a list of values.`);
    rowCount ??= column.length;
    if (column.length !== rowCount) {
      throw invalid(`df.${excerpt(name)} has ${column.length} values where another column has ${rowCount}.`);
    }
    columns.set(name, column);
  }
  if (rowCount === undefined || rowCount === 0) throw invalid(`"df" has no row; send at least one.`);
  return columns;
}

/** The columns of a frame that a view takes. Throws REQUEST_INVALID for one that it lacks: a null would be written in its place. */
function viewColumns(view: FeatureView, columns: Columns): Columns {
  const needed = [...Object.keys(viewJoinKeys(view)), ...Object.keys(view.schema)];
  const missing = needed.find((name) => !columns.has(name));
  if (missing !== undefined) throw invalid(`df lacks the column "${missing}" of feature view ${view.name}.`);
  const times = [...eventTimeNames(view), ...createdNames(view)];
  const taken = new Set([...needed, ...times]);
  return new Map([...columns].filter(([name]) => taken.has(name)));
}

/** Feast's client sends "event_timestamp" and "created" whatever the source calls them; people who push send the source's. */
function eventTimeNames(view: FeatureView): readonly string[] {
  return timeNames(view, [view.source, ...view.streams].map((one) => one?.timestampField).concat("event_timestamp"));
}

function createdNames(view: FeatureView): readonly string[] {
  return timeNames(view, [view.source, ...view.streams].map((one) => one?.createdField).concat("created"));
}

function timeNames(view: FeatureView, names: readonly (string | undefined)[]): readonly string[] {
  return names.filter((name): name is string => name !== undefined && !Object.hasOwn(view.schema, name));
}

/** Rows as POST /features/{view}/rows takes them, what does not fit is left for it to refuse. */
function rowsOf(view: FeatureView, columns: Columns): readonly object[] {
  const entity = membersFrom(columns, viewJoinKeys(view), compileFeastKeyJson);
  const values = membersFrom(columns, view.schema, compileFeastJson);
  const eventTimes = firstColumn(columns, eventTimeNames(view));
  if (eventTimes === undefined) {
    throw invalid(`df lacks "event_timestamp", which says when each row of feature view ${view.name} happened.`);
  }
  const created = firstColumn(columns, createdNames(view));
  return eventTimes.map((eventTime, row) => ({
    entity: entity(row),
    values: values(row),
    event_timestamp: eventTime,
    ...(created?.[row] == null ? {} : { created_timestamp: created[row] }),
  }));
}

/** Compiles the making of a row's object. Throws REQUEST_INVALID for what the row's door would take for something else. */
function membersFrom(columns: Columns, schema: Schema, compile: (type: FieldType) => FeastJson) {
  const members = Object.entries(schema).map(([name, type]) => ({
    ...{ name, column: columns.get(name)!, json: compile(type), typeName: typeName(type) },
  }));
  const value = ({ name, column, json, typeName }: (typeof members)[number], row: number) => {
    const told = json(column[row]);
    if (told !== REFUSED) return told;
    const given = `df.${name}[${row}] is ${shown(column[row])}`;
    throw invalid(`${given}; ${typeName} takes whole seconds since the epoch, or texts in RFC 3339.`);
  };
  return (row: number) => Object.fromEntries(members.map((member) => [member.name, value(member, row)]));
}

function firstColumn(columns: Columns, names: readonly string[]): readonly unknown[] | undefined {
  const name = names.find((one) => columns.has(one));
  return name === undefined ? undefined : columns.get(name);
}
