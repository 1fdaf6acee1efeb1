"""Live traffic on the Drift page, the error from feedback on the Overview, and the command line."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.cli.main import app as cli
from console.desk import Desk
from console.figures import drift_heatmap, feedback_error
from console.queries import live_traffic
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.rules.model.feedback_error import Bucket
from core.rules.ops.notification import Event, link_to
from tests import build
from tests.fakes import FakeQueue, FakeRegistry
from tests.traffic import house, record, say, trained
from tests.views.desks import at_a_desk, away, page, text
from workers.container import Container
from workers.reconciler.live_windows import watch_traffic

SIZE = 40
LIVE = "Live traffic"
HOSTILE = "=cmd() <script>alert(1)</script> [x](javascript:alert(1)) :red[x]"


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch, live_window=SIZE) as made:
        yield made


def asked(count: int, **changes: Any) -> list[dict[str, Any]]:
    dice = random.Random(4)
    return [house(dice, **changes) for _ in range(count)]


def windows(desk: Desk, *kinds: dict[str, Any]) -> list[int]:
    """Store one window for each kind of request, an hour apart; returns ids, oldest first."""
    for n, changes in enumerate(kinds):
        record(desk.store, asked(SIZE, **changes), build.NOON + n * timedelta(hours=1))
    later = build.NOON + timedelta(days=1)
    store = Store(desk.store.engine, desk.dataset, clock=lambda: later)
    wiring = Container(desk.settings, desk.dataset, store, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]
    for _ in kinds:
        watch_traffic(wiring)
    return [w.id for w in live_traffic.windows(desk)][::-1]


def tables(app: AppTest) -> str:
    return "\n".join(frame.value.to_csv() for frame in app.dataframe)


def chosen(app: AppTest) -> str:
    return str(next(s for s in app.selectbox if s.label == "Window").value)


def alts(app: AppTest) -> list[str]:
    return [c.proto.alt for c in app.get("plotly_chart")]


# Before there is a window


def test_without_a_live_version_the_tab_says_what_is_missing(desk: Desk) -> None:
    record(desk.store, asked(3))
    said = text(page("drift", show=LIVE))
    assert "No model is live" in said
    assert "Recorded requests: 3" in said
    assert "No batch has been compared" not in said


def test_a_version_from_elsewhere_has_no_known_training_rows(desk: Desk) -> None:
    build.live(desk.store, 7)
    said = text(page("drift", show=LIVE))
    assert "training data of version 7 has no profile" in said
    assert "Recorded requests: 0" in said


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (0, f"Next window: 0 of {SIZE} requests"),
        (12, f"Next window: 12 of {SIZE} requests"),
        (SIZE + 5, "The next window is complete"),
    ],
)
def test_the_tab_counts_what_the_first_window_waits_for(
    desk: Desk, recorded: int, said: str
) -> None:
    trained(desk.store)
    if recorded:
        record(desk.store, asked(recorded))
    app = page("drift", show=LIVE)
    assert "No window yet" in text(app)
    assert "driftdesk predict --csv" in text(app)
    (bar,) = app.get("progress")
    assert said in bar.proto.text


def test_a_broken_database_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    away(desk, monkeypatch)
    assert "DATABASE_URL" in text(page("drift", show=LIVE))


# Windows


def test_the_newest_window_is_shown_with_its_verdict_and_its_place(desk: Desk) -> None:
    trained(desk.store)
    _, last = windows(desk, {}, {"house_size": 9_000.0})
    app = page("drift", show=LIVE)
    said = text(app)
    assert chosen(app) == f"Window {last}: 2026-11-23 13:00 to 13:00 UTC"
    assert "Live traffic has drifted." in said
    assert "House size, median rose" in said
    assert "house_size" not in said
    assert f"Requests {SIZE}" in said
    assert "Invalid 0" in said
    assert "price" not in said.lower()
    assert any("House size" in alt and "times its limit" in alt for alt in alts(app))
    assert all(alts(app))


def test_a_window_has_an_address_and_choosing_one_changes_it(desk: Desk) -> None:
    trained(desk.store)
    first, second = windows(desk, {}, {"house_size": 9_000.0})
    link = link_to(Event.BREACH, f"window:{first}", "http://d")
    assert link == f"http://d/drift?show=Live+traffic&window={first}"
    app = page("drift", show=LIVE, window=str(first))
    assert chosen(app).startswith(f"Window {first}:")
    name = next(o for o in app.selectbox[0].options if o.startswith(f"Window {second}:"))
    app.selectbox[0].set_value(name).run()
    assert app.query_params["window"] == str(second)
    assert not app.exception


@pytest.mark.parametrize("wanted", ["999", "x", "-1", "²", "9" * 30, "1; DROP TABLE live_windows"])
def test_a_window_that_is_not_there_is_said(desk: Desk, wanted: str) -> None:
    trained(desk.store)
    (only,) = windows(desk, {})
    app = page("drift", show=LIVE, window=wanted)
    assert f"There is no window {wanted}" in text(app)
    assert chosen(app).startswith(f"Window {only}:")


def test_a_window_that_is_older_than_those_to_choose_from_opens_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(desk.store)
    ids = windows(desk, {}, {}, {})
    monkeypatch.setattr(
        "console.web.panels.drift.live_traffic.traffic_queries.windows", _two_newest
    )
    app = page("drift", show=LIVE, window=str(ids[0]))
    assert chosen(app).startswith(f"Window {ids[0]}:")


def _two_newest(desk: Desk) -> Any:
    with desk.store.read() as work:
        return work.traffic.latest(2)


def test_what_came_in_stands_beside_the_training_rows_inert(desk: Desk) -> None:
    trained(desk.store)
    windows(desk, {"state": HOSTILE, "city": None})
    app = page("drift", show=LIVE)
    shown = tables(app)
    assert "1: =cmd()" in shown
    assert "Ohio" in shown
    assert "100.0 %" in shown
    assert "Price" not in shown
    said = text(app)
    assert "A client may be faulty" in said
    assert "City is empty in every row" in said
    assert "State: 100.0 % of the values are new (limit 5 %)" in said
    assert not any("<script>" in shown.value for shown in (*app.warning, *app.markdown))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"live": "Distributions"}, "of the values lie outside"),
        (
            {"live": "Distributions", "live-column": "House size", "live-log": "true"},
            "of the values lie outside",
        ),
        ({"live": "Data quality"}, "version 1's training data"),
        ({"charts": "By column"}, "noise band"),
    ],
)
def test_every_view_of_a_window_has_an_address(
    desk: Desk, query: dict[str, str], said: str
) -> None:
    trained(desk.store)
    windows(desk, {})
    assert said in text(page("drift", show=LIVE, **query))


def test_requests_that_would_be_refused_are_said(desk: Desk) -> None:
    trained(desk.store)
    record(desk.store, [{"garden": 1}] * 10, build.NOON - timedelta(hours=1))
    windows(desk, {})
    said = text(page("drift", show=LIVE))
    assert "Invalid 10" in said
    assert "would reject 25 % of these requests" in said


def test_a_window_of_nothing_but_refused_requests_has_no_verdict(desk: Desk) -> None:
    trained(desk.store)
    windows(desk, {"garden": 1})
    app = page("drift", show=LIVE)
    assert "No verdict" in text(app)
    assert alts(app) == []


def test_when_another_version_is_live_the_old_windows_are_still_shown(desk: Desk) -> None:
    trained(desk.store)
    windows(desk, {})
    build.live(desk.store, 2)
    said = text(page("drift", show=LIVE))
    assert "training data of version 2 has no profile" in said
    assert "Compared with the training data of version 1" in said


def test_batches_keep_their_own_tab(desk: Desk) -> None:
    assert "No batch has been compared yet" in text(page("drift"))


def test_the_course_names_windows_and_marks_the_chosen_one(desk: Desk) -> None:
    trained(desk.store)
    windows(desk, {}, {"house_size": 9_000.0})
    found = live_traffic.windows(desk)
    labels = {c.name: c.label for c in desk.dataset.compared}
    worst = drift_heatmap.worst(live_traffic.cells(found), len(labels))
    figure = drift_heatmap.heat(worst, labels, found[0].id, by_column=True, of=drift_heatmap.WINDOW)
    marks = figure["data"][1]
    assert {row[1] for row in marks["customdata"]} == {f"window {w.id}" for w in found}
    assert figure["layout"]["xaxis"]["title"]["text"] == "window"
    assert figure["layout"]["shapes"][0]["x0"] == 0.5
    assert "Price" not in figure["layout"]["yaxis"]["ticktext"]


# The command line


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_windows_on_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    assert f"next window: 0 of {SIZE} requests, and no model is live" in run("drift", "--live")
    trained(desk.store)
    first, second = windows(desk, {}, {"house_size": 9_000.0, "garden": None})
    record(desk.store, asked(5), build.NOON + timedelta(hours=9))
    said = run("drift", "--live")
    assert f"next window: 5 of {SIZE} requests, to be compared with version 1" in said
    assert f"window {first}, 2026-11-23 12:00 to 12:00 UTC, {SIZE} requests, against" in said
    assert f"{SIZE} unreadable" in said
    found = json.loads(run("drift", "--live", "--json"))
    assert found["next"]["recorded"] == 5
    assert [w["id"] for w in found["windows"]] == [second, first]
    assert {"report", "unreadable", "version", "ended_at"} <= set(found["windows"][0])
    with desk.store.read() as work:
        assert work.jobs.open() == []  # nothing was queued


# The error from feedback


def test_without_feedback_the_overview_says_how_to_send_it(desk: Desk) -> None:
    build.live(desk.store, 1)
    said = text(page("overview"))
    assert "driftdesk feedback PREDICTION_ID ACTUAL" in said
    assert "POST /feedback" in said


def test_without_a_live_version_the_overview_asks_for_no_feedback(desk: Desk) -> None:
    build.proposed(desk.store, 1)
    assert "with feedback" not in text(page("overview"))


def test_the_error_over_time_stands_beside_the_error_at_judging(desk: Desk) -> None:
    build.live(desk.store, 1)
    build.live(desk.store, 2)
    old = record(desk.store, [{}] * 20, version=1, prediction=100.0)
    new = record(
        desk.store, [{}] * 20, build.NOON + timedelta(hours=1), version=2, prediction=100.0
    )
    for prediction_id in old:
        say(desk.store, prediction_id, 95.0)
    for prediction_id in new:
        say(desk.store, prediction_id, 125.0)
    app = page("overview")
    said = text(app)
    assert "Mean absolute error 25" in said
    assert "Median absolute % error 20.0 %" in said
    assert "40 predictions with feedback" in said
    assert "20 of the live version" in said
    deltas = [m.delta for m in app.metric]
    assert "+150.0 % since evaluation" in deltas  # it was judged at 10
    assert "0.0 points since evaluation" in deltas
    (alt,) = [a for a in alts(app) if "feedback" in a]
    assert "5, 5, 25, 25; at evaluation 10" in alt


def test_feedback_on_an_older_version_alone_is_drawn_without_figures(desk: Desk) -> None:
    build.live(desk.store, 2)
    for prediction_id in record(desk.store, [{}] * 3, version=1):
        say(desk.store, prediction_id, 95.0)
    app = page("overview")
    assert "0 of the live version" in text(app)
    assert not any("since evaluation" in (m.delta or "") for m in app.metric)


def test_points_of_other_versions_are_open_and_a_share_may_be_missing() -> None:
    found = [
        Bucket(build.NOON, build.NOON, 10, 5.0, None, (1,)),
        Bucket(build.NOON, build.NOON, 10, 6.0, 0.1, (1, 2)),
        Bucket(build.NOON, build.NOON, 10, 7.0, 0.2, (2,)),
    ]
    figure = feedback_error.feedback_error(found, {"mae": 4.0}, 2)
    above, below = figure["data"]
    assert above["marker"]["symbol"] == ["circle-open", "circle-open", "circle"]
    assert below["y"] == [None, 10.0, 20.0]
    assert [s["y0"] for s in figure["layout"]["shapes"]] == [4.0]
    json.dumps(figure)
