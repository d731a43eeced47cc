"""What Triton's own client gets from a gateway, as JSON: `python triton-client.py <host:port> <cases.json>`.

Nothing is checked here; inference-protocol.test.ts compares.
"""

import json
import sys

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

client = triton.InferenceServerClient(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    cases = json.load(file)


def tensor(name, datatype, shape, data, binary=True):
    made = triton.InferInput(name, shape, datatype)
    values = numpy.array(data, dtype=triton_to_np_dtype(datatype)).reshape(shape)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def plain(value):
    """As JSON can have it."""
    if isinstance(value, bytes):
        return value.decode()
    return NON_FINITE.get(str(value), value) if isinstance(value, float) else value


def told(result):
    """Every output of an answer, flat, with what the client makes of its bytes."""
    response = result.get_response()
    outputs = {}
    for output in response["outputs"]:
        array = result.as_numpy(output["name"])
        values = [plain(one) for one in array.flatten().tolist()]
        outputs[output["name"]] = {
            "datatype": output["datatype"],
            "shape": output["shape"],
            "values": values,
            "binary": "parameters" in output,
        }
    return {"id": response.get("id"), "version": response["model_version"], "outputs": outputs}


def attempt(call):
    try:
        return {"done": call()}
    except InferenceServerException as refused:
        return {"status": refused.status(), "message": refused.message()}


def zoo(case, binary):
    """A model of whom nothing is known but its name, its features' values and which input takes which of them."""
    metadata = client.get_model_metadata(case["model"])
    inputs = []
    for one in metadata["inputs"]:
        features = case["inputs"][one["name"]]
        columns = [case["columns"][feature] for feature in ([features] if isinstance(features, str) else features)]
        integers = "INT" in one["datatype"]
        rows = [[int(value) if integers else value for value in row] for row in zip(*columns)]
        shape = [len(rows), *one["shape"][1:]]
        inputs.append(tensor(one["name"], one["datatype"], shape, rows, binary))
    outputs = None
    if not binary:
        outputs = [triton.InferRequestedOutput(one["name"], binary_data=False) for one in metadata["outputs"]]
    return attempt(lambda: told(client.infer(case["model"], inputs, outputs=outputs)))


def churn(**options):
    inputs = [tensor(*cases["churn"], binary=options.pop("binary", True))]
    return attempt(lambda: told(client.infer("churn", inputs, **options)))


def entities(datatype, shape, data):
    return attempt(lambda: told(client.infer("churn", [tensor("customer_id", datatype, shape, data)])))


wanted = [triton.InferRequestedOutput(cases["output"], binary_data=False)]
answers = {
    "server": {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "metadata": client.get_server_metadata(),
    },
    "ready": [client.is_model_ready(*model) for model in [("churn",), ("churn", "1"), ("churn", "2"), ("nobody",)]],
    "metadata": client.get_model_metadata("churn", "1"),
    "config": client.get_model_config("churn"),
    "index": client.get_model_repository_index(),
    "load": attempt(lambda: client.load_model("churn", headers={"Authorization": "Bearer " + cases["token"]})),
    "load_without": attempt(lambda: client.load_model("churn")),
    "unload": attempt(lambda: client.unload_model("churn", headers={"Authorization": "Bearer " + cases["token"]})),
    "binary": churn(request_id="r-1"),
    "json": churn(binary=False, outputs=wanted, model_version="1"),
    "gzip": churn(request_compression_algorithm="gzip", response_compression_algorithm="gzip"),
    "deflate": churn(request_compression_algorithm="deflate", response_compression_algorithm="deflate"),
    "patient": churn(timeout=4_000_000, priority=1),
    "slow": attempt(lambda: told(client.infer("slow", [tensor(*cases["slow"])]))),
    "slow_config": client.get_model_config("slow"),
    "entities": entities("INT64", [2], [17, 18]),
    "column": entities("INT32", [2, 1], [17, 18]),
    "nobody": entities("INT64", [2], [17, 999_999_999]),
    "zoo": [{"model": case["model"], "binary": zoo(case, True), "json": zoo(case, False)} for case in cases["zoo"]],
    "wrong": {
        "shape": attempt(lambda: client.infer("churn", [tensor("X", "FP32", [1, 2], [1, 2])])),
        "datatype": attempt(lambda: client.infer("churn", [tensor(cases["churn"][0], "INT64", [1, 4], [1, 2, 3, 4])])),
        "model": attempt(lambda: client.infer("nobody", [tensor("X", "FP32", [1], [1])])),
        "version": attempt(lambda: client.get_model_metadata("churn", "9")),
    },
}
waiting = [client.async_infer("churn", [tensor(*cases["churn"])], request_id=str(i)) for i in range(8)]
answers["async"] = [told(one.get_result()) for one in waiting]
answers["statistics"] = client.get_inference_statistics("churn")
answers["all_statistics"] = client.get_inference_statistics()
print(json.dumps(answers))
