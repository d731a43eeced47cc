"""The churn example's model in ONNX Runtime, as every peer runs it: one thread, one run per request."""

import os

import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"])

VERSION = 1
FEATURES = ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"]


def predict(rows):
    """Predictions of some rows, each the four features in order."""
    labels, probabilities = session.run(None, {"input": numpy.array(rows, dtype=numpy.float32)})
    # The exporter's default: a map of class to probability for each row.
    return [
        {"version": VERSION, "label": label, "probabilities": list(of_classes.values())}
        for label, of_classes in zip(labels.tolist(), probabilities)
    ]
