"""Applies the definitions to a Feast repository of its own and materializes the Parquet file into Redis."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

repository = Path(os.environ["PEER_FEAST"])
repository.mkdir(parents=True, exist_ok=True)
address = os.environ["PEER_REDIS"].removeprefix("redis://")
(repository / "feature_store.yaml").write_text(
    f"""project: peers
provider: local
registry: {repository}/registry.db
online_store:
  type: redis
  connection_string: {address}
offline_store:
  type: file
entity_key_serialization_version: 3
"""
)

from feast import FeatureStore  # noqa: E402
from feast_definitions import customer, customer_30d_features  # noqa: E402

store = FeatureStore(repo_path=str(repository))
store.apply([customer, customer_30d_features])
now = datetime.now(timezone.utc)
store.materialize(now - timedelta(days=2), now)
