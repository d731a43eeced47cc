/** GET /models and GET /models/{name}: what is loaded, what is not, and why. */

import type { JsonValue } from "../features/json-value.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";

/** A model as JSON. */
export function describeModel(model: ServedModel): JsonValue {
  return {
    name: model.name,
    state: model.stable?.state ?? "UNAVAILABLE",
    reason: model.reason ?? null,
    stable: model.stable === undefined ? null : describeLoaded(model.stable),
    versions: model.versions.map(({ version, state, reason }) => ({ version, state, reason: reason ?? null })),
  };
}

function describeLoaded(model: LoadedModel): JsonValue {
  const { manifest } = model;
  return {
    version: model.version,
    service: manifest.service,
    features: model.columns.map(({ view, field }) => `${view}:${field}`),
    outputs: manifest.outputs.map((output) => output.name),
    class_labels: model.classLabels as JsonValue,
    missing: manifest.missing,
    max_age_seconds: manifest.maxAgeMs === undefined ? null : manifest.maxAgeMs / 1_000,
    sha256: model.sha256,
    bytes: model.modelBytes,
    run_microseconds: model.runMicros,
  };
}
