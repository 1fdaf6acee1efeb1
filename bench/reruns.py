"""What a server-side rerun of each page costs, on a desk with a long history.

    make bench NAME=reruns
    make bench NAME=reruns ARGS="--reruns 30"
    make bench NAME=reruns ARGS="--datasets 50"

200 batches with their profiles and drift reports, 60 model versions with dossiers, 100,000
predictions, 3,000 audit events and 600 jobs on SQLite; a real MLflow with the 60 versions and a
real serving. With several datasets the first one has that history, and each other one 12 batches, a
live version, a candidate and some jobs. Each page is run as Streamlit's own AppTest runs it, in
turn with a page that only has a title, whose median is taken off: what is left is ours.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from mlflow.tracking import MlflowClient
from streamlit import config
from streamlit.testing.v1 import AppTest

from core.adapters.mlflow.registry import digest_of
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import predictions
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, Points, Slice, TrainingBatch
from core.domain.drift import Reference
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind, JobState
from core.domain.profiles import ColumnProfile
from core.domain.promotions import Verdict
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import SHIPPED_DATASETS, Settings
from core.rules.data.profile import Profiler
from core.rules.drift.compare import compare
from core.rules.drift.recommendation import BatchScore
from core.rules.model.contract import describe
from serving.http.app import create_app
from serving.model.mlflow_rest import Champion
from tests import build, stacks
from tests.models import tiny_model
from tests.stacks import ROOT

PAGES = ["overview", "pipeline", "drift", "promotion", "predict", "audit", "services"]
BATCHES, VERSIONS, PREDICTIONS, EVENTS, JOBS = 200, 60, 100_000, 3_000, 600
EMPTY = "import streamlit as st\nst.set_page_config(layout='wide')\nst.title('Empty')\n"
SEED = 20261124
REFUSED = ":material/lock:"
"""The icon of the error that takes the place of every page."""


def profiles(dataset: Dataset, rng: np.random.Generator, level: float) -> tuple[ColumnProfile, ...]:
    profiler = Profiler(dataset)
    for column in dataset.columns:
        if column.is_text:
            profiler.add(column.name, [f"v{i}" for i in rng.integers(0, 150, 400)])
        else:
            profiler.add(column.name, rng.lognormal(5 * level, 0.5, 400))
    return profiler.finish()


def fill(store: Store, digest: str) -> None:
    """A long history, as the steps would have written it."""
    rng = np.random.default_rng(SEED)
    dataset = store.dataset
    with store.begin() as work:
        work.batches.open_epoch()
        before: tuple[ColumnProfile, ...] | None = None
        for n in range(BATCHES):
            batch = work.batches.receive(1, f"h{n}", f"b{n}.json", 1_000_000)
            work.batches.store(
                batch, epoch=1, number=n, stored=5_000, quarantined=[], gap=n % 50 == 9, note="ok"
            )
            batch = work.batches.get(batch.id)
            now = profiles(dataset, rng, 1 + 0.05 * rng.random())
            work.batches.add_profile("batch", batch.id, now)
            report = compare(before, now, dataset)
            work.drift.put(batch, Reference.PREVIOUS, f"epoch 1, batch {n - 1}", report)
            if n > 2:
                work.drift.put(batch, Reference.CHAMPION, "version 1", report, reference_id=1)
            before = now
        work.commit()
    with store.begin() as work:
        for n in range(1, VERSIONS + 1):
            propose(work, n, digest, dataset)
        work.batches.add_profile("model", VERSIONS, before or ())
        for n in range(JOBS):
            job, _ = work.jobs.request(list(JobKind)[n % 3], {}, "ana", key=f"{n}")
            work.jobs.claim(job.id, 1, "w", timedelta(seconds=30))
            work.jobs.finish(job.id, "w", JobState.SUCCEEDED, result=SourceEnded(note=f"Done {n}."))
        for n in range(EVENTS):
            work.audit.add(
                f"person {n % 7}", "approve", f"version:{n % VERSIONS}", reason="because"
            )
        start = datetime(2026, 11, 1, tzinfo=UTC)
        for at in range(0, PREDICTIONS, 5_000):
            work.predictions._connection.execute(  # noqa: SLF001 - serving writes this table
                sa.insert(predictions),
                [
                    {
                        "id": f"{n:08x}-0000-4000-8000-000000000000",
                        "at": start + timedelta(seconds=n),
                        "model_version": n % VERSIONS + 1,
                        "inputs": {"bed": n % 5, "state": "Maine"},
                        "prediction": 1000.0 * n,
                    }
                    for n in range(at, at + 5_000)
                ],
            )
        work.commit()


def propose(work: Any, version: int, digest: str, dataset: Dataset) -> None:
    champion = version - 1 or None
    metrics = build.score().metrics
    content = build.dossier(
        version,
        champion,
        digest=digest,
        data_digest="d" * 64,
        parity=1e-7,
        batches=tuple(TrainingBatch(n + 1, 1, n, 5_000) for n in range(BATCHES)),
        differences=dict.fromkeys(metrics, Difference(-1.0, -2.0, -0.5)),
        slices=tuple(
            Slice("state", f"S{n}", 60, 9.0, 10.0, Difference(-1, -2, -0.5)) for n in range(20)
        ),
        importance={f.name: 0.1 for f in dataset.features},
        points=Points(*3 * [tuple(map(float, range(1, 401)))]),
    )
    work.promotions.propose(
        version,
        Verdict(True, ("It is better.",)),
        content,
        "ana",
        digest=work.dossiers.freeze(content),
    )
    if version < VERSIONS:
        build.approve(work, version, champion=champion)
        work.promotions.make_live(work.promotions.of_version(version))
        work.audit.add("ana", "live", f"version:{version}", details={"action": "approve"})
        for job in work.jobs.open():
            work.jobs.cancel(job.id)


def fill_a_little(store: Store, digest: str) -> None:
    """What a younger dataset has."""
    for number in range(12):
        build.stored_batch(store, number)
    build.live(store, 1, digest=digest)
    build.proposed(store, 2, champion=1, digest=digest)
    with store.begin() as work:
        for batch in work.batches.newest_stored(12):
            work.scores.put(BatchScore(batch.id, 1, 40, {"mae": 10.0 + batch.id % 5}))
        for n in range(10):
            job, _ = work.jobs.request(JobKind.INGEST, {}, "ana", key=f"{n}")
            work.jobs.claim(job.id, 1, "w", timedelta(seconds=30))
            work.jobs.finish(job.id, "w", JobState.SUCCEEDED)
        work.commit()


def dataset_files(folder: Path, count: int) -> None:
    """So many dataset files, which differ in their names."""
    folder.mkdir()
    text = (SHIPPED_DATASETS / "real_estate.toml").read_text(encoding="utf-8")
    for n in range(count):
        name = f"real_estate_{n:02}"
        content = text.replace('name = "real_estate"', f'name = "{name}"', 1)
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")


def register(uri: str, name: str, digest: str) -> None:
    """Sixty versions in a real MLflow, the last but one of them champion."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(name)
    run = client.create_run("0").info
    for n in range(1, VERSIONS + 1):
        client.create_model_version(
            name, f"{run.artifact_uri}/model", run.run_id, tags={"driftdesk.digest": digest}
        )
        if n == VERSIONS - 1:
            client.set_registered_model_alias(name, "champion", str(n))


class OneModel:
    """A source with one champion."""

    def __init__(self, model: bytes, version: int) -> None:
        self.model = model
        self.version = version

    def champion(self) -> Champion:
        return Champion(self.version, digest_of(self.model))

    def download(self, _champion: Champion) -> bytes:
        return self.model


def timed(app: AppTest) -> float:
    start = time.perf_counter()
    app.run()
    took = time.perf_counter() - start
    assert app.title
    assert not app.exception, app.exception
    refused = [e.value for e in app.error if e.icon == REFUSED]
    assert not refused, refused
    return 1000 * took


@contextmanager
def desk(datasets_: int) -> Iterator[tuple[dict[str, str], str]]:
    """The desk with its history; yields the console's settings, and the dataset of its pages."""
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        mlflow = open_.enter_context(stacks.mlflow(folder))
        redis = open_.enter_context(stacks.valkey(folder))
        url = f"sqlite:///{folder / 'desk.db'}"
        files = {}
        if datasets_ > 1:
            dataset_files(folder / "datasets", datasets_)
            files = {"datasets": str(folder / "datasets")}
        port = stacks.free_port()
        settings = Settings(
            _env_file=None, data_dir=folder / "s", database_url=url, serving_port=port,
            serving_poll=60,  # it runs in this process, where it would take time from the pages
            **files,  # type: ignore[arg-type]
        )  # fmt: skip
        datasets = list(DatasetFolder(settings).read().usable.values())
        migrate(url, datasets)
        store, known = Store.open(url, datasets[0]), np.random.default_rng(SEED)
        model = tiny_model(describe(datasets[0], profiles(datasets[0], known, 1.0)))
        fill(store, digest_of(model))
        for other in datasets[1:]:
            fill_a_little(store.for_dataset(other), digest_of(model))
        for one in datasets:
            register(mlflow, one.name, digest_of(model))
        serving = open_.enter_context(
            stacks.serve(create_app(settings, OneModel(model, VERSIONS - 1)), port)
        )
        yield {
            "DATABASE_URL": url, "REDIS_URL": redis, "MLFLOW_TRACKING_URI": mlflow,
            "SERVING_URL": serving, "DATA_API_URL": f"{serving}", "DATA_DIR": str(folder),
            **{name.upper(): value for name, value in files.items()},
        }, datasets[0].name if files else ""  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=15)
    parser.add_argument("--datasets", type=int, default=1)
    told = parser.parse_args()
    logging.disable(logging.WARNING)  # the lines of serving and Streamlit would drown the table
    config.set_option("server.address", "127.0.0.1")  # without a login pages need loopback
    with desk(told.datasets) as (settings, dataset):
        os.environ |= settings
        measure(told.reruns, dataset)


def opened(name: str, dataset: str) -> AppTest:
    """A page, of a dataset if there are several."""
    app = AppTest.from_file(str(ROOT / "console" / "web" / "app.py"), default_timeout=60)
    if dataset and name != "fleet":
        app.query_params["dataset"] = dataset
    if name == "search":
        app.query_params["q"] = "12"
    app.run()
    if name not in ("fleet", "overview"):
        app.switch_page(f"views/{name}.py")
    return app


def measure(reruns: int, dataset: str) -> None:
    """Print what a rerun of each page costs."""
    empty = AppTest.from_string(EMPTY, default_timeout=60)
    timed(empty)
    print(f"{'page':<12}{'first ms':>10}{'rerun ms':>10}{'empty ms':>10}{'beyond':>10}")
    for name in [*(("fleet",) if dataset else ()), *PAGES, "search"]:
        app = opened(name, dataset)
        first = timed(app)
        pairs = [(timed(app), timed(empty)) for _ in range(reruns)]
        page, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{name:<12}{first:>10.0f}{page:>10.0f}{bare:>10.1f}{page - bare:>10.0f}")


if __name__ == "__main__":
    main()
