"""Writes rows through Feast's own online store and reads them through its SDK: a line of JSON in, a line of JSON out.

Values are feast.types.Value in protobuf's JSON, so that nothing is lost on the way.
"""

import json
import sys
from datetime import datetime

from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.json_format import MessageToDict, ParseDict


def value(given):
    return ParseDict(given, Value())


def write(store, rows):
    for row in rows:
        names = sorted(row["entity"])
        key = EntityKey(join_keys=names, entity_values=[value(row["entity"][name]) for name in names])
        values = {name: value(given) for name, given in row["values"].items()}
        at = datetime.fromisoformat(row["at"])
        view = store.get_feature_view(row["view"])
        store.config.online_store.skip_dedup = row.get("blindly", False)
        store._get_provider().online_write_batch(store.config, view, [(key, values, at, None)], None)


def read(store, asked):
    answer = store.get_online_features(features=asked["features"], entity_rows=asked["entities"])
    names = answer.proto.metadata.feature_names.val
    values = {
        name: [MessageToDict(one) for one in answer.proto.results[i].values]
        for i, name in enumerate(names)
    }
    plain = {name: [one is None for one in column] for name, column in answer.to_dict().items()}
    return {"values": values, "none": plain}


# Feast imports every file of its repository.
if __name__ == "__main__":
    store = FeatureStore(repo_path=".")
    for line in sys.stdin:
        what, given = json.loads(line)
        print(json.dumps({"write": write, "read": read}[what](store, given)), flush=True)
