"""The Services page: health, hanging services, workers and notifications."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.actions import notifications, pipeline
from console.desk import Desk
from console.queries import health, local_logs, promotion, service_checks, status
from console.queries.health import Watch
from core.adapters.rq_queue import WorkerInfo
from core.domain.dataset import Dataset
from core.domain.errors import Missing, RegistryUnavailable, ServingUnavailable, SettingsError
from core.domain.jobs import JobKind, JobState
from core.platform import running_system
from core.rules.ops.notification import Delivery, Event
from tests.build import somebody
from tests.views.desks import at_a_desk, away, button, page, text

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) :red[x]"
SECRET_URL = "https://hooks.example/services/T0P-S3CRET"


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    told = {"webhook_url": SECRET_URL, "webhook_secret": "hush-hush"}
    with at_a_desk(tmp_path, dataset, monkeypatch, **told) as made:
        yield made


def worker(queue: str, state: str = "idle", *, silent: float = 1.0, entry: str = "") -> WorkerInfo:
    now = datetime.now(UTC)
    heard = now - timedelta(seconds=silent)
    return WorkerInfo(f"{queue}0123456789", queue, state, heard, now - timedelta(hours=1), entry)


def crew(desk: Desk, *workers: WorkerInfo) -> None:
    desk.queue.crew = list(workers)  # type: ignore[attr-defined]


def by_name(services: list[service_checks.Service]) -> dict[str, service_checks.Service]:
    return {s.name: s for s in services}


def test_what_is_broken_says_what_to_do_and_what_is_well_its_version(desk: Desk) -> None:
    said = text(page("services"))
    assert "Start MLflow or check MLFLOW_TRACKING_URI." in said
    assert "Start the data API or check DATA_API_URL." in said
    assert "python -m workers reconcile" in said
    assert "sqlite 3." in said
    assert "9.1" in said


def test_workers_are_named_busy_idle_and_dead(desk: Desk) -> None:
    crew(
        desk,
        worker("work", "busy", entry="drift-4-1"),
        worker("train"),
        worker("desk", silent=600.0),
    )
    desk.queue.submit(JobKind.PROMOTE, 5, 1)
    said = text(page("services"))
    assert ":blue-badge[busy] work01234567, running drift-4-1" in said
    assert ":red-badge[dead] desk01234567" in said
    assert "last heartbeat 10 min ago" in said
    assert "**desk** · 1 waiting" in said
    assert "python -m workers run --queue desk" in said
    found = by_name(health.look(desk))["Workers"]
    assert not found.healthy
    assert "No worker is running for the queue desk" in found.says
    crew(desk, worker("work"), worker("train"), worker("desk"))
    assert by_name(health.look(desk))["Workers"].says == "3 idle"


def test_case_h_a_redis_that_refuses_writes_is_told_and_no_worker_is_called_dead(
    desk: Desk,
) -> None:
    refused = "Redis refuses writes: OOM, its memory is full. Raise its maxmemory."
    crew(desk, worker("work", silent=600.0), worker("desk", silent=600.0))
    desk.queue.refuses = refused  # type: ignore[attr-defined]
    found = by_name(health.look(desk))
    assert (found["Queue (Redis)"].healthy, found["Queue (Redis)"].says) == (False, refused)
    for name in ("Workers", "Reconciler"):
        assert found[name].healthy is None
        assert found[name].advice == ""
    said = text(page("services"))
    assert said.count(refused) == 4  # its card, and each line of work
    assert "Start a worker" not in said
    assert "-badge[dead]" not in said


def test_case_h_a_job_that_waits_for_redis_says_so(desk: Desk) -> None:
    desk.queue.refuses = "Redis refuses writes: OOM, its memory is full."  # type: ignore[attr-defined]
    job = pipeline.request_ingest(desk, somebody())
    assert job.state is JobState.REQUESTED
    (line,) = status.job_log(desk, job.id)
    assert line.message == "Waits to be queued. Redis refuses writes: OOM, its memory is full."


def test_a_reconciler_is_well_while_it_is_heard(desk: Desk) -> None:
    desk.queue.beat("here:1", datetime.now(UTC) - timedelta(minutes=5))
    assert not by_name(health.look(desk))["Reconciler"].healthy
    desk.queue.beat("here:2", datetime.now(UTC))
    assert by_name(health.look(desk))["Reconciler"].says == "1 running"


def test_every_replica_of_serving_is_asked(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = "http://127.0.0.1:1, http://127.0.0.1:2"
    with at_a_desk(tmp_path, dataset, monkeypatch, serving_url=urls) as desk:
        desk.serving.about = {  # type: ignore[attr-defined]
            "version": 3, "digest": "abcdef0123", "refused": {"version": 4, "reason": "no"},
        }  # fmt: skip
        found = by_name(health.look(desk))
        one, two = found["Serving at 127.0.0.1:1"], found["Serving at 127.0.0.1:2"]
        assert one.says == two.says
        assert "Answers with version 3; it refuses version 4: no" in one.says
        assert two.version == "model abcdef01"
        assert two.link == "http://127.0.0.1:2/docs"


def test_where_registry_and_record_disagree_is_told(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = "The registry names no champion; version 3 stays live by the record."
    with at_a_desk(tmp_path, dataset, monkeypatch, serving_url="http://127.0.0.1:1") as desk:
        desk.serving.about = {"version": 3, "notice": notice}  # type: ignore[attr-defined]
        says = next(s.says for s in health.look(desk) if s.name.startswith("Serving"))
        assert says == f"Answers with version 3. {notice}"


def test_a_link_leads_where_a_browser_can_go(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "serving_url": "http://proxy:8000, http://serving-1:8000",
        "mlflow_tracking_uri": "http://mlflow:5000", "data_api_url": "http://data-api:8010",
    }  # fmt: skip
    with at_a_desk(tmp_path, dataset, monkeypatch, **told) as desk:
        links = {check.name: check.link for check in service_checks.checks(desk)}
    assert not any(links.values())
    told |= {"serving_link": "https://serving.example", "mlflow_link": "https://mlflow"}
    told |= {"data_api_url": "http://data.example:8010"}
    with at_a_desk(tmp_path, dataset, monkeypatch, **told) as desk:
        links = {check.name: check.link for check in service_checks.checks(desk) if check.link}
    assert links == {
        "MLflow": "https://mlflow",
        "Serving at proxy:8000": "https://serving.example/docs",
        "Serving at serving-1:8000": "https://serving.example/docs",
        "Data API": "http://data.example:8010",
    }


def test_one_that_hangs_keeps_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hang, hung = threading.Event(), threading.Event()

    def ping() -> str:
        hung.set()
        hang.wait(60)
        return "9.1"

    monkeypatch.setattr(desk.queue, "ping", ping)
    watch = Watch(desk)
    found = by_name(watch.look(0.0))
    assert hung.wait(30)
    assert found["Queue (Redis)"].healthy is None
    watch.look(0.2)  # it is not asked a second time while the first question is out
    asking = [t for t in threading.enumerate() if t.name == "ask Queue (Redis)"]
    assert len(asking) == 1
    hang.set()
    asking[0].join(30)
    assert by_name(watch.look(0.0))["Queue (Redis)"].healthy


def test_what_was_known_is_shown_while_it_is_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(desk)
    assert by_name(watch.look(30))["Database"].healthy
    hang = threading.Event()
    monkeypatch.setattr(desk.store, "read", lambda: hang.wait(60))
    monkeypatch.setattr(health, "_REST", 0.0)
    found = by_name(watch.look(0.0))["Database"]
    hang.set()
    assert found.healthy
    assert found.asking >= 0
    assert found.age is not None


def test_an_old_answer_is_not_the_state_of_now(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked for a while: the first look says that it is being checked."""
    watch = Watch(desk)
    assert by_name(watch.look(30))["Database"].healthy
    hang = threading.Event()
    monkeypatch.setattr(desk.store, "read", lambda: hang.wait(60))
    monkeypatch.setattr(health, "_REST", 0.0)
    monkeypatch.setattr(health, "_KEPT", 0.0)  # any answer is an old one
    found = by_name(watch.look(0.0))["Database"]
    hang.set()
    assert found.healthy is None
    assert (found.says, found.age) == ("", None)


def test_one_that_hangs_is_not_well_whatever_it_said_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(desk)
    assert by_name(watch.look(30))["Queue (Redis)"].healthy
    hang, hung = threading.Event(), threading.Event()

    def ping() -> str:
        hung.set()
        hang.wait(60)
        return "9.1"

    monkeypatch.setattr(desk.queue, "ping", ping)
    monkeypatch.setattr(health, "_REST", 0.0)
    monkeypatch.setattr(service_checks, "HANGS", 0.0)  # any silence is a long one
    watch.look(0.0)
    assert hung.wait(30)
    found = by_name(watch.look(0.0))["Queue (Redis)"]
    assert found.healthy is False
    assert found.says.startswith("No answer since ")
    assert found.advice == "Start Redis or check REDIS_URL."
    assert found.version == ""
    assert found.age is not None
    hang.set()
    monkeypatch.setattr(service_checks, "HANGS", 3.0)
    silent = replace(found, says="No answer since 26 s", asking=26.0)
    well = service_checks.Service("Database", True, "Epoch 1", 2.0, "", "", age=4.0)
    seen = SimpleNamespace(look=lambda _patience: [silent, well])
    monkeypatch.setattr("console.web.session.watch", lambda: seen)
    said = text(page("services"))
    assert "**Queue (Redis)** :red-badge[Down]" in said
    assert re.search(r"No answer since 26 s · down since \S+ UTC · last answered", said)
    assert "2 ms · checked 4 s ago" in said


def test_a_service_says_since_when_it_is_down(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REST", 0.0)
    watch = Watch(desk)
    assert by_name(watch.look(30))["Queue (Redis)"].down_for is None
    desk.queue.away = True  # type: ignore[attr-defined]
    first = by_name(watch.look(30))["Queue (Redis)"].down_for
    second = by_name(watch.look(30))["Queue (Redis)"].down_for
    assert first is not None
    assert second is not None
    assert first <= second, "it is one outage, however often it is looked at"
    assert "down since " in text(page("services"))
    desk.queue.away = False  # type: ignore[attr-defined]
    assert by_name(watch.look(30))["Queue (Redis)"].down_for is None


def test_a_check_that_breaks_is_an_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.queue, "ping", lambda: 1 / 0)
    found = by_name(Watch(desk).look(30))["Queue (Redis)"]
    assert not found.healthy
    assert "ZeroDivisionError" in found.says


def test_with_redis_and_the_database_away_the_page_still_says_what_it_knows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.queue.away = True  # type: ignore[attr-defined]
    away(desk, monkeypatch)
    said = text(page("services"))
    assert "Redis did not answer" in said
    assert "Not known while Redis is away." in said
    assert "Check DATABASE_URL, then migrate." in said


# Notifications


def test_a_test_is_sent_by_the_button_and_goes_through_the_outbox(desk: Desk) -> None:
    app = page("services")
    assert "No notification yet." in text(app)
    button(app, "Send a test").click().run()
    with desk.store.read() as work:
        (notice,) = work.notifications.latest()
    assert promotion.audit(desk)[0].action == "test webhook"
    assert (notice.event, notice.state) == (Event.TEST, Delivery.PENDING)
    assert list(app.dataframe[0].value["State"]) == ["pending"]


def test_neither_the_address_nor_the_secret_is_shown(desk: Desk) -> None:
    app = page("services")
    assert (
        "Posted to hooks.example, signed: breach, candidate, closed, epoch, failed, held, promoted."
        in text(app)
    )
    everything = str(app) + text(app)
    assert "S3CRET" not in everything
    assert "hush-hush" not in everything


def test_without_an_address_the_page_says_how_to_set_one(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_a_desk(tmp_path, dataset, monkeypatch) as desk:
        app = page("services")
        assert "Set `WEBHOOK_URL`" in text(app)
        assert button(app, "Send a test").disabled
        with pytest.raises(SettingsError, match="WEBHOOK_URL"):
            notifications.send_test(desk, somebody())


def test_hostile_text_is_inert(desk: Desk) -> None:
    crew(desk, worker("work", "busy", entry=HOSTILE))
    desk.serving.about = {"version": 3, "refused": {"version": 4, "reason": HOSTILE}}  # type: ignore[attr-defined]
    with desk.store.begin() as work:
        work.notifications.add(Event.FAILED, "job:1", HOSTILE)
        work.commit()
    app = page("services")
    for kind in ("markdown", "caption", "info", "warning", "error"):
        for element in getattr(app, kind):
            assert "<script>" not in element.value
            assert "[x](javascript" not in element.value
            assert ":red[x]" not in element.value


def test_the_doctor_comes_when_he_is_called(desk: Desk) -> None:
    app = page("services")
    before = len(app.dataframe)
    button(app, "Check everything").click().run()
    assert not app.exception
    assert len(app.dataframe) == before + 1
    shown = app.dataframe[before].value.set_index("Check")
    assert shown.loc["Migrations", "State"] == "ok"
    assert shown.loc["Data API", "State"] == "bad"
    assert "DATA_API_URL" in shown.loc["Data API", "Action"]


def test_what_make_run_runs_has_the_names_of_the_checks(desk: Desk) -> None:
    checked = {check.name for check in service_checks.checks(desk)}
    assert local_logs.PROCESSES.keys() <= checked


def test_the_logs_of_make_run_are_on_the_page_while_it_runs(desk: Desk) -> None:
    folder = desk.settings.data_dir / "logs"
    folder.mkdir()
    lines = "\n".join(f"line {n}" for n in range(300))
    (folder / "serving.log").write_text(f"{lines}\n\x1b[2J")
    assert not [e.label for e in page("services").expander if "Logs" in e.label]  # nothing runs
    running_system.write(desk.settings.data_dir, {"SERVING_URL": "http://127.0.0.1:1"})
    app = page("services")
    (shown,) = (c.value for c in app.code if "line 299" in c.value)
    assert "line 99\n" not in shown  # the last 200 lines
    assert "\x1b" not in shown
    assert "`make run` restarts it by itself." in text(app)
    (serving,) = (s for s in health.look(desk) if s.name == "Serving replicas")
    assert f"{folder / 'serving.log'}" in serving.advice
    away = ServingUnavailable("Serving did not answer. Check that it runs, and SERVING_URL.")
    assert "`make run` restarts it by itself" in local_logs.with_remedy(lambda: desk, away)
    of_mlflow = RegistryUnavailable("MLflow did not answer.")  # `make run` has no log of it here
    assert local_logs.with_remedy(lambda: desk, of_mlflow) == "MLflow did not answer."
    with pytest.raises(Missing, match="no log of"):
        local_logs.tail(desk, "../desk")
