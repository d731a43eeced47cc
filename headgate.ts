/** The package's public face: what a project's definitions and settings are written with. Re-exports only. */

export { defineConfig, type ProjectConfig } from "./config.ts";
export { type Entity, entity } from "./features/entity.ts";
export { type FeatureService, featureService } from "./features/feature-service.ts";
export { type FeatureView, featureView } from "./features/feature-view.ts";
export {
  array,
  bool,
  bytes,
  type FieldType,
  float32,
  float64,
  int32,
  int64,
  type RowOf,
  type Schema,
  string,
  timestamp,
} from "./features/field.ts";
export { type OnDemandFeatureView, onDemandFeatureView } from "./features/on-demand-view.ts";
export {
  type FileSource,
  fileSource,
  type KafkaSource,
  kafkaSource,
  type MapEvent,
  type RequestSource,
  requestSource,
  type StreamFormat,
  type TimestampUnit,
} from "./features/source.ts";
