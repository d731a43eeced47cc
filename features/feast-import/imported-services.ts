/**
 * Feast's feature services as definitions, and its on-demand feature views as comments. Nothing is carried over in part: a
 * service whose features are not all there would feed a model others in their places.
 */

import { type DefinitionNames, isUsableName } from "./definition-names.ts";
import { descriptionOption, listText, quoted, type Written, type WrittenView } from "./definition-text.ts";
import type { FeastOnDemandView, FeastRegistry, FeastService } from "./feast-registry.ts";
import { fieldTypeText } from "./feast-type.ts";
import type { Note } from "./imported-source.ts";

/** Services, in the registry's order. */
export function writeServices(
  { services }: FeastRegistry,
  views: ReadonlyMap<string, WrittenView>,
  names: DefinitionNames,
  note: Note,
): readonly Written[] {
  return services.flatMap((service) => {
    const { name, description } = service;
    const problem = isUsableName(name) ? serviceProblem(service, views) : "its name can't be used here";
    if (problem !== undefined) {
      note(`service ${name} left out: ${problem}.`);
      return [];
    }
    if (service.loggingConfig !== undefined) note(`service ${name}: its logging is not carried over; see servedLog.`);
    if (service.precomputeOnline)
      note(`service ${name}: nothing is precomputed here; a read is one round trip anyway.`);
    const selections = service.features.map(({ featureViewName, featureColumns }) => {
      const fields = featureColumns.map((column) => quoted(column.name));
      return `${views.get(featureViewName)!.constant}.select(${fields.join(", ")})`;
    });
    const constant = names.take(name, "service");
    const options = description === "" ? "" : `, { ${descriptionOption(description)[0]} }`;
    const text = `export const ${constant} = featureService(${quoted(name)}, ${listText("[", selections, "]")}${options});`;
    return [{ constant, text }];
  });
}

/** Why a service can't be carried over whole. */
function serviceProblem({ features }: FeastService, views: ReadonlyMap<string, WrittenView>): string | undefined {
  if (features.length === 0) return "it selects nothing";
  for (const { featureViewName, featureColumns, featureViewNameAlias, joinKeyMap } of features) {
    if (featureViewNameAlias !== "" && featureViewNameAlias !== featureViewName) {
      return `it takes ${featureViewName} under another name, ${featureViewNameAlias}`;
    }
    const [renamed] = Object.entries(joinKeyMap);
    if (renamed !== undefined) return `it looks ${featureViewName} up by ${renamed[1]} in place of ${renamed[0]}`;
    const view = views.get(featureViewName);
    if (view === undefined) return `it takes ${featureViewName}, which is not carried over`;
    const missing = featureColumns.find((column) => !view.fields.has(column.name));
    if (missing !== undefined) return `it takes ${featureViewName}:${missing.name}, which is left out`;
  }
  return undefined;
}

/** A skeleton of each in a comment, with the Python that it is to do: a definition that computes nothing would be served. */
export function writeOnDemandViews(
  { onDemandViews, services }: FeastRegistry,
  views: ReadonlyMap<string, Written>,
  requests: ReadonlyMap<string, Written>,
  note: Note,
): string {
  if (onDemandViews.length === 0) return "";
  const parts = onDemandViews.map((view) => {
    const takers = services.filter(({ features }) => features.some((one) => one.featureViewName === view.name));
    const names = takers.map(({ name }) => name).join(", ") || "none";
    note(
      `on-demand view ${view.name} left out: its transformation is Python. Its skeleton is in features/on_demand_views.ts.`,
    );
    return commented(`${view.name}; feature services that take it: ${names}.\n\n${skeleton(view, views, requests)}`);
  });
  return `// On-demand feature views, imported from Feast. Their transformations are Python, which does not run here: write each in
// TypeScript, take its comment off, and add the feature services that take it.

${parts.join("\n\n")}\n`;
}

function skeleton(
  { name, features, sources, userDefinedFunction, featureTransformation }: FeastOnDemandView,
  views: ReadonlyMap<string, Written>,
  requests: ReadonlyMap<string, Written>,
): string {
  const inputs = Object.values(sources).map((source) => {
    const view = source.featureViewProjection?.featureViewName ?? source.featureView?.spec?.name;
    const input = view === undefined ? requests.get(source.requestDataSource?.name ?? "") : views.get(view);
    return input?.constant ?? `/* ${view ?? source.requestDataSource?.name}, left out */`;
  });
  const schema = features.map(
    ({ name: field, valueType }) => `${field}: ${fieldTypeText(valueType) ?? "/* no form here */"}`,
  );
  const python = featureTransformation?.userDefinedFunction?.bodyText || userDefinedFunction?.bodyText || "";
  return `export const ${name} = onDemandFeatureView(${quoted(name)}, {
  inputs: [${inputs.join(", ")}],
  schema: { ${schema.join(", ")} },
  transform: (row) => ({ /* … */ }),
});

${python.trimEnd()}`;
}

/** Python's text may hold whatever ends a line in JavaScript, and so a comment. */
const commented = (text: string): string =>
  text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => `// ${line}`.trimEnd())
    .join("\n");
