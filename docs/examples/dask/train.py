"""Trains XGBoost on a Dask cluster over the partitions of the rows, and writes model.onnx.

The training command of a dataset file; see docs/how-to/recipe-command.md. It starts two worker
processes on this machine, or uses the cluster whose scheduler DASK_SCHEDULER names. The machines of
that cluster then read the rows from the URL in TRAINING_URL.
"""

import json
import os
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import onnx
import xgboost.dask as dxgb
from dask.distributed import Client, LocalCluster
from onnx import TensorProto, compose, helper
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from pyarrow import fs, parquet
from xgboost import collective

FEWEST = 20  # minimum number of rows for the mean target of a text's value
TIMEOUTS = collective.Config(timeout=120, tracker_timeout=120)  # seconds, for a lost worker
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]


def main():
    about = json.loads(Path(os.environ["DRIFTDESK_DATASET"]).read_text())
    scheduler = os.environ.get("DASK_SCHEDULER")
    cluster = scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client:
        client.wait_for_workers(1 if scheduler else 2, timeout=60)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        print(f"progress 0.1 {len(workers)} workers", flush=True)
        rows = dd.from_map(read, partitions(os.environ["DRIFTDESK_ROWS"]))
        print(f"{rows.npartitions} partitions on {len(workers)} workers", flush=True)
        means = means_of_texts(rows, about)
        print("progress 0.3 encoded", flush=True)
        booster = fit(client, rows, about, means)
        print("progress 0.9 fitted", flush=True)
    if not scheduler:
        cluster.close()
    onnx.save(
        with_encoding(booster, about, means), Path(os.environ["DRIFTDESK_OUT"]) / "model.onnx"
    )


def partitions(folder):
    """The addresses of the rows' files, in a folder or below a URL such as s3://."""
    files, root = fs.FileSystem.from_uri(folder)
    return [f"{folder}/{f.base_name}" for f in files.get_file_info(fs.FileSelector(root))]


def read(file):
    return parquet.read_table(file).to_pandas()


def means_of_texts(rows, about):
    """The mean target of each value of each text column, computed on the cluster."""
    means = {}
    for feature in about["features"]:
        if feature["input"] == "string":
            by_value = (
                rows.groupby(feature["name"])[about["target"]].agg(["mean", "count"]).compute()
            )
            means[feature["name"]] = (
                by_value[by_value["count"] >= FEWEST]["mean"].sort_index().to_dict()
            )
    return means


def encoded(part, columns, means):
    """A partition as floats; a text as the mean target of its value."""
    return part[columns].assign(**{n: part[n].map(m) for n, m in means.items()}).astype("float32")


def fit(client, rows, about, means):
    features = [f["name"] for f in about["features"]]
    columns = [*features, about["target"]]
    meta = dict.fromkeys(columns, "float32")
    floats = rows.map_partitions(encoded, columns, means, meta=meta).persist()
    data = dxgb.DaskDMatrix(client, floats[features], floats[about["target"]])
    settings = {"tree_method": "hist", "seed": about["seed"], "nthread": 1, "eta": 0.1}
    trained = dxgb.train(client, settings, data, num_boost_round=150, coll_cfg=TIMEOUTS)
    return trained["booster"]


def with_encoding(booster, about, means):
    """The trees with one input per feature in front, as driftdesk requires."""
    booster.feature_names = None
    inputs, nodes, columns = [], [], []
    for n, feature in enumerate(about["features"]):
        name, kind = feature["name"], feature["input"]
        inputs.append(
            helper.make_tensor_value_info(name, getattr(TensorProto, kind.upper()), [None, 1])
        )
        columns.append(f"column.{n}")
        if kind == "string":
            encoding_of = means[name] or {"": np.nan}
            nodes.append(
                helper.make_node(
                    "LabelEncoder", [name], [columns[-1]], domain="ai.onnx.ml",
                    keys_strings=list(encoding_of), values_floats=list(encoding_of.values()),
                    default_float=np.nan,
                )
            )  # fmt: skip
        else:
            nodes.append(helper.make_node("Cast", [name], [columns[-1]], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Concat", columns, ["features"], axis=1))
    joined = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(columns)])
    graph = helper.make_graph(nodes, "encoding", inputs, [joined])
    encoding = helper.make_model(graph, opset_imports=OPSETS, ir_version=10)
    trees = convert_xgboost(
        booster, initial_types=[("floats", FloatTensorType([None, len(columns)]))], target_opset=15
    )
    trees.ir_version = 10
    del trees.opset_import[:]
    trees.opset_import.extend(OPSETS)
    trees = compose.add_prefix(trees, "trees.")
    model = compose.merge_models(encoding, trees, io_map=[("features", "trees.floats")])
    (answer,) = model.graph.output
    model.graph.node.append(helper.make_node("Identity", [answer.name], ["prediction"]))
    answer.name = "prediction"
    return model


if __name__ == "__main__":
    main()
