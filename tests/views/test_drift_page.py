"""The Drift page on every kind of data, and `driftdesk limits` beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console import charts, drift_heat, drifts
from console.cli import app as cli
from console.desk import Desk
from core.advice import Advice, BatchScore, advise, error_change
from core.dataset import Dataset
from core.drift import compare
from core.limits import Cell
from core.noise import annotate
from core.profile import profile_number, profile_text
from core.records import ColumnProfile, JobKind, Reference
from core.settings import Settings
from core.store import Store
from core.store.schema import migrate
from tests.build import stored_batch
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT

HOSTILE = "=cmd() <script>alert(1)</script> [x](javascript:alert(1)) :red[x]"
SEED = 4


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrate(url, dataset)
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=url, actor="ana")
    made = Desk(
        settings, dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: made)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def page(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "console" / "views" / "drift.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "subheader")
    return "\n".join(e.value for kind in kinds for e in getattr(app, kind))


def tables(app: AppTest) -> str:
    return "\n".join(frame.value.to_csv() for frame in app.dataframe)


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def profiles(dataset: Dataset, rise: float, rng: np.random.Generator) -> tuple[ColumnProfile, ...]:
    made = []
    for column in dataset.columns:
        if column.is_text:
            made.append(profile_text(column.name, {"Ohio": 60, "Texas": 40}, 0))
        else:
            lots = rng.pareto(0.8, 400) if column.name == "acre_lot" else rng.normal(100, 20, 400)
            made.append(profile_number(column.name, lots * rise))
    return tuple(made)


def history(
    desk: Desk, rises: list[float], *, champion: bool = True, category: str = "Ohio"
) -> list[int]:
    """Batches of which each is `rise` times as dear as the first; returns their ids."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    before: tuple[ColumnProfile, ...] = ()
    model = profiles(desk.dataset, 1.0, rng)
    with desk.store.begin() as work:
        work.batches.add_profile("model", 1, model)
        work.commit()
    ids: list[int] = []
    scores: list[BatchScore] = []
    for n, rise in enumerate(rises):
        now = [
            p if not p.categories else profile_text(p.column, {category: 100}, 5)
            for p in profiles(desk.dataset, rise, rng)
        ]
        batch = stored_batch(desk.store, n, profiles=tuple(now))
        dataset = desk.dataset
        report = annotate(compare(before or None, now, dataset), before, now)
        against = annotate(compare(model, now, dataset), model, now)
        scores.append(BatchScore(batch.id, 1, 100, {"mae": 1000.0 * rise}, 400.0))
        advice = advise(
            dataset,
            [report, against],
            champion=1 if champion else None,
            error=error_change(scores[-1], scores[:-1]) if champion else None,
            importance={"house_size": 0.4, "bed": 0.0001},
        )
        with desk.store.begin() as work:
            work.scores.put(scores[-1])
            work.drift.put(batch, Reference.PREVIOUS, f"epoch 1, batch {n - 1}", report, advice)
            if champion:
                work.drift.put(batch, Reference.CHAMPION, "version 1", against)
            work.commit()
        before, ids = tuple(now), [*ids, batch.id]
    return ids


def test_an_empty_page_says_what_to_do_first(desk: Desk) -> None:
    app = AppTest.from_file(str(ROOT / "console" / "app.py"), default_timeout=60).run()
    app.switch_page("views/drift.py").run()
    assert not app.exception
    assert "No batch has been compared yet" in text(app)


def test_a_broken_database_is_said(
    desk: Desk, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    broken = Desk(desk.settings, dataset, away, desk.queue, desk.registry, desk.serving)
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: broken)
    assert "DATABASE_URL" in text(page())


@pytest.mark.parametrize("view", ["Side by side", "Distributions", "What came in", "Limits"])
def test_one_batch_alone_has_a_page_without_a_comparison(desk: Desk, view: str) -> None:
    history(desk, [1.0], champion=False)
    said = text(page(view=view))
    assert "This is the first batch" in said
    assert "A batch has a history once" in said


def test_what_could_be_noise_is_said_and_what_matters_is_recommended(desk: Desk) -> None:
    history(desk, [1.0, 1.0, 1.4])
    app = page()
    said = text(app)
    assert "This batch asks for training" in said
    assert "could be noise" in said  # the lot sizes are all tail
    assert "Recommendation" in said
    assert "Retrain" in said
    assert "House size" in tables(app)
    assert "target" in tables(app)


def test_noise_alone_is_recommended_to_be_ignored(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.0])
    said = text(page(batch=str(ids[1])))
    assert "could be noise" in said
    assert "Ignore it" in said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"against": "The champion's rows"}, "Compared with version 1"),
        ({"group": "By column"}, "no\\-drift band"),
        ({"view": "Side by side"}, "Many small steps"),
        ({"view": "Distributions", "log": "true"}, "lie beyond the axis"),
        ({"view": "What came in"}, "Shares are of the rows"),
        ({"view": "Limits"}, "In force"),
        ({"last": "Last 200"}, "History"),
    ],
)
def test_every_view_has_an_address(desk: Desk, query: dict[str, str], said: str) -> None:
    ids = history(desk, [1.0, 1.1, 1.2])
    app = page(batch=str(ids[1]), **query)
    assert app.selectbox[0].value == "epoch 1, batch 1"
    assert said.replace("\\", "") in text(app)


def test_a_batch_that_is_not_there_is_said(desk: Desk) -> None:
    history(desk, [1.0, 1.1])
    app = page(batch="999")
    assert "999 is not among" in text(app)
    assert app.selectbox[0].value == "epoch 1, batch 1"


def test_choosing_a_batch_changes_the_address(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.1, 1.2])
    app = page()
    app.selectbox[0].set_value("epoch 1, batch 1").run()
    assert app.query_params["batch"] == str(ids[1])
    assert "batch 0" in text(app)


def test_nine_small_steps_show_against_the_champions_rows(desk: Desk) -> None:
    history(desk, [1.1**n for n in range(6)])
    assert "not against the batch before" in text(page())


def test_new_and_vanished_categories_and_nulls_are_shown_inert(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.0], category=HOSTILE)
    app = page(batch=str(ids[1]), view="What came in", against="The champion's rows")
    shown = tables(app)
    assert "2: Ohio (60.0%), Texas (40.0%)" in shown
    assert "1: =cmd()" in shown
    assert "4.8%" in shown
    assert "<script>" not in text(app)


def test_training_anyway_goes_on_record_with_its_reason(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.3, 1.3])
    app = page(batch=str(ids[0]))
    button(app, "Train anyway…").click().run()
    app.text_area(key="drift-train-reason").set_value("a fair is on")
    button(app, "Train").click().run()
    with desk.store.read() as work:
        (event,) = work.audit.latest()
        assert [j.kind for j in work.jobs.open()] == [JobKind.TRAIN]
    assert (event.action, event.reason) == ("request train", "a fair is on")


def test_comparing_again_asks_for_that_batch(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.3, 1.3])
    app = page(batch=str(ids[1]))
    button(app, "Compare again").click().run()
    with desk.store.read() as work:
        (job,) = work.jobs.open()
    assert job.args["batch_id"] == ids[1]


def test_limits_are_tried_on_the_past_then_set_with_a_reason(desk: Desk) -> None:
    history(desk, [1.0, 1.3, 1.3], champion=False)
    app = page(view="Limits")
    app.number_input(key="limit-value").set_value(100_000.0).run()
    said = text(app)
    assert "stored batches against the batch before" in said
    assert "would have had another verdict" in said
    button(app, "Set limits…").click().run()
    button(app, "Set them").click().run()
    with desk.store.read() as work:
        assert work.limits.in_force() == {}  # without a reason nothing is set
    button(app, "Set limits…").click().run()
    app.text_area(key="limits-reason").set_value("holidays")
    button(app, "Set them").click().run()
    with desk.store.read() as work:
        assert set(work.limits.in_force().values()) == {1000.0}
        (event,) = work.audit.latest()
    assert (event.action, event.actor, event.reason) == ("set limits", "ana", "holidays")
    assert "*" in tables(page(view="Limits"))


def test_two_hundred_batches_fit_on_the_page(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.1])
    with desk.store.begin() as work:
        (report,) = work.drift.latest(1, Reference.PREVIOUS, ids[1])
        for n in range(2, 200):
            batch = work.batches.receive(1, f"h{n}", f"f{n}", 1)
            work.batches.store(batch, epoch=1, number=n, stored=1, quarantined=[], gap=0, note="")
            batch = work.batches.get(batch.id)
            work.drift.put(batch, Reference.PREVIOUS, f"batch {n - 1}", report.report)
        work.commit()
    app = page(last="Last 200", view="Limits")
    assert "Each column's worst statistic" in text(app)
    assert len(app.selectbox[0].options) == 200


def test_a_report_from_before_there_was_advice_says_how_to_get_some(desk: Desk) -> None:
    batch = stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        report = compare(None, (), desk.dataset)
        work.drift.put(batch, Reference.PREVIOUS, "none", report)
        work.commit()
    assert "Compare again" in text(page())


# Figures


def test_a_cell_carries_its_batch_and_its_shade_says_breach(desk: Desk) -> None:
    cells = [
        Cell(1, 7, 1, 0, "price", "mean", 0.15, 0.15, None),
        Cell(2, 8, 1, 1, "price", "mean", 0.1501, 0.15, 0.5),
        Cell(3, 9, 1, 2, "price", "mean", None, 0.15, None),
    ]
    figure = drift_heat.heat(cells, {"price": "Price"}, 8, by_column=False)
    shades, marks = figure["data"]
    assert shades["z"] == [[2, 3, None]]
    assert [row[0] for row in marks["customdata"]] == [7, 8, 9]
    assert marks["text"] == ["15.0%", "15.0%~", ""]
    assert figure["layout"]["shapes"][0]["x0"] == 0.5


def test_of_many_columns_the_history_keeps_the_worst(desk: Desk) -> None:
    cells = [
        Cell(1, 7, 1, 0, f"c{n}", s, n / 10, 0.15, None) for n in range(9) for s in ("mean", "50")
    ]
    kept = drift_heat.worst(cells, 3)
    assert sorted(c.column for c in kept) == ["c6", "c7", "c8"]


def test_a_chart_saves_itself_under_a_name_of_its_own() -> None:
    asked = charts.png("drift-3-mean")["toImageButtonOptions"]
    assert (asked["format"], asked["filename"]) == ("png", "drift-3-mean")


# The command line


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def test_limits_on_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.terminal.configure", lambda *_: None)
    history(desk, [1.0, 1.3], champion=False)
    assert "price_mean" in run("limits", "list")
    assert "1 of 1 stored batches" in run("limits", "set", "100000", "all", "--preview")
    assert "Say why" in run("limits", "set", "40", "price", code=1)
    run("limits", "set", "40", "price", "bed_mean", "--reason", "spring")
    found = json.loads(run("limits", "list", "--json"))
    assert found["price_75"] == {"limit": 0.4, "dataset": 0.15, "set_here": True}
    assert found["bed_std"]["set_here"] is False
    assert "no limit weight" in run("limits", "set", "40", "weight", "--reason", "x", code=1)
    run("limits", "reset", "all", "--reason", "over")
    with desk.store.read() as work:
        assert work.limits.in_force() == {}
        assert [e.actor for e in work.audit.latest(2)] == ["ana", "ana"]


def test_the_report_on_the_command_line_has_its_advice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.terminal.configure", lambda *_: None)
    history(desk, [1.0, 1.4])
    said = run("drift", "--show")
    assert "recommendation: retrain" in said
    assert "Could be noise." in said
    document = json.loads(run("drift", "--show", "--json"))
    assert Advice.from_json(document[0]["advice"]).error is not None
    assert {"batch_id", "report", "reference"} <= set(document[0])


def test_the_csv_has_every_statistic_and_no_formula(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.4])
    view = drifts.view(desk, ids[1])
    app = page(batch=str(ids[1]))
    assert any(e.type == "download_button" for e in app.main)
    from console.parts_drift import report_csv

    rows = list(csv.DictReader(io.StringIO(
        report_csv(view.reports[Reference.PREVIOUS]).decode("utf-8-sig")
    )))  # fmt: skip
    assert len(rows) == 20
    assert {r["finding"] for r in rows} >= {"breach"}
    assert {r["could be noise"] for r in rows} == {"yes", "no"}
