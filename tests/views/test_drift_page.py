"""The Drift page on all kinds of data, and `driftdesk limits`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.cli.main import app as cli
from console.desk import Desk
from console.figures import drift_heatmap, style
from console.queries import drift
from console.text import measures
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.dossier import TrainingBatch
from core.domain.drift import Reference, RetrainWhen
from core.domain.jobs import JobKind, JobState
from core.domain.profiles import ColumnProfile
from core.platform.settings import Settings
from core.rules.data.far_values import far_values
from core.rules.data.profile import profile_number, profile_text
from core.rules.drift.batch_verdict import DECIDES
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate
from core.rules.drift.recommendation import Advice, BatchScore, advise, error_change
from core.rules.drift.report import drift_report
from core.rules.drift.thresholds import Cell
from tests.build import live, stored_batch
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT

HOSTILE = "=cmd() <script>alert(1)</script> [x](javascript:alert(1)) :red[x]"
SEED = 4


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=url, actor="ana")
    made = Desk(
        settings, dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: made)
    monkeypatch.setattr("console.web.session.read_settings", lambda: settings)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def page(**query: str) -> AppTest:
    app = AppTest.from_file(
        str(ROOT / "console" / "web" / "views" / "drift.py"), default_timeout=60
    )
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "subheader")
    return "\n".join(
        e.value.replace("\\", "") if kind == "error" else e.value
        for kind in kinds
        for e in getattr(app, kind)
    ).replace("\u00a0", " ")


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
    """Store batches with prices `rise` times those of the first; returns their ids."""
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
            work.drift.put(
                batch, Reference.PREVIOUS, f"epoch 1, batch {n - 1}" if ids else "none", report,
                advice, reference_id=ids[-1] if ids else None,
            )  # fmt: skip
            if champion:
                work.drift.put(batch, Reference.CHAMPION, "version 1", against, reference_id=1)
            work.commit()
        before, ids = tuple(now), [*ids, batch.id]
    return ids


def test_an_empty_page_says_what_to_do_first(desk: Desk) -> None:
    app = AppTest.from_file(str(ROOT / "console" / "web" / "app.py"), default_timeout=60).run()
    app.switch_page("views/drift.py").run()
    assert not app.exception
    assert "No batch has been compared yet" in text(app)


def test_a_broken_database_is_said(
    desk: Desk, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    broken = Desk(desk.settings, dataset, away, desk.queue, desk.registry, desk.serving)
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: broken)
    assert "DATABASE_URL" in text(page())


@pytest.mark.parametrize("view", ["All statistics", "Distributions", "Data quality", "Limits"])
def test_one_batch_alone_has_a_page_without_a_comparison(desk: Desk, view: str) -> None:
    history(desk, [1.0], champion=False)
    said = text(page(look=view))
    assert "No earlier batch has rows to compare it with" in said
    assert "Every change" not in said
    assert "The history starts with the second comparison" in said


def test_what_could_be_noise_is_said_and_what_matters_is_recommended(desk: Desk) -> None:
    history(desk, [1.0, 1.0, 1.4])
    app = page()
    said = text(app)
    assert "Batch 2\\: retraining recommended" in said
    assert "could be noise" in said  # the lot sizes are all tail
    assert "Recommendation" in said
    assert "orange[retrain]" in said
    assert "House size" in tables(app)
    assert "target" in tables(app)


def test_a_report_of_a_large_batch_says_that_quantiles_are_estimated(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = profile_number
    large = lambda column, values: replace(exact(column, values), error=6e-5)  # noqa: E731
    monkeypatch.setattr(f"{__name__}.profile_number", large)
    history(desk, [1.0, 1.0])
    said = text(page())
    assert "Quantiles are estimated; their changes are off by at most" in said


def test_noise_alone_is_recommended_to_be_ignored(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.0])
    said = text(page(batch=str(ids[1])))
    assert "could be noise" in said
    assert "green[ignore]" in said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"against": "Champion's training data"}, "Compared with version 1"),
        ({"group": "By column"}, "noise band"),
        ({"look": "All statistics"}, "Small changes from batch to batch"),
        ({"look": "Distributions", "log": "true"}, "of the values lie outside"),
        ({"look": "Data quality"}, "Shares are of the non-missing values"),
        ({"look": "Limits"}, "Current limits"),
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
    assert app.query_params["batch"] == "1/1"
    assert page(batch=str(ids[1])).selectbox[0].value == "epoch 1, batch 1"  # an older link
    assert "batch 0" in text(app)


def test_nine_small_steps_show_against_the_champions_rows(desk: Desk) -> None:
    history(desk, [1.1**n for n in range(6)])
    assert "not to the batch before" in text(page())


TIMES = re.compile(r"([0-9.]+) times its limit")
FEW = {
    "Previous batch": "epoch 1, batch 4",
    "Champion's training data": "the rows that version 1 was trained on",
}


def heads(app: AppTest) -> list[str]:
    """The captions of the columns that matter most, without Markdown's escapes."""
    found = (m.value.replace("\\", "") for m in app.markdown)
    return [said for said in found if said.startswith("**") and TIMES.search(said)]


def test_each_figure_is_of_the_reference_that_stands_above_it(desk: Desk) -> None:
    history(desk, [1.0, 1.0, 1.2, 1.44, 1.73, 2.07])
    with desk.store.read() as work:
        reports = {r.reference: r.report for r in work.drift.latest(2)}
    figures = {}
    for (against, named), reference in zip(FEW.items(), Reference, strict=True):
        app = page(against=against)
        real = [c for c in reports[reference].changes if c.known and not c.within_band]
        drifts = {round(min(c.drift, 10.0), 1) for c in real}
        shown = {float(found.group(1)) for head in heads(app) if (found := TIMES.search(head))}
        assert shown
        assert shown <= drifts
        figures[against] = shown
        said = plain(text(app))
        assert f"Grey: {named}." in said
        assert f":gray[Against {named}.]" in said
        (other,) = (words for name, words in FEW.items() if name != against)
        assert f"Against {other}: " in said
    assert not set.intersection(*figures.values())


def test_what_drifted_from_the_models_rows_alone_says_so_and_leads_there(desk: Desk) -> None:
    """Small steps stay within the limits of each batch, and add up against the model's rows."""
    history(desk, [1.1**n for n in range(6)])
    app = page()
    said = plain(text(app))
    assert "Columns that matter most" not in said
    assert heads(app) == []
    assert "Against the rows that version 1 was trained on: " in said
    assert "Columns beyond their limit there: " in said
    (link,) = (html for html in app.get("html") if "Show that comparison" in html.proto.body)
    query = parse_qs(urlsplit(unescape(link.proto.body.split('"')[1])).query)
    assert query == {"batch": ["1/5"], "against": ["Champion's training data"]}
    app = page(**{name: value for name, (value,) in query.items()})
    assert "Grey: the rows that version 1 was trained on" in plain(text(app))
    assert heads(app)
    assert "Against epoch 1, batch 4: " in plain(text(app))


def test_the_impact_table_has_a_column_for_each_reference(desk: Desk) -> None:
    history(desk, [1.1**n for n in range(6)])
    table = next(
        d.value for d in page(look="Impact").dataframe if "Counts as the most important" in d.value
    )
    row = table.set_index("Column").loc["Price"]
    before = row["Drift from epoch 1, batch 4"]
    assert before < 1 < row["Drift from the rows that version 1 was trained on"]


def test_the_command_line_names_the_reference_of_each_figure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    history(desk, [1.1**n for n in range(6)])
    lines = [line for line in run("drift", "--show").splitlines() if TIMES.search(line)]
    assert lines
    for line in lines:
        assert "times its limit against the rows that version 1 was trained on" in line
    assert "batch 5 against the rows that version 1 was trained on: retrain" in run(
        "drift", "--show"
    )


def test_new_and_vanished_categories_and_nulls_are_shown_inert(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.0], category=HOSTILE)
    app = page(batch=str(ids[1]), look="Data quality", against="Champion's training data")
    shown = tables(app)
    assert "2: Ohio (60.0 %), Texas (40.0 %)" in shown
    assert "1: =cmd()" in shown
    assert "4.8 %" in shown
    assert "<script>" not in text(app)


def test_training_anyway_goes_on_record_with_its_reason(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.3, 1.3])
    live(desk.store, 1, batches=tuple(TrainingBatch(i, 1, i - 1, 3) for i in ids))
    app = page(batch="1/0")
    assert "which is live, learned from it" in text(app)
    button(app, "Train anyway…").click().run()
    app.text_area(key="train-reason").set_value("a fair is on")
    button(app, "Train").click().run()
    with desk.store.read() as work:
        (event,) = work.audit.latest(1)
        assert [j.kind for j in work.jobs.open()] == [JobKind.TRAIN]
    assert (event.action, event.reason) == ("request train", "a fair is on")


def test_a_job_that_changes_the_page_is_shown_and_its_end_is_seen(desk: Desk) -> None:
    history(desk, [1.0, 3.0])
    app = page()
    button(app, "Compare again").click().run()
    assert "**drift 1**" in text(app)
    seen = drift.under_way(desk)
    with desk.store.begin() as work:
        work.jobs.claim(1, 1, "w", timedelta(days=1))
        work.jobs.finish(1, "w", JobState.SUCCEEDED)
        work.commit()
    assert drift.under_way(desk).version != seen.version
    assert "**drift 1**" not in text(app.run())


def test_training_is_the_filled_button_where_the_verdict_asks_for_it(desk: Desk) -> None:
    history(desk, [1.0, 3.0])
    assert button(page(), "Train").proto.type == "primary"


def test_comparing_again_asks_for_that_batch(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.3, 1.3])
    app = page(batch=str(ids[1]))
    button(app, "Compare again").click().run()
    with desk.store.read() as work:
        (job,) = work.jobs.open()
    assert job.args["batch_id"] == ids[1]


def test_limits_are_tried_on_the_past_then_set_with_a_reason(desk: Desk) -> None:
    history(desk, [1.0, 1.3, 1.3], champion=False)
    app = page(look="Limits")
    app.number_input(key="limit-value").set_value(100_000.0).run()
    said = text(app)
    assert "stored batches (compared with the previous batch)" in said
    assert "would have another verdict" in said
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
    assert "*" in tables(page(look="Limits"))


def test_two_hundred_batches_fit_on_the_page(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.1])
    with desk.store.begin() as work:
        (report,) = work.drift.latest(1, Reference.PREVIOUS, ids[1])
        for n in range(2, 200):
            batch = work.batches.receive(1, f"h{n}", f"f{n}", 1)
            work.batches.store(batch, epoch=1, number=n, stored=1, quarantined=[], gap=0, note="")
            batch = work.batches.get(batch.id)
            work.drift.put(
                batch, Reference.PREVIOUS, f"batch {n - 1}", report.report, reference_id=n
            )
        work.commit()
    app = page(last="Last 200", look="Limits")
    assert "the statistic with the largest ratio" in text(app)
    assert len(app.selectbox[0].options) == 200


def test_a_report_from_before_there_was_advice_says_how_to_get_some(desk: Desk) -> None:
    batch = stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        report = compare(None, (), desk.dataset)
        work.drift.put(batch, Reference.PREVIOUS, "epoch 1, batch 0", report, reference_id=1)
        work.commit()
    assert "Compare again" in text(page())


# Figures


def test_a_cell_carries_its_batch_and_its_shade_says_breach(desk: Desk) -> None:
    cells = [
        Cell(1, 7, 1, 0, "price", "mean", 0.15, 0.15, None),
        Cell(2, 8, 1, 1, "price", "mean", 0.1501, 0.15, 0.5),
        Cell(3, 9, 1, 2, "price", "mean", None, 0.15, None),
    ]
    figure = drift_heatmap.heat(cells, {"price": "Price"}, 8, by_column=False)
    shades, marks, quiet, loud = figure["data"]
    assert shades["z"] == [[2, 3, None]]
    assert [row[0] for row in marks["customdata"]] == [7, 8, 9]
    assert (quiet["text"], loud["text"]) == (["15.0 %"], ["15.0 %~"])
    assert figure["layout"]["shapes"][0]["x0"] == 0.5


def test_of_many_columns_the_history_keeps_the_worst(desk: Desk) -> None:
    cells = [
        Cell(1, 7, 1, 0, f"c{n}", s, n / 10, 0.15, None) for n in range(9) for s in ("mean", "50")
    ]
    kept = drift_heatmap.worst(cells, 3)
    assert sorted(c.column for c in kept) == ["c6", "c7", "c8"]


def test_a_chart_saves_itself_under_a_name_of_its_own() -> None:
    asked = style.png("drift-3-mean")["toImageButtonOptions"]
    assert (asked["format"], asked["filename"]) == ("png", "drift-3-mean")


# The command line


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def test_the_limits_of_the_measures_are_listed_with_where_they_are_set(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    history(desk, [1.0, 1.3], champion=False)
    listed = run("limits", "list")
    assert measures.WHERE in listed
    assert re.search(r"^price_shift +0\.25 sd$", listed, re.MULTILINE)
    assert re.search(r"^state_new +5\.0 %$", listed, re.MULTILINE)
    found = json.loads(run("limits", "list", "--json"))
    assert found["status_mix"] == {"limit": 0.1, "dataset": 0.1, "set_here": False}
    refused = run("limits", "set", "40", "price_shift", "--reason", "x", code=1)
    assert f"price_shift cannot be set here. {measures.WHERE}" in " ".join(refused.split())
    app = page(look="Limits")
    assert measures.WHERE in text(app)
    table = next(d.value for d in app.dataframe if "Shift of the mean" in d.value)
    row = table.set_index("Column").loc["Price"]
    assert (row["Shift of the mean"], row["New values"]) == ("0.25 sd", "-")


def test_limits_on_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    history(desk, [1.0, 1.3], champion=False)
    assert "price_mean" in run("limits", "list")
    assert "1 of 1 compared batches" in run("limits", "set", "100000", "all", "--preview")
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
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    history(desk, [1.0, 1.4])
    said = run("drift", "--show")
    assert "recommendation: retrain" in said
    assert "Could be noise." in said
    document = json.loads(run("drift", "--show", "--json"))
    assert Advice.from_json(document[0]["advice"]).error is not None
    assert {"batch_id", "report", "reference"} <= set(document[0])


def test_the_csv_has_every_statistic_and_no_formula(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.4])
    view = drift.view(desk, ids[1])
    app = page(batch=str(ids[1]))
    assert any(e.type == "download_button" for e in app.main)
    from console.text.csv_output import inert_csv
    from console.web.panels.drift.statistics import report_rows

    rows = list(csv.DictReader(io.StringIO(
        inert_csv(report_rows(view.reports[Reference.PREVIOUS]))
    )))  # fmt: skip
    assert len(rows) == 20
    assert {r["finding"] for r in rows} >= {"breach"}
    assert {r["could be noise"] for r in rows} == {"yes", "no"}


@pytest.mark.parametrize("when", RetrainWhen)
def test_categories_are_judged_beside_the_rule_and_it_is_said_what_decides(
    desk: Desk, when: RetrainWhen
) -> None:
    """Nothing but a category that was never there: the rule's numbers are the same."""
    desk.store.dataset = replace(desk.dataset, retrain_when=when)
    numbers = [p for p in profiles(desk.dataset, 1.0, np.random.default_rng(SEED)) if p.grid]
    sides = [
        (*numbers, profile_text("status", {status: 400}, 0)) for status in ("for_sale", HOSTILE)
    ]
    one, two = (stored_batch(desk.store, n, profiles=side) for n, side in enumerate(sides))
    report = drift_report(*sides, desk.dataset)
    advice = advise(desk.dataset, [report], champion=1, error=None, importance={"status": 0.0})
    with desk.store.begin() as work:
        work.drift.put(
            two, Reference.PREVIOUS, "epoch 1, batch 0", report, advice, reference_id=one.id
        )
        work.commit()
    app = page(look="All statistics")
    raw = [element.value for element in (*app.markdown, *app.warning, *app.success)]
    assert not any("<script>" in shown for shown in raw)
    said = text(app).replace("\\", "")
    assert "Drift rule: no breach" in said
    assert "Additional measures: 2 beyond limit and noise" in said
    assert "Status: 100.0 % of the values are new (limit 5 %): =cmd()" in said
    assert ("Batch 1: retraining recommended" in said) is (when is not RetrainWhen.RULE)
    assert f"{DECIDES[when]}." in said
    measured = next(f.value for f in app.dataframe if "Measure" in f.value).set_index("Measure")
    new = measured[measured["Column"] == "Status"].loc["New values"]
    assert (new["Difference from previous batch"], new["Unit"]) == (100.0, "%")
    assert new["Finding, previous batch"] == "breach"
    from console.web.panels.drift.statistics import report_rows

    with desk.store.read() as work:
        (stored,) = work.drift.latest(1)
    assert stored.report == report
    measured = [r for r in report_rows(stored) if r["statistic"] in ("mix", "new")]
    assert [(r["column"], r["ratio"], r["finding"]) for r in measured] == [
        ("status", 1.0, "breach"), ("status", 1.0, "breach"),
    ]  # fmt: skip
    impact = tables(page(look="Impact")).replace(".0", "")
    assert "Status,10,0,new values" in impact


def test_a_held_batch_and_the_reference_that_was_used_instead_are_named(desk: Desk) -> None:
    first, second, third = history(desk, [1.0, 1.1, 1.2])
    with desk.store.begin() as work:
        work.holds.hold(second, "driftdesk", "Price is empty in every row.", unless_released=True)
        report = work.drift.latest(1, Reference.PREVIOUS, third)[0].report
        batch = work.batches.get(third)
        work.drift.put(
            batch, Reference.PREVIOUS, "epoch 1, batch 0", report,
            reference_id=first, note="batch 1 is held",
        )  # fmt: skip
        work.commit()
    assert "Compared with epoch 1, batch 0: batch 1 is held" in text(page(batch=str(third)))
    assert "Batch 1 is held: Price is empty in every row" in text(page(batch=str(second))).replace(
        "\\", ""
    )


def test_the_weightiest_columns_are_shown_first_with_their_striking_fact(desk: Desk) -> None:
    history(desk, [1.0, 1.0, 3.0])
    said = text(page(batch="1/2"))
    assert "Columns that matter most" in said
    assert "at least 10 times its limit" in said
    assert "of the values lie above the former range" in said
    calm = text(page(batch="1/1"))
    assert "Columns that matter most" not in calm


def test_the_neighbours_of_a_batch_are_one_press_away(desk: Desk) -> None:
    history(desk, [1.0, 1.0, 3.0])
    app = page()
    assert button(app, "Newer").disabled
    button(app, "Older").click().run()
    assert "".join(app.query_params["batch"]) == "1/1"
    button(app, "Newer").click().run()
    assert "".join(app.query_params["batch"]) == "1/2"
    assert button(page(batch="1/0"), "Older").disabled


def test_the_table_of_statistics_sorts_by_its_figures(desk: Desk) -> None:
    ids = history(desk, [1.0, 1.0, 3.0])
    app = page(batch=str(ids[2]), look="All statistics")
    (table,) = (f.value for f in app.dataframe if "Statistic" in f.value)
    by_size = table.sort_values("Change from previous batch %", ascending=False)
    assert by_size["Change from previous batch %"].iloc[0] > 100
    assert set(by_size["Finding, previous batch"].iloc[:2]) == {"breach"}
    assert table["Limit %"].dtype == float
    sign = np.sign(table["Current"] - table["Previous batch"])
    assert (np.sign(table["Change from previous batch %"]) == sign).all()


def test_a_broken_value_is_said_at_the_top_and_is_no_noise(desk: Desk) -> None:
    """One house size of -999,999 among 400: no test can tell the mean from noise, a person can."""
    print("seed", SEED)
    desk.store.dataset = replace(desk.dataset, retrain_when=RetrainWhen.RECOMMENDATION)
    rng = np.random.default_rng(SEED)
    then = profiles(desk.dataset, 1.0, rng)
    sizes = rng.normal(100, 20, 400)
    sizes[7] = -999_999
    broken = profile_number("house_size", sizes)
    now = tuple(broken if p.column == "house_size" else p for p in then)
    one, two = (stored_batch(desk.store, n, profiles=side) for n, side in enumerate((then, now)))
    report = drift_report(then, now, desk.dataset)
    far = far_values(then, now, desk.dataset)
    importance = {"bed": 0.4}
    advice = advise(desk.dataset, [report], far=far, champion=1, error=None, importance=importance)
    with desk.store.begin() as work:
        work.drift.put(
            two, Reference.PREVIOUS, "epoch 1, batch 0", report, advice, reference_id=one.id
        )
        work.commit()
    app = page(look="All statistics")
    (error,) = (plain(e.value) for e in app.error)
    assert "House size: 1 of 400 values lies far outside the former range" in error
    assert "-999,999" in error
    assert "hold the batch" in error
    said = plain(text(app))
    assert "could be noise" not in said.replace("breach that could be noise", "")
    most = said.index("Columns that matter most")
    assert said.index("House size** (sq ft)", most) < said.index(
        "1 of 400 values far outside", most
    )
    assert "no retraining needed, but it has values far outside the former range" in said
    assert not app.success
    (table,) = (f.value for f in app.dataframe if "Statistic" in f.value)
    findings = table.set_index("Statistic")["Finding, previous batch"]
    assert findings["house_size_mean"] == "breach, far values"
    cells = {(c.column, c.statistic): c for c in drift.history(desk, Reference.PREVIOUS)}
    mean = cells["house_size", "mean"]
    assert (mean.far, mean.could_be_noise) == (True, False)
    assert not cells["house_size", "50"].far


def plain(shown: str) -> str:
    return shown.replace("\\", "").replace("\u2060", "")


def test_a_column_of_many_values_says_the_same_of_new_ones_in_both_places(desk: Desk) -> None:
    rng = np.random.default_rng(SEED)
    numbers = [p for p in profiles(desk.dataset, 1.0, rng) if p.grid]
    counts = [{f"{a} {n}": 5 if n else 900 for n in range(60)} for a in ("old", "new")]
    sides = [(*numbers, replace(profile_text("city", kept, 0), distinct=9_000)) for kept in counts]
    one, two = (stored_batch(desk.store, n, profiles=side) for n, side in enumerate(sides))
    report = drift_report(*sides, desk.dataset)
    advice = advise(desk.dataset, [report], champion=1, error=None, importance={"city": 0.1})
    with desk.store.begin() as work:
        work.drift.put(
            two, Reference.PREVIOUS, "epoch 1, batch 0", report, advice, reference_id=one.id
        )
        work.commit()
    app = page(look="All statistics")
    share = "100.0 % of the values are new or were rare"
    assert share in plain(text(app))
    measured = next(f.value for f in app.dataframe if "Measure" in f.value).set_index("Measure")
    new = measured[measured["Column"] == "City"].loc["New values"]
    assert new["Finding, previous batch"] == "undefined"
    assert f"City against the previous batch: {share}" in plain(text(app))


def test_a_broken_batch_before_does_not_hide_the_next_broken_value(desk: Desk) -> None:
    """The former range that the batch before has is that of its own broken value."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    model = profiles(desk.dataset, 1.0, rng)
    sizes = rng.normal(100, 20, 400)
    sizes[7] = -999_999
    broken = profile_number("house_size", sizes)
    now = tuple(broken if p.column == "house_size" else p for p in model)
    one, two = (stored_batch(desk.store, n, profiles=now) for n in range(2))
    by_model, by_batch = (drift_report(side, now, desk.dataset) for side in (model, now))
    far = far_values(model, now, desk.dataset)
    advice = advise(desk.dataset, [by_batch, by_model], far=far, champion=1, error=None)
    with desk.store.begin() as work:
        work.batches.add_profile("model", 1, model)
        named = {Reference.PREVIOUS: "epoch 1, batch 0", Reference.CHAMPION: "version 1"}
        for reference, report in zip(named, (by_batch, by_model), strict=True):
            told = advice if reference is Reference.PREVIOUS else None
            work.drift.put(two, reference, named[reference], report, told, reference_id=one.id)
        work.commit()
    (error,) = (plain(e.value) for e in page().error)
    assert "House size: 1 of 400 values lies far outside the former range" in error
