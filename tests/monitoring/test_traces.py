"""Traces where they are asked for: what a collector is sent, and what it costs when it is away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from console.desk import Desk
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import Missing
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind
from core.platform import tracing
from tests import build
from tests.build import contract
from tests.collector import Collector, collector
from tests.models import tiny_model
from tests.replica import ROW
from tests.serving.test_api import Champions, api, version
from tests.stacks import free_port, wait_for
from tests.views.desks import at_a_desk, button, page
from tests.work import LEASE, OneStep, run_job
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def kept() -> Iterator[Collector]:
    with collector() as made:
        tracing.start(made.url, "test")
        try:
            yield made
        finally:
            tracing.stop()


def test_steps_are_sent_with_what_is_known_of_them(kept: Collector) -> None:
    with tracing.span("outer", job=3, kind="train", batch=None):
        with tracing.span("inner"):
            tracing.note(version=7)
            tracing.link(GIVEN)
        with pytest.raises(Missing), tracing.span("failing"):
            raise Missing("There is no job 9.")
    tracing.stop()
    outer, inner, failing = (kept.one(name) for name in ("outer", "inner", "failing"))
    assert kept.paths == {"/v1/traces"}
    assert outer.program == "driftdesk-test"
    assert outer.parent == ""
    assert outer.attributes == {"driftdesk.job": 3, "driftdesk.kind": "train"}
    assert inner.trace == failing.trace == outer.trace
    assert inner.parent == failing.parent == outer.id
    assert inner.attributes == {"driftdesk.version": 7}
    assert inner.links == (GIVEN[3:35],)
    assert (failing.failed, failing.says) == (True, "Missing: There is no job 9.")
    assert not outer.failed


def test_a_button_is_joined_with_its_job(
    kept: Collector, tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_a_desk(tmp_path, dataset, monkeypatch) as desk:
        button(page("pipeline"), "Ingest next batch").click().run()
        _work_off(desk, finish)
    tracing.stop()
    pressed = kept.one("console request_ingest", actor="ana")
    worked = kept.one("job ingest", attempt=1, actor="ana", kind="ingest")
    assert worked.trace == pressed.trace
    assert worked.parent == pressed.id


def finish(run: Run) -> None:
    with run.store.begin() as work:
        run.complete(work, SourceEnded())


def test_a_decision_points_at_the_trace_that_led_to_it(kept: Collector, store: Store) -> None:
    with tracing.span("train it"):
        job = run_job(store, JobKind.TRAIN, finish)
    build.proposed(store, 1, job=job.id)
    build.proposed(store, 2, job=999)  # a job that was deleted meanwhile
    with tracing.span("approve it"), store.begin() as work:
        build.approve(work, 1)
        work.jobs.cancel(work.jobs.open()[0].id)
        work.promotions.fail(work.promotions.of_version(1), "x")
        build.approve(work, 2)
    tracing.stop()
    assert kept.one("approve it").links == (tracing.trace_id(job.trace),)


def test_serving_goes_on_with_the_callers_trace(
    kept: Collector, dataset: Dataset, tmp_path: Path
) -> None:
    champions = Champions()
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        requests.post(f"{url}/predict", json=ROW, headers={"traceparent": GIVEN}, timeout=5)
        requests.post(f"{url}/predict/batch", json={"rows": [ROW, ROW]}, timeout=5)
        requests.post(f"{url}/predict", json={"no": 1}, timeout=5)
        requests.get(f"{url}/health/ready", timeout=5)
    swap = kept.one("swap", version=1)
    answered = kept.one("POST /predict", status=200)
    assert answered.trace == GIVEN[3:35]
    assert answered.parent == GIVEN[36:52]
    assert answered.attributes["driftdesk.version"] == 1
    assert answered.attributes["driftdesk.request"] == GIVEN[3:35]
    assert answered.links == (swap.trace,)
    assert kept.one("POST /predict/batch").attributes["driftdesk.rows"] == 2
    assert not kept.one("POST /predict", status=422).failed
    assert {s.name for s in kept.spans} == {"swap", "POST /predict", "POST /predict/batch"}


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    code = (
        "from core.platform import tracing as trace\n"
        f"trace.start('http://127.0.0.1:{free_port()}', 'test')\n"
        "with trace.span('lost'): print(trace.here())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert tracing.well_formed(done.stdout.strip())
    assert "Traceback" not in done.stderr


def _work_off(desk: Desk, step: Callable[[Run], None]) -> None:
    with desk.store.read() as work:
        (job,) = work.jobs.open()
    run = Run.claim(desk.store, job.id, job.attempt, LEASE)
    assert run
    assert run_to_its_end(run, OneStep(step)) == "succeeded"  # type: ignore[arg-type]
