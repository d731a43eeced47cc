"""The work of fastapi_redis.py in a BentoML service: its own server, validation and metrics around the same reading."""

import time

import bentoml
from customer_rows import read
from model import predict


@bentoml.service(name="churn", workers=1, logging={"access": {"enabled": False}})
class Churn:
    @bentoml.api
    async def predict(self, model: str, entities: dict[str, int]) -> dict:
        rows = await read([entities["customer_id"]])
        if rows[0] is None:
            raise bentoml.exceptions.NotFound("a customer without current features")
        event_timestamp = rows[0][0]
        return {
            "model": model,
            "predictions": predict([rows[0][1]]),
            "features": [{"event_timestamp": event_timestamp, "age_seconds": time.time() - event_timestamp}],
        }
