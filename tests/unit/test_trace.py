"""One id from the button on, with tracing off: nothing is recorded, and everything is joined."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread

import pytest

from core.adapters.store import Store
from core.domain.errors import Missing
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind
from core.platform import tracing
from tests.work import run_job
from workers.runtime.job_run import Run

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_step_inside_another_belongs_to_the_same_trace() -> None:
    with tracing.span("outer"):
        outer = tracing.here()
        with tracing.span("inner"):
            assert tracing.trace_id() == tracing.trace_id(outer)
    assert tracing.here() == ""
    with tracing.span("another"):
        assert tracing.trace_id() != tracing.trace_id(outer)


def test_what_came_from_elsewhere_goes_on_here() -> None:
    with tracing.span("mine"), tracing.span("theirs", parent=GIVEN):
        assert tracing.here() == GIVEN
    assert tracing.trace_id(GIVEN) == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "amiss",
    [
        "", "00-abc", GIVEN.upper(), GIVEN + "-x", "01" + GIVEN[2:], f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01", GIVEN + "\n", "\n" + GIVEN,
    ],
)  # fmt: skip
def test_what_is_no_traceparent_begins_a_trace_of_its_own(amiss: str) -> None:
    assert tracing.well_formed(amiss) == ""
    with tracing.span("mine", parent=amiss):
        assert tracing.well_formed(tracing.here()) == tracing.here() != ""


def test_a_trace_ends_with_what_fails_in_it() -> None:
    with pytest.raises(Missing), tracing.span("failing"):
        raise Missing("nothing there")
    assert tracing.here() == ""


def test_another_thread_is_no_part_of_it() -> None:
    seen: list[str] = []
    with tracing.span("mine"):
        thread = Thread(target=lambda: seen.append(tracing.here()))
        thread.start()
        thread.join()
    assert seen == [""]


def test_a_job_belongs_to_the_trace_of_who_asked_and_so_do_those_that_follow(store: Store) -> None:
    followers = []

    def step(run: Run) -> None:
        with store.begin() as work:
            followers.append(work.jobs.request(JobKind.TRAIN, {"a": 1}, "ana")[0])
            run.complete(work, SourceEnded())

    with tracing.span("button"):
        asked_in = tracing.trace_id()
        job = run_job(store, JobKind.DRIFT, step, {"batch_id": 3})
    assert tracing.trace_id(job.trace) == tracing.trace_id(followers[0].trace) == asked_in
    # It is no argument of the job's work.
    assert (job.args, followers[0].args) == ({"batch_id": 3}, {"a": 1})
    with store.begin() as work:
        work.jobs.cancel(followers[0].id)
        assert tracing.trace_id(work.jobs.retry(followers[0].id).trace) == asked_in


def test_a_job_that_nobody_asked_for_begins_a_trace(store: Store) -> None:
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.DRIFT, {}, "driftdesk")
        other, _ = work.jobs.request(JobKind.TRAIN, {}, "driftdesk")
        again, is_new = work.jobs.request(JobKind.DRIFT, {}, "driftdesk")
    assert tracing.well_formed(job.trace)
    assert job.trace != other.trace
    assert not is_new
    assert again.trace == job.trace


def test_jobs_from_before_there_were_traces_can_be_read(store: Store) -> None:
    import sqlalchemy as sa

    from core.adapters.store.tables import jobs

    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.DRIFT, {"batch_id": 1}, "ana")
        work.commit()
    with store.engine.begin() as connection:
        connection.execute(sa.update(jobs).values(args={"batch_id": 1}))
    with store.read() as work:
        found = work.jobs.get(job.id)
    assert (found.trace, found.args) == ("", {"batch_id": 1})


def test_nothing_of_opentelemetry_is_imported_while_it_is_off() -> None:
    code = (
        "import sys\nfrom core.platform import tracing as trace\ntrace.start('', 'test')\n"
        "with trace.span('a', b=1): trace.note(c=2); trace.link(trace.here()); trace.fail('x')\n"
        "trace.stop()\nprint([m for m in sys.modules if 'opentelemetry' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_packages_it_says_what_to_install() -> None:
    for begin in ("start('http://127.0.0.1:4318', 'test')", "prepare('http://127.0.0.1:4318')"):
        code = (
            "import sys\nsys.modules['opentelemetry'] = None\n"
            "from core.platform import tracing as trace\n"
            "from core.domain.errors import SettingsError\n"
            f"try: trace.{begin}\nexcept SettingsError as e: print(e)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "Install the dependency group `tracing`, or unset it." in done.stdout
