/**
 * Feast's registry, the protobuf file that `feast apply` writes, as far as an import looks at it: the definitions of one
 * project, with feature views and stream feature views in one form.
 */

import { fromBinary } from "@bufbuild/protobuf";
import { HeadgateError, reasonOf } from "../../errors.ts";
import {
  type DataSource,
  type Duration,
  type EntitySpecV2,
  type FeatureServiceSpec,
  type FeatureSpecV2,
  type OnDemandFeatureViewSpec,
  RegistrySchema,
} from "./feast-registry_pb.ts";

/** A source of rows, as the registry has it. */
export type FeastSource = DataSource;
/** A feature or a key column, as the registry has it. */
export type FeastField = FeatureSpecV2;
/** A feature service, as the registry has it. */
export type FeastService = FeatureServiceSpec;
/** An on-demand feature view, as the registry has it. */
export type FeastOnDemandView = OnDemandFeatureViewSpec;

/** A feature view or stream feature view. */
export interface FeastView {
  readonly name: string;
  readonly entities: readonly string[];
  readonly features: readonly FeastField[];
  /** The join keys with the types that this view's rows have. */
  readonly keyColumns: readonly FeastField[];
  /** 0: any age. */
  readonly ttlMs: number;
  readonly batch: FeastSource | undefined;
  readonly stream: FeastSource | undefined;
  readonly description: string;
  readonly isOnline: boolean;
  readonly isDisabled: boolean;
  /** True when its rows are computed by Feast: from other views, by a function, by aggregations. */
  readonly isComputed: boolean;
}

/** The definitions of one project. */
export interface FeastRegistry {
  readonly entities: readonly EntitySpecV2[];
  readonly views: readonly FeastView[];
  readonly onDemandViews: readonly FeastOnDemandView[];
  readonly services: readonly FeastService[];
  /** Kinds of things that are there and have no form here, with their number. */
  readonly others: Readonly<Record<string, number>>;
}

/** Feast's own entity of views without entities. */
const DUMMY_ENTITY = "__dummy";

/** Reads a registry file's bytes. Throws SOURCE_UNSUPPORTED for one that is none, and for one without the project. */
export function parseFeastRegistry(bytes: Uint8Array, project: string, file: string): FeastRegistry {
  const registry = decoded(bytes, file);
  const ofProject = <Spec extends { readonly project: string }>(all: readonly { readonly spec?: Spec }[]) =>
    all.flatMap(({ spec }) => (spec?.project === project ? [spec] : []));
  const views = [
    ...ofProject(registry.featureViews).map(plainView),
    ...ofProject(registry.streamFeatureViews).map(streamView),
  ];
  const entities = ofProject(registry.entities).filter(({ name }) => name !== DUMMY_ENTITY);
  if (entities.length === 0 && views.length === 0) {
    const all = [...registry.entities, ...registry.featureViews].flatMap(({ spec }) => spec?.project || []);
    const there = [...new Set(all)].sort().join(", ") || "none";
    throw new HeadgateError(
      "SOURCE_UNSUPPORTED",
      `${file} has no definition of project "${project}"; it has projects: ${there}.`,
    );
  }
  return {
    entities,
    views,
    onDemandViews: ofProject(registry.onDemandFeatureViews),
    services: ofProject(registry.featureServices),
    others: {
      "saved dataset": registry.savedDatasets.length,
      "validation reference": registry.validationReferences.length,
      permission: registry.permissions.length,
      "label view": registry.labelViews.length,
    },
  };
}

function decoded(bytes: Uint8Array, file: string) {
  try {
    return fromBinary(RegistrySchema, bytes);
  } catch (cause) {
    throw new HeadgateError("SOURCE_UNSUPPORTED", `${file} is no registry of Feast's: ${reasonOf(cause)}.`, cause);
  }
}

type PlainSpec = Parameters<typeof viewOf>[0] & {
  readonly sourceViews: readonly unknown[];
  readonly featureTransformation?: unknown;
};
type StreamSpec = Parameters<typeof viewOf>[0] & {
  readonly userDefinedFunction?: unknown;
  readonly featureTransformation?: unknown;
  readonly aggregations: readonly unknown[];
};

const plainView = (spec: PlainSpec): FeastView =>
  viewOf(spec, spec.sourceViews.length > 0 || spec.featureTransformation !== undefined);

const streamView = (spec: StreamSpec): FeastView =>
  viewOf(
    spec,
    spec.userDefinedFunction !== undefined || spec.featureTransformation !== undefined || spec.aggregations.length > 0,
  );

function viewOf(
  spec: {
    readonly name: string;
    readonly entities: readonly string[];
    readonly features: readonly FeastField[];
    readonly entityColumns: readonly FeastField[];
    readonly ttl?: Duration;
    readonly batchSource?: FeastSource;
    readonly streamSource?: FeastSource;
    readonly description: string;
    readonly online: boolean;
    readonly disabled: boolean;
  },
  isComputed: boolean,
): FeastView {
  return {
    name: spec.name,
    entities: spec.entities.filter((entity) => entity !== DUMMY_ENTITY),
    features: spec.features,
    keyColumns: spec.entityColumns,
    ttlMs: spec.ttl === undefined ? 0 : Number(spec.ttl.seconds) * 1_000 + Math.ceil(spec.ttl.nanos / 1_000_000),
    batch: spec.batchSource,
    stream: spec.streamSource,
    description: spec.description,
    isOnline: spec.online,
    isDisabled: spec.disabled,
    isComputed,
  };
}
