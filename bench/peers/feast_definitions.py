"""The churn example's feature view in Feast's words. load_feast.py puts it beside the settings of its store."""

import os
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)

customer_30d_features = FeatureView(
    name="customer_30d_features",
    entities=[customer],
    ttl=timedelta(days=2),
    schema=[
        Field(name="customer_id", dtype=Int64),
        Field(name="orders_30d", dtype=Int64),
        Field(name="aov_30d", dtype=Float32),
        Field(name="returns_rate_30d", dtype=Float32),
        Field(name="time_since_last_d", dtype=Float32),
    ],
    source=FileSource(path=os.environ["PEER_PARQUET"], timestamp_field="event_ts", created_timestamp_column="created"),
)
