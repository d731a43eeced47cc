"""A Feast repository with a feature of every type that Headgate has, for the tests that run Feast beside it."""

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

TYPES = {
    "int32": Int32,
    "int64": Int64,
    "float32": Float32,
    "float64": Float64,
    "string": String,
    "bool": Bool,
    "bytes": Bytes,
    "timestamp": UnixTimestamp,
}

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
product = Entity(name="product", join_keys=["product_id"], value_type=ValueType.STRING)
source = FileSource(path="scores.parquet", timestamp_field="event_ts")

everything = FeatureView(
    name="everything",
    entities=[customer],
    schema=[Field(name=f"f_{name}", dtype=kind) for name, kind in TYPES.items()]
    + [Field(name=f"l_{name}", dtype=Array(kind)) for name, kind in TYPES.items()],
    source=source,
)
pairs = FeatureView(
    name="pairs",
    entities=[product, customer],
    schema=[Field(name="p_bought", dtype=Int64)],
    source=source,
)
world = FeatureView(name="world", entities=[], schema=[Field(name="w_name", dtype=String)], source=source)
churned = FeatureView(
    name="churned",
    entities=[customer],
    schema=[Field(name="orders_30d", dtype=Int64)]
    + [Field(name=name, dtype=Float32) for name in ("aov_30d", "returns_rate_30d", "time_since_last_d")],
    source=source,
)
scores = FeatureView(
    name="scores",
    entities=[customer],
    schema=[Field(name="s_count", dtype=Int64), Field(name="s_ratio", dtype=Float64)],
    source=source,
)
