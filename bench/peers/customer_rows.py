"""Rows in Redis as a Python team would keep them: one key a customer, msgpack of [event timestamp in seconds, values]."""

import os
import time

import msgpack
from redis.asyncio import Redis

MAX_AGE_SECONDS = 2 * 24 * 3600

client = Redis.from_url(os.environ["PEER_REDIS"])


def key_of(customer_id):
    return b"peer:customer:%d" % customer_id


async def read(customer_ids):
    """The rows of some customers; None for one that is absent or too old."""
    oldest = time.time() - MAX_AGE_SECONDS
    if len(customer_ids) == 1:
        found = [await client.get(key_of(customer_ids[0]))]
    else:
        found = await client.mget([key_of(customer_id) for customer_id in customer_ids])
    rows = [None if packed is None else msgpack.unpackb(packed) for packed in found]
    return [None if row is None or row[0] < oldest else row for row in rows]
