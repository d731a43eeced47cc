"""FastAPI + Feast's SDK + ONNX Runtime, as Feast's own guides put them together."""

import os

from fastapi import FastAPI, HTTPException
from feast import FeatureStore
from model import FEATURES, predict
from pydantic import BaseModel

app = FastAPI()
store = FeatureStore(repo_path=os.environ["PEER_FEAST"])
references = [f"customer_30d_features:{feature}" for feature in FEATURES]


class Customer(BaseModel):
    customer_id: int


class PredictRequest(BaseModel):
    model: str
    entities: Customer | list[Customer]


@app.post("/predict")
def handle(request: PredictRequest):
    listed = request.entities if isinstance(request.entities, list) else [request.entities]
    online = store.get_online_features(features=references, entity_rows=[{"customer_id": one.customer_id} for one in listed])
    columns = online.to_dict()
    rows = list(zip(*(columns[feature] for feature in FEATURES)))
    if any(value is None for row in rows for value in row):
        raise HTTPException(422, "a customer without features")
    return {"model": "churn", "predictions": predict(rows)}
