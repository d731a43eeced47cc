/**
 * A Feast project as Headgate's: the texts of its definition files and settings, and a sentence for everything that
 * could not be carried over.
 */

import { DefinitionNames } from "./definition-names.ts";
import { fileText } from "./definition-text.ts";
import type { FeastRegistry, FeastView } from "./feast-registry.ts";
import { writeOnDemandViews, writeServices } from "./imported-services.ts";
import { type Note, pushSourceOf } from "./imported-source.ts";
import { keyTypes, writeEntities, writeRequests, writeViews } from "./imported-views.ts";

/** What came of a registry. */
export interface ImportedProject {
  /** Files of definitions by their path in the project, `features/entities.ts`. */
  readonly files: ReadonlyMap<string, string>;
  /** Paths of files that other registries have and this one has not. */
  readonly absent: readonly string[];
  /** What could not be carried over, a sentence each. */
  readonly notes: readonly string[];
  /** Push source → the views it feeds. */
  readonly pushSources: ReadonlyMap<string, readonly string[]>;
  /** The brokers of all topics that are read, each once, as they are written. */
  readonly brokers: readonly string[];
  /** How many definitions of each kind there are. */
  readonly counts: Readonly<Record<"entities" | "views" | "requestSources" | "services", number>>;
}

/** Carries a registry over. `pathOf` turns a source's path into one from the project's folder. */
export function importRegistry(registry: FeastRegistry, pathOf: (uri: string) => string): ImportedProject {
  const notes: string[] = [];
  const note: Note = (sentence) => void (notes.includes(sentence) || notes.push(sentence));
  const names = new DefinitionNames();
  const keys = keyTypes(registry, note);
  const entities = writeEntities(registry, keys, names, note);
  const views = writeViews(registry, entities, { names, note, pathOf });
  const requests = writeRequests(registry, new Set(views.keys()), names, note);
  const services = writeServices(registry, views, names, note);
  const computed = writeOnDemandViews(registry, views, requests, note);
  for (const [kind, count] of Object.entries(registry.others)) {
    if (count > 0) note(`${count} ${kind}${count === 1 ? "" : "s"} left out: Headgate has none.`);
  }
  const files = new Map([
    ["features/entities.ts", fileText("Entities", [...entities.values()], [])],
    ["features/views.ts", fileText("Feature views", [...views.values()], [["./entities.ts", [...entities.values()]]])],
    ["features/requests.ts", fileText("Request features", [...requests.values()], [])],
    ["features/services.ts", fileText("Feature services", services, [["./views.ts", [...views.values()]]])],
    ["features/on_demand_views.ts", computed],
  ]);
  const carried = registry.views.filter(({ name }) => views.has(name));
  return {
    files: new Map([...files].filter(([, text]) => text !== "")),
    absent: [...files].flatMap(([path, text]) => (text === "" ? path : [])),
    notes,
    pushSources: pushSourcesOf(carried),
    brokers: [...new Set(carried.flatMap(({ stream }) => stream?.kafkaOptions?.kafkaBootstrapServers || []))],
    counts: { entities: entities.size, views: views.size, requestSources: requests.size, services: services.length },
  };
}

function pushSourcesOf(views: readonly FeastView[]): ReadonlyMap<string, readonly string[]> {
  const sources = new Map<string, string[]>();
  for (const view of views) {
    const source = pushSourceOf(view);
    if (source !== undefined) sources.set(source, [...(sources.get(source) ?? []), view.name]);
  }
  return sources;
}
