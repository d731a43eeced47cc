"""Writes the Parquet file's rows into Redis in the layout of customer_rows.py."""

import os

import msgpack
import pyarrow.parquet
import redis
from customer_rows import key_of
from model import FEATURES

client = redis.Redis.from_url(os.environ["PEER_REDIS"])
for batch in pyarrow.parquet.ParquetFile(os.environ["PEER_PARQUET"]).iter_batches(10_000):
    columns = batch.to_pydict()
    writes = client.pipeline(transaction=False)
    for i, customer_id in enumerate(columns["customer_id"]):
        values = [columns[feature][i] for feature in FEATURES]
        writes.set(key_of(customer_id), msgpack.packb([columns["event_ts"][i].timestamp(), values]))
    writes.execute()
