"""The servers that are compared: how each is started, and that each says what it should."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from peers.measure import ONE_THREAD, Server
from peers.processes import LOAD_CORE, Process, ask
from peers.subject import Subject

from core.adapters.mlflow.registry import Registry
from core.adapters.mlflow.signature import mlflow_signature
from core.domain.dataset import Dataset

PEERS = Path(__file__).parent
CHECKED = 25
SERVED, ORDINARY = "bench_served", "bench_ordinary"


def servers(folder: Path, mlflow: str, database: str) -> list[Server]:
    def peer(name: str) -> Callable[[int], list[str]]:
        return lambda port: [sys.executable, str(PEERS / f"{name}.py"), str(port), str(folder)]

    def desk(port: int) -> dict[str, str]:
        return {
            "SERVING_HOST": "127.0.0.1", "SERVING_PORT": str(port), "SERVING_POLL": "1",
            "MLFLOW_TRACKING_URI": mlflow, "DATABASE_URL": database, "MODEL_NAME": "",
            "DATASET": "real_estate", "DATA_DIR": str(folder / "desk"),
        }  # fmt: skip

    def scoring(_port: int) -> dict[str, str]:
        tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it looks for uvicorn there
        quiet = {"UVICORN_ACCESS_LOG": "false", "UVICORN_LOG_LEVEL": "warning"}
        return ONE_THREAD | quiet | {"MLFLOW_TRACKING_URI": mlflow, "PATH": tools}

    def mlflow_server(name: str, model: str) -> Server:
        return Server(
            name,
            lambda port: [
                sys.executable, "-m", "mlflow", "models", "serve", "--model-uri",
                f"models:/{model}/1", "--env-manager", "local", "--workers", "1",
                "--host", "127.0.0.1", "--port", str(port),
            ],
            scoring,
            "/invocations",
            lambda row: {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
            lambda answer: answer["predictions"][0],
        )  # fmt: skip

    return [
        Server("driftdesk", lambda _port: [sys.executable, "-m", "serving"], desk),
        Server("empty-fastapi", peer("empty_fastapi"), prediction=None),
        Server("empty-starlette", peer("empty_starlette"), prediction=None),
        Server("sklearn-fastapi", peer("sklearn_fastapi")),
        mlflow_server("mlflow", SERVED),
        mlflow_server("mlflow-sklearn", ORDINARY),
    ]


def registry(folder: Path, port: int) -> Process:
    """A private MLflow, on the core of the load generator and behind it."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
        "--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
    ]  # fmt: skip
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = Process("MLflow server", command, folder, env=env, core=LOAD_CORE)
    os.setpriority(os.PRIO_PROCESS, process.child.pid, 19)
    return process


def publish(uri: str, about: Subject, dataset: Dataset, folder: Path) -> int:
    """Register the model and make it champion, and register what `mlflow models serve` serves.

    Returns the champion's version.
    """
    import mlflow.pyfunc  # noqa: PLC0415 - takes seconds, and a mistyped option needs none
    import mlflow.sklearn  # noqa: PLC0415

    signature = mlflow_signature(about.contract)
    logging.disable(logging.WARNING)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        desk = Registry(uri, dataset.name)
        version = desk.publish(
            about.model,
            job="bench",
            parameters={},
            metrics={},
            tags={},
            signature=about.contract,
            requirements=("onnxruntime", "numpy"),
        )
        desk.set_champion(version)
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(PEERS / "logged.py"),
                artifacts={"model": str(folder / "model.onnx")},
                signature=signature,
                pip_requirements=["onnxruntime", "numpy"],
                registered_model_name=SERVED,
            )
            mlflow.sklearn.log_model(
                about.ordinary,
                name="ordinary",
                signature=_doubles(signature),
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn", "pandas"],
                registered_model_name=ORDINARY,
            )
    logging.disable(logging.NOTSET)
    return version


def _doubles(signature: ModelSignature) -> ModelSignature:
    """The same for a model whose thresholds are doubles: a float would fall on their other side."""
    return ModelSignature(
        Schema(
            [
                ColSpec("double" if c.type is DataType.float else c.type, c.name, c.required)
                for c in signature.inputs
            ]
        )
    )


def check(server: Server, about: Subject) -> None:
    """See that a server says what the model says, or a constant of the shape that is wanted.

    Raises:
        Trouble: it does not.
    """
    assert server.process
    values = about.expected_ordinary if server.name == "mlflow-sklearn" else about.expected
    for row, expected in zip(about.rows[:CHECKED], values, strict=False):
        status, text = ask(server.port, server.path, server.body(row))
        server.answers += 1
        answer = json.loads(text) if status == 200 else {}
        if server.prediction and answer:
            right = math.isclose(server.prediction(answer), expected, rel_tol=1e-4)
        else:
            right = answer == about.answer
        if server.name == "driftdesk":
            right = right and answer.keys() == about.answer.keys()
        if not right:
            raise server.process.trouble(f"answered {status} {text:.300} instead of {expected}")
