"""FastAPI + redis-py (hiredis) + msgpack + ONNX Runtime, with what makes it quick: uvloop, httptools, orjson, no pydantic
model on the way in or out. Types are checked by hand; a customer that is absent or too old is a 422."""

import time

import orjson
from customer_rows import read
from fastapi import FastAPI, Request, Response
from model import predict

app = FastAPI()


def problem(status, detail):
    return Response(orjson.dumps({"detail": detail}), status, media_type="application/json")


@app.post("/predict")
async def handle(request: Request):
    body = orjson.loads(await request.body())
    entities = body["entities"]
    listed = entities if isinstance(entities, list) else [entities]
    customer_ids = [entity.get("customer_id") for entity in listed]
    if body.get("model") != "churn" or any(type(customer_id) is not int for customer_id in customer_ids):
        return problem(400, "an unknown model, or a customer_id that is no integer")
    rows = await read(customer_ids)
    if any(row is None for row in rows):
        return problem(422, "a customer without current features")
    now = time.time()
    answer = {
        "model": "churn",
        "predictions": predict([row[1] for row in rows]),
        "features": [{"event_timestamp": row[0], "age_seconds": now - row[0]} for row in rows],
    }
    return Response(orjson.dumps(answer), media_type="application/json")
