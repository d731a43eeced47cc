/**
 * Feast's push sources. Headgate has none, since rows are written to a view; a setting tells which views a source of that
 * name feeds. A view answers to its own name, too.
 */

import { excerpt, HeadgateError } from "../../errors.ts";
import type { FeatureView } from "../../features/feature-view.ts";
import type { Registry } from "../../features/registry.ts";

/** The views that a push source feeds. Throws PUSH_SOURCE_NOT_FOUND. */
export type ViewsOfPushSource = (source: string) => readonly FeatureView[];

/** Reads the setting, `source=view+view,other=view`. Throws CONFIG_INVALID for another form, and naming a view that there is not. */
export function parsePushSources(setting: string, registry: Registry): ViewsOfPushSource {
  const views = new Map<string, readonly FeatureView[]>();
  for (const part of setting.split(",").filter((text) => text.trim() !== "")) {
    const [source = "", names, ...rest] = part.split("=").map((text) => text.trim());
    if (source === "" || names === undefined || rest.length > 0) {
      throw invalid(`feastPushSources has "${excerpt(part)}"; write source=view, or source=view+view.`);
    }
    views.set(
      source,
      names.split("+").map((name) => declaredView(registry, source, name.trim())),
    );
  }
  return (source) => {
    const own = registry.views.get(source);
    const found = views.get(source) ?? (own === undefined ? undefined : [own]);
    if (found !== undefined) return found;
    throw new HeadgateError(
      "PUSH_SOURCE_NOT_FOUND",
      `Unable to find push source '${excerpt(source)}'. Name it in feastPushSources, or push to a feature view by its name.`,
    );
  };
}

function declaredView(registry: Registry, source: string, name: string): FeatureView {
  const view = registry.views.get(name);
  if (view !== undefined) return view;
  throw invalid(`feastPushSources: ${excerpt(source)} feeds "${excerpt(name)}", which is no feature view.`);
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("CONFIG_INVALID", sentence);
}
