/** GET /models and what is below: what is loaded, what is not, and why; and the ETag that admin calls go by. */

import { createHash } from "node:crypto";
import { excerpt, HeadgateError } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { trafficJson } from "../models/traffic.ts";

/** A model as JSON; `endedBecause` is why its canary has no share although the traffic file says so. */
export function describeModel(model: ServedModel, endedBecause?: string): JsonValue {
  const { canary, shadows, stable, traffic } = model;
  return {
    name: model.name,
    state: stable?.state ?? "UNAVAILABLE",
    reason: model.reason ?? null,
    traffic: traffic === undefined ? null : (trafficJson(traffic) as unknown as JsonValue),
    stable: stable === undefined ? null : describeLoaded(stable),
    canary:
      canary === undefined
        ? null
        : { version: canary.model.version, percent: canary.percent, ended_because: endedBecause ?? null },
    shadows: shadows.map(({ version }) => version),
    versions: model.versions.map(({ version, state, reason }) => ({ version, state, reason: reason ?? null })),
  };
}

/** One version as JSON: its state and, where it is loaded, what it is made of. Throws VERSION_NOT_FOUND. */
export function describeVersion(model: ServedModel, version: number): JsonValue {
  const status = model.versions.find((one) => one.version === version);
  if (status === undefined) {
    throw new HeadgateError("VERSION_NOT_FOUND", `Model "${model.name}" has no version ${version}.`);
  }
  const loaded = model.ready.get(version);
  return {
    name: model.name,
    version,
    state: status.state,
    reason: status.reason ?? null,
    loaded: loaded === undefined ? null : describeLoaded(loaded),
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
    placement: model.placement,
  };
}

/** Hex digits of an ETag. */
const ETAG_DIGITS = 32;

/**
 * A model's ETag: another one when a version comes or goes or its traffic changes, and the same on every gateway that
 * has noticed.
 */
export function modelEtag(versions: readonly number[], trafficEtag: string | undefined): string {
  const text = JSON.stringify([[...versions].sort((a, b) => a - b), trafficEtag ?? null]);
  return `"${createHash("sha256").update(text).digest("hex").slice(0, ETAG_DIGITS)}"`;
}

/** The ETag of a model as this gateway has it. */
export function servedEtag({ trafficFileEtag, versions }: ServedModel): string {
  return modelEtag(
    versions.map(({ version }) => version),
    trafficFileEtag,
  );
}

/** Checks an If-Match header (RFC 9110, 13.1.1) against a model's ETag. Throws PRECONDITION_FAILED. */
export function requireMatch(header: string | undefined, model: string, etag: string): void {
  if (header === undefined || header.trim() === "*") return;
  if (header.split(",").some((one) => one.trim() === etag)) return;
  throw new HeadgateError(
    "PRECONDITION_FAILED",
    `Model "${model}" has the ETag ${etag}, not ${excerpt(header)}: it was deployed or its traffic changed since. GET /models/${model} and decide again.`,
  );
}
