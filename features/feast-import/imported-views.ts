/**
 * Feast's entities, feature views and request sources as definitions. A field whose type or name has no form here is left
 * out of its view, a view whose entity is left out goes with it; each with a sentence.
 */

import { formatDuration } from "../duration.ts";
import { type DefinitionNames, isUsableName } from "./definition-names.ts";
import { descriptionOption, listText, quoted, type Written, type WrittenView } from "./definition-text.ts";
import type { FeastField, FeastRegistry, FeastView } from "./feast-registry.ts";
import { feastTypeName, fieldTypeText, keyTypeText } from "./feast-type.ts";
import { fileSourceText, kafkaSourceText, type Note } from "./imported-source.ts";

/** Join key → its value type: what the views' rows have, else what its entity says. */
export function keyTypes({ entities, views }: FeastRegistry, note: Note): ReadonlyMap<string, number> {
  const declared = new Map(entities.map(({ joinKey, valueType }) => [joinKey, valueType]));
  const types = new Map<string, number>();
  for (const { name, keyColumns } of views) {
    for (const { name: key, valueType } of keyColumns.filter((column) => declared.has(column.name))) {
      const other = types.get(key) ?? valueType;
      if (other !== valueType) {
        note(`view ${name} has join key ${key} of another type than a view before it; a join key has one type here.`);
      }
      types.set(key, other);
    }
  }
  return new Map([...declared, ...types]);
}

/** Entities by their name. */
export function writeEntities(
  { entities }: FeastRegistry,
  keys: ReadonlyMap<string, number>,
  names: DefinitionNames,
  note: Note,
): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>();
  for (const { name, joinKey, description } of entities) {
    // Feast takes a key that it is told no type of for a text.
    const type = keyTypeText(keys.get(joinKey) || STRING);
    if (!isUsableName(name) || !isUsableName(joinKey)) {
      note(`entity ${name} left out: a name starts with a letter and has letters, digits and "_".`);
    } else if (type === undefined) {
      note(`entity ${name} left out: its join key is ${feastTypeName(keys.get(joinKey)!)}, which is none here.`);
    } else {
      const constant = names.take(name, "entity");
      const options = [`joinKeys: { ${joinKey}: ${type} }`, ...descriptionOption(description)];
      written.set(name, {
        constant,
        text: `export const ${constant} = entity(${quoted(name)}, ${listText("{", options, "}")});`,
      });
    }
  }
  return written;
}

const STRING = 2;

/** What views are written with. */
export interface ViewContext {
  readonly names: DefinitionNames;
  readonly note: Note;
  readonly pathOf: (uri: string) => string;
}

/** Feature views and stream feature views by their name. */
export function writeViews(
  registry: FeastRegistry,
  entities: ReadonlyMap<string, Written>,
  context: ViewContext,
): ReadonlyMap<string, WrittenView> {
  const written = new Map<string, WrittenView>();
  for (const view of registry.views) {
    const { name } = view;
    const missing = view.entities.find((entity) => !entities.has(entity));
    const joinKeys = registry.entities.filter((one) => view.entities.includes(one.name)).map((one) => one.joinKey);
    const fields = fieldTexts(view, new Set(joinKeys), context.note);
    const problem = !isUsableName(name)
      ? `a name starts with a letter and has letters, digits and "_", at most 63`
      : missing !== undefined
        ? `its entity ${missing} is`
        : fields.size === 0
          ? "none of its features can be carried over"
          : undefined;
    if (problem === undefined) written.set(name, writeView(view, fields, joinKeys, entities, context));
    else context.note(`view ${name} left out: ${problem}.`);
  }
  return written;
}

function writeView(
  view: FeastView,
  fields: ReadonlyMap<string, string>,
  joinKeys: readonly string[],
  entities: ReadonlyMap<string, Written>,
  { names, note, pathOf }: ViewContext,
): WrittenView {
  const { name, ttlMs, description } = view;
  if (view.isComputed) note(`view ${name}: Feast computes its rows; here they are read from its source as they are.`);
  if (!view.isOnline) note(`view ${name} is not online in Feast; here materialize loads it.`);
  if (view.isDisabled) note(`view ${name} is disabled in Feast; here it is served.`);
  const columns = new Set([...fields.keys(), ...joinKeys]);
  const source = fileSourceText(view, { pathOf, columns, note });
  const stream = kafkaSourceText(view, { pathOf, columns, note });
  const schema = [...fields].map(([field, type]) => `    ${field}: ${type},\n`);
  const lines = [
    `entities: [${view.entities.map((entity) => entities.get(entity)!.constant).join(", ")}]`,
    ...(ttlMs > 0 ? [`ttl: ${quoted(formatDuration(ttlMs))}`] : []),
    `schema: {\n${schema.join("")}  }`,
    ...(source === undefined ? [] : [`source: ${source}`]),
    ...(stream === undefined ? [] : [`stream: ${stream}`]),
    ...descriptionOption(description),
  ];
  const constant = names.take(name, "view");
  const options = lines.map((line) => `  ${line},\n`).join("");
  return {
    constant,
    text: `export const ${constant} = featureView(${quoted(name)}, {\n${options}});`,
    fields: new Set(fields.keys()),
  };
}

/** Field → type as written, of those that have one here. */
function fieldTexts(
  { name, features }: { readonly name: string; readonly features: readonly FeastField[] },
  joinKeys: ReadonlySet<string>,
  note: Note,
): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const { name: field, valueType, vectorIndex } of features) {
    // Feast lists the keys of a stream's view among its features.
    if (joinKeys.has(field)) continue;
    const type = fieldTypeText(valueType);
    if (type === undefined) note(`${name}:${field} left out: ${feastTypeName(valueType)} has no form here.`);
    else if (!isUsableName(field)) note(`${name}:${field} left out: the name can't be used here.`);
    else fields.set(field, type);
    if (vectorIndex) note(`${name}:${field}: there is no vector search here; the feature itself is carried over.`);
  }
  return fields;
}

/** Request sources by their name; `taken` are the names of views. */
export function writeRequests(
  { onDemandViews }: FeastRegistry,
  taken: ReadonlySet<string>,
  names: DefinitionNames,
  note: Note,
): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>();
  for (const source of onDemandViews.flatMap(({ sources }) => Object.values(sources))) {
    const request = source.requestDataSource;
    if (request === undefined || written.has(request.name)) continue;
    const fields = fieldTexts(
      { name: request.name, features: request.requestDataOptions?.schema ?? [] },
      new Set(),
      note,
    );
    if (!isUsableName(request.name) || taken.has(request.name) || fields.size === 0) {
      note(`request source ${request.name} left out: its name or its fields can't be used here.`);
      continue;
    }
    const constant = names.take(request.name, "request");
    const schema = listText(
      "{",
      [...fields].map(([field, type]) => `${field}: ${type}`),
      "}",
    );
    const text = `export const ${constant} = requestSource(${quoted(request.name)}, ${schema});`;
    written.set(request.name, { constant, text });
  }
  return written;
}
