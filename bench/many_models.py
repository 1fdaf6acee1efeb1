"""Twenty models in one serving process beside one model in one process.

    python bench/many_models.py
    python bench/many_models.py --rounds 3 --seconds 2 --models 20

One model is trained as in `answering.py` and published into a private MLflow under twenty names,
each the champion of a dataset of its own and decided on in one database. Both processes run side
by side on one core, with the prediction log on; the load generator and MLflow are on the other. In
each round each is asked in turn over 1 and over 16 connections: the one, one of the twenty, and all
of the twenty in turn. Ratios are taken within a round, and the medians of them are shown. Where all
of the twenty are asked at once, fewer requests share a run of a model: that is no cost of the
others, so it is shown and has no bound.

`ready` is the time until `/health/ready` says that every dataset answers, with the models on disk
as after a restart, and from an empty disk; processor time is that of the process until then.
"""

from __future__ import annotations

import argparse
import compileall
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from peers import subject
from peers.measure import MANY, ONE_THREAD, Load, Loop, Server
from peers.processes import ROOT, Process, Trouble
from peers.servers import registry
from training import REALTOR

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.model.contract import METADATA_KEY
from tests.record import decide_at
from tests.stacks import free_port

SHIPPED = SHIPPED_DATASETS / "real_estate.toml"
MOST_MB, MOST_RATIO, MOST_SECONDS = 220.0, 1.05, 3.0
KINDS = ("one", "one of many", "all of many")


def publish(uri: str, about: subject.Subject, dataset: Dataset, database: str) -> None:
    """The model under the name of this dataset, as its decided champion."""
    contract = replace(about.contract, dataset=dataset.name)
    model = about.fitted.to_onnx({METADATA_KEY: contract.to_json()})
    desk = Registry(uri, dataset.name)
    version = desk.publish(
        model,
        job="bench",
        parameters={},
        metrics={},
        tags={},
        signature=contract,
        requirements=("onnxruntime", "numpy"),
    )
    desk.set_champion(version)
    decide_at(database, dataset, version, digest_of(model))


def files(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    text = SHIPPED.read_text()
    for name in names:
        named = text.replace('name = "real_estate"', f'name = "{name}"')
        (folder / f"{name}.toml").write_text(named)
    return folder


def start(server: Server, folder: Path) -> tuple[float, float, float]:
    """Restart it; seconds, processor seconds and megabytes when every dataset answers."""
    server.stop()
    server.port = free_port()
    begun = time.perf_counter()
    server.process = Process(
        server.name.replace(" ", "-"), server.command(server.port), folder,
        env=server.env(server.port),
    )  # fmt: skip
    server.process.ready(server.port, "/health/ready")
    return time.perf_counter() - begun, server.process.cpu(), server.process.rss()


def run(options: argparse.Namespace, open_: ExitStack) -> None:
    folder = Path(
        open_.enter_context(tempfile.TemporaryDirectory("", "bench-", ignore_cleanup_errors=True))
    )
    for package in ("core", "serving"):  # as an installed package has it
        compileall.compile_dir(ROOT / package, quiet=2)
    port = free_port()
    mlflow = open_.enter_context(registry(folder, port))
    dataset = load(SHIPPED)
    about = subject.make(dataset, options.rows)
    names = [f"d{n:02}" for n in range(options.models)]
    datasets = [replace(dataset, name=name) for name in names]
    database, uri = f"sqlite:///{folder / 'desk.db'}", f"http://127.0.0.1:{port}"
    migrate(database, datasets)
    mlflow.ready(port, "/health")
    for made in datasets:
        publish(uri, about, made, database)
    alone = files(folder / "alone", names[:1]) / f"{names[0]}.toml"
    all_ = files(folder / "all", names)

    def server(name: str, env: dict[str, str], *paths: str) -> Server:
        common = ONE_THREAD | {
            "SERVING_HOST": "127.0.0.1", "SERVING_POLL": "1", "MLFLOW_TRACKING_URI": uri,
            "DATABASE_URL": database, "MODEL_NAME": "", "DATA_DIR": str(folder / name),
        }  # fmt: skip
        return Server(
            name,
            lambda _port: [sys.executable, "-m", "serving"],
            lambda port: common | env | {"SERVING_PORT": str(port)},
            paths=paths,
        )

    one = server("one", {"DATASET": str(alone), "DATASETS": ""}, "/predict")
    many = server("many", {"DATASETS": str(all_)}, f"/datasets/{names[0]}/predict")
    spread = tuple(f"/datasets/{name}/predict" for name in names)
    generator = Load(folder, options.seconds, random_gaps=False)
    open_.enter_context(generator.process)
    for made in (one, many):
        (folder / f"{made.name}.json").write_text(json.dumps(about.rows))
        open_.callback(made.stop)
        print_start(made, "empty disk", start(made, folder))
        time.sleep(3)  # what was decided is written to disk
        for _ in range(options.starts):
            print_start(made, "models on disk", start(made, folder))
        settle(made)
    found: dict[tuple[str, int], list[Loop]] = {}
    for number in range(options.rounds):
        print(f"round {number + 1}", file=sys.stderr)
        for connections in (1, MANY):
            order = KINDS if number % 2 else KINDS[::-1]
            for kind in order:
                asked = one if kind == "one" else many
                asked.paths = spread if kind == "all of many" else asked.paths[:1]
                loop = generator.run(asked, connections, options.seconds)
                found.setdefault((kind, connections), []).append(loop)
    assert one.process
    assert many.process
    report(found, one.process.rss(), many.process.rss(), options.models)


def settle(server: Server) -> None:
    assert server.process
    server.process.settled()


def print_start(server: Server, disk: str, took: tuple[float, float, float]) -> None:
    seconds, cpu, megabytes = took
    print(f"{server.name}, {disk}: ready in {seconds:.2f} s, processor {cpu:.2f} s, "
          f"{megabytes:.0f} MB (at most {MOST_SECONDS:g} s)")  # fmt: skip


def report(found: dict[tuple[str, int], list[Loop]], one: float, many: float, models: int) -> None:
    print("\n| asked | connections | CPU µs/request | p50 ms | requests/s | CPU ratio "
          "| p50 ratio |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for (kind, connections), loops in sorted(found.items(), key=lambda e: (e[0][1], e[0][0])):
        base = found["one", connections]
        cpu, p50 = (
            median(getattr(a, what) / getattr(b, what) for a, b in zip(loops, base, strict=True))
            for what in ("cpu", "p50")
        )
        mine = [median(getattr(loop, what) for loop in loops) for what in ("cpu", "p50", "rate")]
        print(f"| {kind} | {connections} | {mine[0]:.0f} | {mine[1]:.2f} | {mine[2]:,.0f} "
              f"| {cpu:.3f} | {p50:.3f} |")  # fmt: skip
    print(f"\nResident memory: one {one:.0f} MB, {models} models {many:.0f} MB (at most "
          f"{MOST_MB:g}). Ratios: at most {MOST_RATIO:g}.")  # fmt: skip


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", type=int, default=20)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--starts", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--rows", type=Path, default=REALTOR / "rows.csv")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as open_:
        try:
            run(options.parse_args(), open_)
        except Trouble as trouble:
            print(trouble, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
