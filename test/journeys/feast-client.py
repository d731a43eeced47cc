"""
What a team does with Feast's own client, against a gateway: everything in one process, as importing Feast takes seconds.
Writes one JSON object, step -> what came of it; feast-http.test.ts holds it against what it should be.

    python feast-client.py <folder with definitions.py and registry.db> <gateway> <gateway with a token> <token>
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
from feast import FeatureService, FeatureStore, RepoConfig
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

_, folder, url, guarded_url, token = sys.argv
sys.path.insert(0, folder)

NOW = datetime.now(timezone.utc).replace(microsecond=0)
told = {}


def store_of(path, **more):
    return FeatureStore(
        config=RepoConfig(
            project="drivers",
            provider="local",
            registry=f"{folder}/registry.db",
            online_store={"type": "remote", "path": path},
            entity_key_serialization_version=3,
            **more,
        )
    )


def step(name):
    """Runs the function at once and keeps what it gave, or which exception it raised and how soon."""

    def run(work):
        began = time.monotonic()
        try:
            told[name] = work()
        except Exception as raised:  # noqa: BLE001
            kind = f"{type(raised).__module__}.{type(raised).__name__}"
            told[name] = {"raised": kind, "message": str(raised), "seconds": time.monotonic() - began}

    return run


def answered(response):
    """Values as Python holds them, and the statuses that came with them."""
    names = response.proto.metadata.feature_names.val
    statuses = [[FieldStatus.Name(status) for status in column.statuses] for column in response.proto.results]
    return {"values": response.to_dict(), "statuses": dict(zip(names, statuses))}


store = store_of(url)
STATS = ["driver_hourly_stats:conv_rate", "driver_hourly_stats:avg_daily_trips", "driver_hourly_stats:acc_rate"]


@step("materialize")
def _():
    return store.materialize(NOW - timedelta(days=1), NOW, feature_views=["driver_hourly_stats"])


@step("materialize_incremental")
def _():
    return store.materialize_incremental(NOW, feature_views=["exchange_rates"])


@step("loaded")
def _():
    rows = [{"driver_id": 1001}, {"driver_id": 1002}, {"driver_id": 1003}, {"driver_id": 7}]
    return answered(store.get_online_features(features=STATS, entity_rows=rows))


@step("types")
def _():
    response = store.get_online_features(features=STATS, entity_rows=[{"driver_id": 1001}])
    return {name: type(values[0]).__name__ for name, values in response.to_dict().items()}


@step("full_names")
def _():
    rows = [{"driver_id": 1001}]
    return answered(store.get_online_features(features=STATS[:1], entity_rows=rows, full_feature_names=True))["values"]


@step("write")
def _():
    times = {"event_timestamp": [NOW, NOW], "created": [NOW, NOW]}
    stats = {"conv_rate": [1.0, None], "acc_rate": [0.1, 2.5], "avg_daily_trips": [9007199254740993, -9007199254740993]}
    store.write_to_online_store("driver_hourly_stats", pd.DataFrame({"driver_id": [1001, 2**53 + 1], **stats, **times}))
    spend = {"driver_id": [1001], "customer_id": ["c/1"], "spend": [12.5], "event_timestamp": [NOW]}
    store.write_to_online_store("driver_customer_spend", pd.DataFrame(spend))


@step("written")
def _():
    return answered(store.get_online_features(features=STATS, entity_rows=[{"driver_id": 1001}, {"driver_id": 2**53 + 1}]))


@step("push")
def _():
    scalars = {"trips": [5], "nickname": ["Ann"], "active": [True], "last_seen": [NOW - timedelta(hours=1)]}
    lists = {"embedding": [[0.5, 1.0]], "tags": [["a", "b"]]}
    store.push("driver_push", pd.DataFrame({"driver_id": [1001], **scalars, **lists, "ts": [NOW]}))


@step("pushed")
def _():
    names = ["trips", "nickname", "active", "last_seen", "embedding", "tags"]
    features = [f"driver_scalars:{name}" for name in names]
    values = answered(store.get_online_features(features=features, entity_rows=[{"driver_id": 1001}]))["values"]
    return {**values, "last_seen": [values["last_seen"][0] - int((NOW - timedelta(hours=1)).timestamp())]}


@step("service")
def _():
    service = store.get_feature_service("activity_v1")
    rows = [{"driver_id": 1001, "customer_id": "c/1"}, {"driver_id": 1001, "customer_id": "c/2"}]
    return answered(store.get_online_features(features=service, entity_rows=rows))


@step("half_a_key")
def _():
    return answered(store.get_online_features(features=["driver_customer_spend:spend"], entity_rows=[{"driver_id": 1001}]))


@step("entityless")
def _():
    return answered(store.get_online_features(features=["exchange_rates:eur_usd"], entity_rows=[{}]))


def refused(name, features, rows=({"driver_id": 1001},)):
    step(name)(lambda: store.get_online_features(features=features, entity_rows=list(rows)).to_dict())


refused("unknown_view", ["nowhere:x"])
refused("unknown_service", FeatureService(name="nowhere", features=[]))
refused("unknown_feature", ["driver_hourly_stats:nothing"])
refused("collision", [STATS[0], STATS[0]])
refused("no_key", STATS, [{"customer_id": "a"}])
refused("wrong_key", STATS, [{"driver_id": "abc"}])
refused("no_feature", [])


@step("bad_write")
def _():
    frame = {"driver_id": [1001], "customer_id": ["a"], "spend": [1.0], "event_timestamp": [NOW + timedelta(days=3)]}
    store.write_to_online_store("driver_customer_spend", pd.DataFrame(frame))


@step("bad_materialize")
def _():
    store.materialize(NOW - timedelta(days=1), NOW, feature_views=["driver_scalars"])


SPEND = pd.DataFrame({"driver_id": [1], "customer_id": ["a"], "spend": [1.0], "event_timestamp": [NOW]})


@step("no_token")
def _():
    store_of(guarded_url).write_to_online_store("driver_customer_spend", SPEND)


with_token = {"auth": {"type": "oidc", "token": token}}


@step("token")
def _():
    store_of(guarded_url, **with_token).write_to_online_store("driver_customer_spend", SPEND)


@step("no_token_read")
def _():
    store_of(guarded_url).get_online_features(features=STATS, entity_rows=[{"driver_id": 1001}])


@step("token_read")
def _():
    guarded = store_of(guarded_url, **with_token)
    return guarded.get_online_features(features=STATS[:1], entity_rows=[{"driver_id": 1001}]).to_dict()


print(json.dumps(told))
