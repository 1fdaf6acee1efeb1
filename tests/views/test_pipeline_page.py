"""The Pipeline page on all kinds of data: steps, history, batch ledger and schedules."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.actions import file_checks, schedules
from console.cli.main import app as cli
from console.desk import Desk
from console.text.file_check import FileCheck
from console.web import widgets
from core.domain.batches import BatchState, QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.job_results import BatchCompared, BatchStored, JobResult
from core.domain.jobs import JobKind, JobState
from core.domain.sources import UploadSource
from core.rules.ops.run_calendar import beside
from core.rules.ops.schedule import Cadence, Task, Timing
from tests.build import somebody
from tests.views.desks import at_a_desk, away, button, labels, page, text

HOSTILE = (
    "<script>alert(1)</script> [x](javascript:alert(1)) :red[x] ![p](http://evil/p.png) "
    "https://evil www.evil.example me@evil.example"
)
DAY = timedelta(days=1)


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def job(
    desk: Desk,
    kind: JobKind,
    state: JobState = JobState.SUCCEEDED,
    *,
    actor: str = "ana",
    error: str = "",
    result: JobResult | None = None,
) -> int:
    with desk.store.begin() as work:
        made, _ = work.jobs.request(kind, {}, actor)
        work.jobs.claim(made.id, 1, "w", DAY)
        work.jobs.log(made.id, f"A line of {kind.value} {made.id}.")
        if state.is_over:
            work.jobs.finish(made.id, "w", state, error=error, result=result)
        else:
            work.jobs.progress(made.id, "w", 0.4, "reading batch 3")
        work.commit()
    return made.id


# Steps and what runs


def test_while_redis_is_away_the_page_says_what_still_works(desk: Desk) -> None:
    assert "The queue is away" not in text(page("pipeline"))
    st.cache_resource.clear()  # an answer is reused for a second
    desk.queue.away = True  # type: ignore[attr-defined]
    app = page("pipeline")
    said = text(app)
    assert "The queue is away, so no job starts" in said
    assert "What you request now is recorded" in said
    button(app, "Ingest next batch").click().run()
    assert "is recorded, and starts once the queue takes it" in app.toast[0].value
    assert "It is recorded, and starts once the queue is back." in text(app)


def test_an_ingest_that_ended_an_epoch_says_so_whole_and_as_a_warning(desk: Desk) -> None:
    note = f"Batch 0 of epoch 2: 3 rows stored. {'The 6 rows of epoch 1 leave training. ' * 6}End."
    job(desk, JobKind.INGEST, result=BatchStored(epoch=2, ended={"epoch": 1}, note=note))
    assert note in text(page("pipeline"))
    assert any("leave training" in warning.value for warning in page("pipeline").warning)


def test_each_step_shows_its_last_result_beside_its_button(desk: Desk) -> None:
    job(desk, JobKind.INGEST, result=BatchStored(note="Batch 3 of epoch 1: 80 rows stored."))
    job(desk, JobKind.TRAIN, JobState.FAILED, error="MLflow did not answer.")
    said = text(page("pipeline"))
    assert "Batch 3 of epoch 1: 80 rows stored." in said
    assert "MLflow did not answer." in said
    assert "Runs automatically after each ingest." in said


def test_what_runs_shows_how_far_it_is_and_for_how_long(desk: Desk) -> None:
    running = job(desk, JobKind.INGEST, JobState.RUNNING)
    app = page("pipeline")
    assert f"ingest {running}" in text(app)
    assert f"A line of ingest {running}." in app.code[0].value
    assert button(app, "Ingest next batch").disabled
    assert button(app, "Run all").disabled
    button(app, "Cancel").click().run()
    with desk.store.read() as work:
        assert work.jobs.get(running).cancel_requested


def test_a_second_tab_shows_what_the_first_one_asked_for(desk: Desk) -> None:
    one, two = page("pipeline"), page("pipeline")
    button(one, "Ingest next batch").click().run()
    assert "ingest 1" in text(two.run())
    assert button(two, "Ingest next batch").disabled


def test_a_restart_is_confirmed_first(desk: Desk) -> None:
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()
    app = page("pipeline")
    button(app, "Restart source").click().run()
    with desk.store.read() as work:
        assert work.jobs.recent() == []
    assert "Epoch 1 has no rows that would go" in text(app)
    button(app, "Restart and ingest the first batch").click().run()
    with desk.store.read() as work:
        assert work.jobs.recent()[0].args == {"restart_epoch": 1}


# History


def test_history_is_filtered(desk: Desk) -> None:
    calm = job(desk, JobKind.INGEST, result=BatchStored(note="fine"))
    bad = job(desk, JobKind.TRAIN, JobState.FAILED, actor="ben", error="Too few rows.")
    app = page("pipeline")
    assert {f"open-{calm}", f"open-{bad}"} <= {b.key for b in app.button}
    app.selectbox(key="kind").select(JobKind.TRAIN).run()
    assert f"open-{calm}" not in {b.key for b in app.button}
    app.selectbox(key="state").select(JobState.SUCCEEDED).run()
    assert "No job matches these filters." in text(app)


def opened(**query: str) -> AppTest:
    """The page opened by its address."""
    return page("pipeline", **query)


def test_a_link_opens_the_same_view(desk: Desk) -> None:
    job(desk, JobKind.INGEST, result=BatchStored(note="fine"))
    bad = job(desk, JobKind.TRAIN, JobState.FAILED, actor="ben", error="Too few rows.")
    app = opened(state="failed", actor="ben", text="few")
    assert [b.key for b in app.button if b.label == "Open"] == [f"open-{bad}"]
    assert "1 job" in text(app)
    assert opened(view="Batches").selectbox == []
    nonsense = opened(kind="nonsense", state="<script>", page="x", view="nowhere", epoch="9")
    assert "2 jobs" in text(nonsense)


def test_a_long_history_comes_in_pages(desk: Desk) -> None:
    made = [job(desk, JobKind.DRIFT) for _ in range(23)]
    app = page("pipeline")
    assert "23 jobs" in text(app)
    first = [b.key for b in app.button if b.label == "Open"]
    assert first == [f"open-{n}" for n in made[:12:-1]]
    last = opened(page="3")
    assert [b.key for b in last.button if b.label == "Open"] == [f"open-{n}" for n in made[2::-1]]


def test_a_job_has_a_link_of_its_own_with_its_log_and_what_followed(desk: Desk) -> None:
    drift = job(
        desk, JobKind.DRIFT,
        result=BatchCompared(reasons=("Every statistic is within its limit.",)),
    )  # fmt: skip
    ingest = job(desk, JobKind.INGEST, result=BatchStored(note="fine", drift_job=drift))
    app = opened(job=str(ingest))
    assert f"A line of ingest {ingest}." in app.code[0].value
    button(app, f"Open drift check, job {drift}").click().run()
    assert app.query_params["job"] == str(drift)
    assert f"A line of drift {drift}." in app.code[0].value
    button(app, "All jobs").click().run()
    assert "job" not in app.query_params
    assert "Ingest next batch" in labels(app)


@pytest.mark.parametrize("named", ["999", "x", "-1", "9" * 40, HOSTILE])
def test_a_link_to_no_job_says_so_and_leads_back(desk: Desk, named: str) -> None:
    app = opened(job=named)
    assert "There is no job" in text(app)
    assert "All jobs" in labels(app)


def test_a_failed_job_is_retried_from_its_link(desk: Desk) -> None:
    bad = job(desk, JobKind.INGEST, JobState.FAILED, error="The data API is away.")
    button(opened(job=str(bad)), "Retry").click().run()
    with desk.store.read() as work:
        assert work.jobs.get(bad).attempt == 2


# The ledger


def batches(desk: Desk) -> None:
    with desk.store.begin() as work:
        work.batches.open_epoch()
        for number, bad in ((0, 0), (3, 2)):
            batch = work.batches.receive(1, f"h{number}", f"{number}.json", 1000)
            rows = [QuarantinedRow(n, f"price: {HOSTILE}", HOSTILE) for n in range(bad)]
            work.batches.store(
                batch, epoch=1, number=number, stored=5, quarantined=rows, gap=0, note="n"
            )
        lost = work.batches.receive(1, "", "x.part", 0)
        work.batches.close(lost, BatchState.UNREADABLE, note="The worker died.")
        work.batches.open_epoch()
        work.commit()


def test_the_ledger_of_an_epoch_names_what_never_came_and_why_rows_are_out(desk: Desk) -> None:
    batches(desk)
    app = opened(view="Batches", epoch="1")
    assert app.selectbox(key="epoch").value == 1
    table = app.dataframe[0].value
    assert list(table["Batch"]) == ["", "3", "1 to 2", "0"]
    assert list(table["State"]) == ["unreadable", "stored", "missing", "stored"]
    figures = {m.label: m.value for m in app.metric}
    assert (figures["Batches stored"], figures["Missing"], figures["Quarantined"]) == (
        "2", "2", "2",
    )  # fmt: skip
    assert list(app.dataframe[1].value["Rows"]) == [2]
    app.selectbox(key="epoch").select(2).run()
    assert "No batch has been ingested in this epoch yet." in text(app)


def given_up(desk: Desk) -> int:
    """A batch of the current epoch that was closed after its last attempt."""
    with desk.store.begin() as work:
        work.batches.open_epoch()
        batch = work.batches.receive(1, "h", "e1-a.json", 1000)
        work.batches.note_number(batch.id, 4)
        work.batches.begin_try(batch.id)
        batch = work.batches.get(batch.id)
        work.batches.close(batch, BatchState.CLOSED, note=f"Closed: {HOSTILE}")
        work.commit()
    return batch.id


def test_a_batch_that_was_closed_is_read_again_at_the_push_of_a_button(desk: Desk) -> None:
    entry = given_up(desk)
    app = opened(view="Batches")
    assert {m.label: m.value for m in app.metric}["Closed"] == "1"
    assert next(iter(app.dataframe[0].value["State"])) == "closed"
    button(app, "Read again").click().run()
    with desk.store.read() as work:
        batch = work.batches.get(entry)
        assert (batch.state, batch.tries) == (BatchState.RECEIVED, 0)
        assert work.jobs.recent()[0].kind is JobKind.INGEST
        assert {"retry batch", "request ingest"} <= {e.action for e in work.audit.latest()}


def test_skipping_a_batch_says_what_it_does_and_needs_a_reason(desk: Desk) -> None:
    entry = given_up(desk)
    button(opened(view="Batches"), "Skip…").click().run()

    def script(*, entry: int) -> None:
        from console.web import acting, session
        from console.web.panels.pipeline.batches import _skip

        with session.desk().store.read() as work:
            _skip(work.batches.get(entry))
        acting.show_message()

    app = AppTest.from_function(script, default_timeout=30, kwargs={"entry": entry}).run()
    assert "undoes this until the epoch ends" in text(app)
    button(app, "Skip").click().run()
    assert "Say why" in app.error[0].value
    app.text_area(key="skip-reason").input("It comes again tomorrow.").run()
    button(app, "Skip").click().run()
    with desk.store.read() as work:
        batch = work.batches.get(entry)
    assert batch.state is BatchState.SKIPPED
    assert batch.note == "Skipped by ana: It comes again tomorrow."


def test_an_empty_ledger_and_no_schedule_say_what_to_do(desk: Desk) -> None:
    assert "No batch has been ingested yet" in text(opened(view="Batches"))
    assert "No schedule yet" in text(opened(view="Schedule"))


# Schedules


def test_a_schedule_is_added_with_its_next_runs_shown_first(desk: Desk) -> None:
    app = opened(view="Schedule")
    button(app, "Add a schedule…").click().run()
    assert "Every day at 06:00 (UTC). Next:" in text(app)
    button(app, "Save").click().run()
    (made,) = schedules.schedules(desk)
    assert (made.timing, made.task) == (Timing("0 6 * * *"), Task.INGEST)
    with desk.store.read() as work:
        assert work.audit.latest()[0].action == "add schedule"
    assert "every day at 06:00" in text(app)


def asked(*, schedule: bool) -> AppTest:
    """The dialog without its page, whose reruns in AppTest would close it."""

    def script(*, schedule: bool) -> None:
        from console.actions import schedules
        from console.web import acting, session
        from console.web.panels.pipeline.schedules import ask_timing

        ask_timing(schedules.schedules(session.desk())[0] if schedule else None)
        acting.show_message()

    app = AppTest.from_function(script, default_timeout=30, kwargs={"schedule": schedule}).run()
    assert not app.exception, app.exception
    return app


def often(app: AppTest, cadence: Cadence) -> None:
    next(g for g in app.segmented_control if g.label == "How often").set_value(cadence).run()


def test_a_cron_line_that_is_none_cannot_be_saved_and_is_not_lost(desk: Desk) -> None:
    app = asked(schedule=False)
    often(app, Cadence.CRON)
    field = next(t for t in app.text_input if t.label == "Cron expression")
    field.set_value("61 * * * *").run()
    assert "look at the field minute" in text(app)
    assert button(app, "Save").disabled
    field = next(t for t in app.text_input if t.label == "Cron expression")
    assert field.value == "61 * * * *"
    field.set_value("30 6 * * 1-5").run()
    button(app, "Save").click().run()
    assert [s.timing.cron for s in schedules.schedules(desk)] == ["30 6 * * 1-5"]


def test_a_schedule_is_changed(desk: Desk) -> None:
    schedules.add(desk, somebody("ben"), Timing("30 6 * * 1", "Europe/Zurich"), Task.ALL)
    app = asked(schedule=True)
    assert "Every Monday at 06:30 (Europe/Zurich). Next: Mon 20" in text(app)
    often(app, Cadence.HOURLY)
    button(app, "Save").click().run()
    (changed,) = schedules.schedules(desk)
    assert (changed.timing, changed.task) == (Timing("30 * * * *", "Europe/Zurich"), Task.ALL)


def test_a_schedule_is_paused_resumed_and_removed(desk: Desk) -> None:
    schedules.add(desk, somebody("ben"), Timing("30 6 * * 1", "Europe/Zurich"), Task.ALL)
    app = opened(view="Schedule")
    assert "every Monday at 06:30 (Europe/Zurich)" in text(app)
    button(app, "Pause").click().run()
    assert "paused" in text(app)
    assert schedules.schedules(desk)[0].is_paused
    button(app, "Resume").click().run()
    assert not schedules.schedules(desk)[0].is_paused
    button(app, "Remove…").click().run()
    assert schedules.schedules(desk)
    button(app, "Remove it").click().run()
    assert schedules.schedules(desk) == []
    with desk.store.read() as work:
        acts = [e.action for e in work.audit.latest(subject="schedule:1")]
    assert acts == ["remove schedule", "resume schedule", "pause schedule", "add schedule"]


def test_the_next_run_is_shown_and_an_overdue_one_is_marked(desk: Desk) -> None:
    made = schedules.add(desk, somebody(), Timing("0 6 * * *"), Task.ALL)
    assert "By schedule: run all, in" in text(page("pipeline"))
    with desk.store.begin() as work:
        late = widgets.now() - timedelta(minutes=5)
        work.schedules.change(made, next_run_at=late)
        work.commit()
    said = text(opened(view="Schedule"))
    assert "overdue, see Services" in said
    assert "python -m workers reconcile" in said


def test_who_edits_a_schedule_that_somebody_changed_is_told(desk: Desk) -> None:
    made = schedules.add(desk, somebody("ben"), Timing("0 6 * * *"), Task.INGEST)
    app = opened(view="Schedule")
    button(app, "Remove…").click().run()
    schedules.edit(desk, somebody("ben"), made, Timing("0 7 * * *"), Task.ALL)
    button(app, "Remove it").click().run()
    assert "changed by another person" in text(app)
    assert len(schedules.schedules(desk)) == 1


# Upload


@pytest.fixture
def upload_desk(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    with at_a_desk(tmp_path, replace(dataset, source=UploadSource()), monkeypatch) as made:
        yield made


def uploading(content: bytes, name: str) -> AppTest:
    """The dialog's content on a page of its own: a test cannot rerun a dialog alone."""

    def script() -> None:
        from console.web.panels.pipeline import upload

        upload.choose()

    app = AppTest.from_function(script, default_timeout=30).run()
    return app.file_uploader(key="upload-file").set_value((name, content, "text/csv")).run()


def test_where_people_upload_every_batch_the_empty_desk_says_so(upload_desk: Desk) -> None:
    for path in ("overview", "pipeline"):
        assert "**Upload a file…** makes it the first batch" in text(page(path))


def test_an_upload_shows_what_its_rows_are_worth_and_is_ingested(upload_desk: Desk) -> None:
    desk = upload_desk
    header = ",".join(desk.dataset.source_names)
    good = "1,for_sale,1000,3,2,0.1,5,Avon,Ohio,44011,900,"
    assert button(opened(), "Upload a file…").click().run().file_uploader(key="upload-file")
    app = uploading(f"{header}\n{good}\n{good.replace('1000', 'dear')}\n".encode(), "jan.csv")
    assert "1 of the 2 rows are valid" in text(app)
    first, reasons, values = (frame.value for frame in app.dataframe)
    assert (list(first["price"]), list(first["city"])) == ([1000.0], ["Avon"])
    assert list(reasons["Reason"]) == ["price: must be a number"]
    assert (values["Row"][0], values["Column"][0], values["Value"][0]) == (1, "price", "dear")
    button(app, "Ingest this file").click().run()
    with desk.store.read() as work:
        (asked,) = work.jobs.open()
    assert asked.args["origin"] == "jan.csv"
    assert (desk.settings.spool / asked.args["upload"]).read_bytes().startswith(header.encode())


@pytest.mark.usefixtures("desk")
def test_beside_a_data_api_no_upload_is_offered() -> None:
    assert "Upload a file…" not in [b.label for b in opened().button]


@pytest.mark.usefixtures("upload_desk")
def test_an_upload_that_lacks_a_column_says_so_before_it_is_ingested() -> None:
    app = uploading(b"a,b\n1,2\n", "jan.csv")
    assert "would not be stored" in text(app)
    assert "no header of this dataset" in text(app)
    assert "Ingest this file" not in [b.label for b in app.button]


@pytest.mark.usefixtures("upload_desk")
def test_a_file_without_rows_is_no_success() -> None:
    app = uploading(",".join(HOUSE).encode(), "jan.csv")
    assert [w.value for w in app.warning] == ["The file has no rows."]
    assert not app.success


HOUSE = {
    "brokered_by": 1, "status": "for_sale", "price": 1000, "bed": 3, "bath": 2, "acre_lot": 0.1,
    "street": 5, "city": "Avon", "state": "Ohio", "zip_code": 44011, "house_size": 900,
    "prev_sold_date": None,
}  # fmt: skip


def houses(ending: str) -> bytes:
    """A valid row and one that is not, in a format."""
    rows = [HOUSE, HOUSE | {"price": None, "bed": "many" if ending != "parquet" else None}]
    if ending.startswith("parquet"):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if ending.startswith(("csv", "tsv")):
        mark = "," if ending.startswith("csv") else "\t"
        lines = [mark.join("" if v is None else str(v) for v in row.values()) for row in rows]
        content = "\n".join([mark.join(HOUSE), *lines]).encode()
    elif ending.startswith("jsonl"):
        content = "\n".join(map(json.dumps, rows)).encode()
    else:
        content = json.dumps({"batch_number": 0, "data": rows}).encode()
    if ending.endswith(".gz"):
        return gzip.compress(content)
    zst = ending.endswith(".zst")
    return bytes(pa.compress(content, codec="zstd", asbytes=True)) if zst else content


@pytest.mark.usefixtures("upload_desk")
@pytest.mark.parametrize(
    "ending",
    ["csv", "csv.gz", "CSV.ZST", "tsv", "tsv.gz", "tsv.zst", "jsonl", "jsonl.gz", "jsonl.zst",
     "json", "json.gz", "json.zst", "parquet"],
)  # fmt: skip
def test_the_first_rows_of_every_format_are_shown(ending: str) -> None:
    app = uploading(houses(ending.lower()), f"Jan.{ending}")
    assert "1 of the 2 rows are valid" in text(app)
    first, reasons, _ = (frame.value for frame in app.dataframe)
    assert list(first["zip_code"]) == ["44011"]
    assert "price: must be given" in list(reasons["Reason"])
    assert button(app, "Ingest this file")


@pytest.mark.usefixtures("upload_desk")
def test_a_file_is_read_once_however_often_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    check = file_checks.check

    def counted(file: BinaryIO, name: str, *more: Any) -> FileCheck:
        calls.append(name)
        return check(file, name, *more)

    monkeypatch.setattr(file_checks, "check", counted)
    app = uploading(houses("jsonl"), "jan.jsonl")
    app.run().run()
    assert calls == ["jan.jsonl"]
    app.file_uploader(key="upload-file").set_value(("feb.csv", houses("csv"), "text/csv")).run()
    assert calls == ["jan.jsonl", "feb.csv"]


def test_the_command_line_says_before_it_queues_what_would_be_quarantined(
    upload_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cli.shared.configured", lambda: upload_desk.settings)
    monkeypatch.setattr("console.cli.shared.Desk.make", lambda *_: upload_desk)
    (tmp_path / "jan.jsonl.gz").write_bytes(houses("jsonl.gz"))
    (tmp_path / "feb.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    refused = CliRunner().invoke(cli, ["ingest", str(tmp_path / "feb.csv")])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "feb.csv would not be stored. The batch has no header" in refused.stderr
    done = CliRunner().invoke(cli, ["ingest", str(tmp_path / "jan.jsonl.gz")])
    assert done.exit_code == 0, done.output
    assert "1 of the 2 rows that were read are valid" in done.stderr
    assert "bed: must be a number (first in row 1, such as 'many')" in done.stderr
    with upload_desk.store.read() as work:
        assert [job.args["origin"] for job in work.jobs.open()] == ["jan.jsonl.gz"]


# What goes wrong


@pytest.mark.parametrize("view", ["History", "Batches", "Schedule"])
def test_a_broken_database_is_said(desk: Desk, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    away(desk, monkeypatch)
    assert "DATABASE_URL" in text(opened(view=view))
    assert "DATABASE_URL" in text(opened(job="1"))


def test_hostile_text_is_inert_everywhere(desk: Desk) -> None:
    bad = job(desk, JobKind.TRAIN, JobState.FAILED, actor=HOSTILE, error=HOSTILE)
    job(desk, JobKind.INGEST, result=BatchStored(note=HOSTILE))
    batches(desk)
    schedules.add(desk, somebody(HOSTILE), Timing("0 6 * * *"), Task.INGEST)
    for query in ({}, {"job": str(bad)}, {"view": "Batches", "epoch": "1"}, {"view": "Schedule"}):
        app = opened(**query)
        for kind in ("markdown", "caption", "info", "warning", "error"):
            for element in getattr(app, kind):
                assert "<script>" not in element.value
                assert "[x](javascript" not in element.value
                assert ":red[x]" not in element.value
                assert "![p](" not in element.value
                # What Streamlit's markdown makes a link of, escaped or not.
                assert not re.search(r"https?\\?://evil|www\\?\.evil|\w@evil", element.value)


def test_the_calendar_shows_a_months_runs_and_leads_to_a_days_jobs(desk: Desk) -> None:
    good, bad = job(desk, JobKind.INGEST), job(desk, JobKind.TRAIN, JobState.FAILED, error="No.")
    schedules.add(desk, somebody(), Timing("0 6 * * *"), Task.INGEST)
    today = widgets.now().date()
    app = page("pipeline", view="Calendar")
    shown = "".join(e.proto.body for e in app.get("html"))
    assert f"day={today.isoformat()}" in shown
    assert "failed or cancelled" in shown
    assert f"{today:%B %Y}" in text(app)
    button(app, "Month after").click().run()
    assert f"{beside(today, 1):%B %Y}" in text(app)
    coming = "".join(e.proto.body for e in app.get("html"))
    assert coming.count("scheduled") >= 28  # a run on each day
    of_today = text(page("pipeline", view="History", day=today.isoformat()))
    assert f"ingest {good}" in of_today
    assert f"train {bad}" in of_today
    assert "No job matches" in text(page("pipeline", view="History", day="2026-01-01"))
    assert f"{today:%B %Y}" in text(page("pipeline", view="Calendar", month="never"))
