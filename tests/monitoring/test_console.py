"""What the console offers, and the traces that its buttons begin."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from console.desk import Desk
from console.web.metrics import Metrics, expose_metrics, metrics
from core.domain.dataset import Dataset
from core.domain.errors import ReasonRequired
from core.domain.jobs import JobKind
from core.platform import tracing
from core.platform.metrics_endpoint import new_registry
from tests import build
from tests.monitoring.scrape import Samples, scrape
from tests.stacks import free_port
from tests.views.desks import at_a_desk, away, button, page


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for cached in (metrics, expose_metrics):
        cached.cache_clear()  # a process of its own, as far as its figures go
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made
    for cached in (metrics, expose_metrics):
        cached.cache_clear()


def offered() -> Samples:
    port = expose_metrics("127.0.0.1", free_port())
    return scrape(f"http://127.0.0.1:{port}")


def test_pages_actions_and_errors_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page("pipeline")
    button(app, "Ingest next batch").click().run()
    app = page("overview")
    seen = offered()
    assert seen.get("console_rerun_seconds_count", page="Pipeline") == 2
    assert seen.sum("console_rerun_seconds_count", page="Overview") >= 1
    assert seen.get("console_actions_total", verb="request_ingest", result="ok") == 1
    assert seen.get("console_action_seconds_count", verb="request_ingest") == 1
    assert seen.sum("console_errors_total") == 0
    assert "process_resident_memory_bytes" in seen.names


def test_what_was_refused_or_not_answered_is_told_apart(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("pipeline")
    away(desk, monkeypatch)
    app.run()
    seen = offered()
    assert seen.sum("console_errors_total", where="question", type="StoreUnavailable") > 0
    assert seen.sum("console_errors_total", where="page") == 0


def test_an_error_on_a_page_is_counted_and_goes_on() -> None:
    kept = Metrics(new_registry())
    with pytest.raises(ZeroDivisionError), kept.rerun("Audit"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), kept.action("approve"):
        raise ZeroDivisionError
    with pytest.raises(ReasonRequired), kept.action("approve"):
        raise ReasonRequired("Say why.")
    value = kept.registry.get_sample_value
    for where in ("page", "action"):
        labels = {"where": where, "type": "ZeroDivisionError"}
        assert value("driftdesk_console_errors_total", labels) == 1
    assert value("driftdesk_console_actions_total", {"verb": "approve", "result": "error"}) == 1
    assert value("driftdesk_console_actions_total", {"verb": "approve", "result": "refused"}) == 1
    assert value("driftdesk_console_rerun_seconds_count", {"page": "Audit"}) == 1


def test_clearing_streamlits_caches_neither_loses_the_figures_nor_wants_the_port_twice(
    desk: Desk,
) -> None:
    page("audit")
    port = expose_metrics("127.0.0.1", free_port())
    st.cache_resource.clear()
    page("audit")
    seen = scrape(f"http://127.0.0.1:{port}")
    assert seen.get("console_rerun_seconds_count", page="Audit") == 2


def test_a_port_that_is_taken_leaves_a_console_without_metrics(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert expose_metrics("127.0.0.1", taken.getsockname()[1]) == 0
    assert expose_metrics("127.0.0.1", 0) == 0
    page("audit")


def test_a_button_begins_a_trace_that_its_job_keeps(desk: Desk) -> None:
    build.stored_batch(desk.store, 0)
    app = page("pipeline")
    button(app, "Ingest next batch").click().run()
    app = page("pipeline")
    with desk.store.read() as work:
        (ingest,) = work.jobs.recent(kind=JobKind.INGEST)
        (asked,) = [e for e in work.audit.latest() if e.action == "request ingest"]
    assert tracing.well_formed(ingest.trace)
    assert "traceparent" not in asked.details
    assert tracing.here() == ""
