"""The Predict page: form, interval, contributions, permanent links, files and history."""

from __future__ import annotations

import csv
import io
import json
import math
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from console.queries import prediction_log
from console.text import contributions
from console.web.panels.predict import history
from core.adapters.store.tables import predictions
from core.domain.errors import BadRow, ServingUnavailable
from core.rules.model.contract import Contract
from core.rules.model.prediction_interval import Interval
from tests import build, traffic
from tests.build import contract
from tests.views.desks import away
from tests.views.test_pages import button, desk, page, text

__all__ = ["desk"]  # the fixture

INTERVAL = Interval(0.9, True, (), (0.5,), 900, 0.912, 877)
CONTRIBUTIONS = {
    "scale": "log",
    "baseline": 199_999.0,
    "fields": [
        {"field": "house_size", "effect": math.log(1.5)},
        {"field": "state", "effect": -math.log(1.2)},
    ],
}
BESIDE = {"low": 150_000.0, "high": 400_000.0, "contributions": CONTRIBUTIONS}
ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def live(desk: Desk, version: int = 3, **changes: Any) -> Contract:
    made = replace(contract(desk.dataset), **{"interval": INTERVAL} | changes)
    desk.serving.about = {"version": version, "contract": json.loads(made.to_json())}  # type: ignore[attr-defined]
    return made


def log(desk: Desk, count: int = 1, **values: Any) -> list[str]:
    rows = [
        {
            "id": str(uuid.UUID(int=n + 10**38, version=4)),
            "at": build.NOON + timedelta(seconds=n),
            "model_version": 1 + n % 2,
            "inputs": {"bed": n % 5, "city": f"Town {n}"},
            "prediction": 1000.0 + n,
            "answer": None,
            **values,
        }
        for n in range(count)
    ]
    with desk.store.engine.begin() as connection:
        connection.execute(sa.insert(predictions), rows)
    return [str(r["id"]) for r in rows]


def mode(app: AppTest, name: str) -> AppTest:
    app.session_state["ask"] = name
    app.run()
    assert not app.exception, app.exception
    return app


def at(app: AppTest, prediction_id: str) -> AppTest:
    app.query_params["id"] = prediction_id
    app.run()
    assert not app.exception, app.exception
    return app


def ask(app: AppTest) -> AppTest:
    button(app, "Predict").click().run()
    assert not app.exception, app.exception
    return app


# One row


def test_an_answer_comes_with_its_range_its_coverage_and_what_pushed_it(desk: Desk) -> None:
    live(desk)
    desk.serving.beside = BESIDE  # type: ignore[attr-defined]
    said = text(ask(page("predict")))
    assert "250,000 USD" in said
    assert "150,000 to 400,000 USD" in said
    assert "90 % prediction interval; measured coverage 91.2 % on 877 rows" in said
    assert "from **200,000 USD**" in said or "from **199,999 USD**" in said
    assert "each feature multiplies the prediction" in said


def test_contributions_of_zero_draw_no_chart(desk: Desk) -> None:
    live(desk)
    zero = CONTRIBUTIONS | {"fields": [{"field": "house_size", "effect": 0.0}]}
    desk.serving.beside = BESIDE | {"contributions": zero}  # type: ignore[attr-defined]
    app = ask(page("predict"))
    assert contributions.TYPICAL in text(app)
    assert not any("effect" in str(d.value).lower() for d in app.dataframe)
    log(desk, id=ID, answer=BESIDE | {"contributions": zero})
    assert contributions.TYPICAL in text(at(page("predict"), ID))


def test_the_pushes_are_there_as_a_table_too(desk: Desk) -> None:
    live(desk)
    desk.serving.beside = BESIDE  # type: ignore[attr-defined]
    table = ask(page("predict")).dataframe[0].value
    assert table["Feature"].tolist() == ["House size", "State"]
    assert table["Effect"].tolist() == ["+50.0 %", "-16.7 %"]


def test_the_answer_stays_while_something_else_is_done(desk: Desk) -> None:
    live(desk)
    app = ask(page("predict"))
    app.run()
    assert "250,000 USD" in text(app)
    assert len(desk.serving.asked) == 1  # type: ignore[attr-defined]


def test_a_field_can_be_emptied_and_a_new_value_typed(desk: Desk) -> None:
    live(desk)
    app = page("predict")
    assert app.number_input(key="field-bed").value == 2
    app.number_input(key="field-bed").set_value(None)
    app.selectbox(key="field-city").set_value(None)
    state = app.selectbox(key="field-state")
    state.options.append("Atlantis")  # AppTest knows of no new options
    state.set_value("Atlantis")
    said = text(ask(app))
    (asked,) = desk.serving.asked  # type: ignore[attr-defined]
    assert "bed" not in asked
    assert "city" not in asked
    assert asked["state"] == "Atlantis"
    assert "Atlantis” does not occur in the training" in said.replace("\\", "")


def test_counts_are_whole_and_quantities_are_not(desk: Desk) -> None:
    live(desk)
    app = page("predict")
    assert isinstance(app.number_input(key="field-bed").value, int)
    assert isinstance(app.number_input(key="field-house_size").value, float)
    assert app.number_input(key="field-bed").min == 0


def test_dates_are_asked_for_as_days(desk: Desk) -> None:
    made = live(desk)
    day = replace(made.fields[1], name="sold", label="Sold", type="date", default="2020-05-17",
                  minimum=None, step=None, low=15_000.0, high=18_000.0)  # fmt: skip
    live(desk, fields=(day,))
    app = page("predict")
    assert str(app.date_input(key="field-sold").value) == "2020-05-17"
    assert "2011-01-26 to 2019-04-14" in app.date_input(key="field-sold").help
    ask(app)
    assert desk.serving.asked == [{"sold": "2020-05-17"}]  # type: ignore[attr-defined]


def test_a_refused_row_names_its_fields_and_loses_no_input(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(desk)

    def refuse(row: Any, **_: Any) -> Any:
        raise BadRow({"bed": "must be at least 0", "zip_code": "must be given"})

    monkeypatch.setattr(desk.serving, "predict", refuse)
    app = page("predict")
    app.number_input(key="field-bath").set_value(7)
    said = text(ask(app)).replace("\\", "")
    assert "Bedrooms must be at least 0." in said
    assert "ZIP code must be given." in said
    assert app.number_input(key="field-bath").value == 7


def test_a_model_from_before_there_were_ranges_says_so(desk: Desk) -> None:
    live(desk, interval=None)
    desk.serving.beside = {"contributions": None}  # type: ignore[attr-defined]
    said = text(ask(page("predict")))
    assert "No prediction interval" in said
    assert "this version cannot" in said


def test_the_form_stays_with_its_values_while_serving_is_away_and_says_so(desk: Desk) -> None:
    live(desk)
    app = page("predict")
    app.number_input(key="field-bed").set_value(7)
    desk.serving.away = True  # type: ignore[attr-defined]
    said = text(ask(app))
    assert "Serving does not answer. Your input is kept" in said
    assert "Serving at nowhere did not answer" in said
    assert app.number_input(key="field-bed").value == 7
    desk.serving.away = False  # type: ignore[attr-defined]
    said = text(ask(app))
    assert "250,000 USD" in said
    assert "Serving" not in said
    assert desk.serving.asked[-1]["bed"] == 7  # type: ignore[attr-defined]


def test_a_tab_opened_while_serving_is_away_has_the_form_of_the_record(desk: Desk) -> None:
    desk.serving.away = True  # type: ignore[attr-defined]
    assert "Serving at nowhere did not answer" in text(page("predict"))
    build.live(desk.store, 4)
    with desk.store.begin() as work:
        profiles = tuple(build.profile(c.name) for c in desk.dataset.columns)
        work.batches.add_profile("model", 4, profiles)
        work.commit()
    app = page("predict")
    said = text(app)
    assert "Serving does not answer. Your input is kept" in said
    assert "version 4" in said
    app.number_input(key="field-bed").set_value(7)
    desk.serving.away = False  # type: ignore[attr-defined]
    live(desk, 4)
    assert "250,000 USD" in text(ask(app))
    assert desk.serving.asked[-1]["bed"] == 7  # type: ignore[attr-defined]


def test_a_typed_part_of_a_known_category_takes_the_known_one(desk: Desk) -> None:
    made = live(desk)
    states = ("Connecticut", "Vermont", "New York")
    live(desk, fields=tuple(
        replace(f, categories=states, default="Vermont") if f.name == "state" else f
        for f in made.fields
    ))  # fmt: skip
    app = page("predict")
    for typed, sent, note in (
        ("conn", "Connecticut", "State: “conn” was completed to “Connecticut”."),
        ('"conn"', "conn", "State “conn” does not occur in the training data."),
    ):
        state = app.selectbox(key="field-state")
        state.options.append(typed)  # AppTest knows of no new options
        state.set_value(typed)
        said = text(ask(app)).replace("\\", "")
        assert desk.serving.asked[-1]["state"] == sent  # type: ignore[attr-defined]
        assert note in said
        assert app.selectbox(key="field-state").value == sent
    assert "was completed" not in said


def test_who_asks_is_told_to_serving(desk: Desk) -> None:
    live(desk)
    ask(page("predict"))
    app = upload(mode(page("predict"), "CSV file"), GOOD)
    button(app, "Predict 2 rows").click().run()
    assert desk.serving.actors == ["ana"] * 3  # type: ignore[attr-defined]


def test_a_reload_keeps_the_form_and_its_answer_together(desk: Desk) -> None:
    live(desk)
    desk.serving.beside = BESIDE | {"prediction_id": ID}  # type: ignore[attr-defined]
    app = page("predict")
    app.number_input(key="field-bed").set_value(7)
    app.selectbox(key="field-city").set_value(None)
    ask(app)
    assert app.query_params["answer"] in (ID, [ID])
    (asked,) = desk.serving.asked  # type: ignore[attr-defined]
    again = page("predict", answer=ID)
    assert "not on record (yet)" in text(again)
    log(desk, id=ID, model_version=3, prediction=250_000.0, inputs=asked, answer=BESIDE)
    again.run()
    assert again.number_input(key="field-bed").value == 7
    assert again.selectbox(key="field-city").value is None
    assert "250,000 USD" in text(again)
    assert "House size" in str(again.dataframe[0].value)
    button(again, "New prediction").click().run()
    assert "answer" not in again.query_params
    assert again.number_input(key="field-bed").value == 2
    assert "250,000 USD" not in text(again)


def test_what_is_typed_after_an_answer_is_not_replaced_by_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(desk)
    log(desk, id=ID, inputs={"bed": 4})
    app = page("predict", answer=ID)
    assert app.number_input(key="field-bed").value == 4
    app.number_input(key="field-bed").set_value(9)

    def refuse(row: Any, **_: Any) -> Any:
        raise BadRow({"bed": "must be at most 8"})

    monkeypatch.setattr(desk.serving, "predict", refuse)
    assert "must be at most 8" in text(ask(app))
    app.run()
    assert app.number_input(key="field-bed").value == 9
    assert "1,000 USD" not in text(app)


def test_the_form_comes_back_with_the_answer_from_another_page(desk: Desk) -> None:
    live(desk)
    app = page("predict")
    app.number_input(key="field-bed").set_value(7)
    ask(app)
    app.switch_page("views/promotion.py").run()
    app.switch_page("views/predict.py").run()
    assert "250,000 USD" in text(app)
    assert app.number_input(key="field-bed").value == 7


@pytest.mark.parametrize("wrong", ["x", ID[:8], "../../x"])
def test_an_address_with_no_id_of_an_answer_shows_the_form_alone(desk: Desk, wrong: str) -> None:
    live(desk)
    log(desk, id=ID, inputs={"bed": 4})
    app = page("predict", answer=wrong)
    assert app.number_input(key="field-bed").value == 2
    assert "1,000 USD" not in text(app)


def test_the_page_asks_serving_again_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []
    fragment = st.fragment

    def noted(function: Any = None, *, run_every: Any = None) -> Any:
        asked.append(run_every)
        return fragment(function, run_every=run_every)

    monkeypatch.setattr(st, "fragment", noted)
    live(desk)
    page("predict")
    desk.serving.away = True  # type: ignore[attr-defined]
    app = page("predict")
    assert 2.0 in asked
    desk.serving.away = False  # type: ignore[attr-defined]
    app.run()
    assert "Serving does not answer" not in text(app)


def test_away_from_serving_the_form_starts_from_the_same_row(desk: Desk) -> None:
    typical = {"bed": 5.0, "city": "Salem", "state": None}
    build.live(desk.store, 4, typical=typical)
    profiles = [build.profile(c.name) for c in desk.dataset.columns]
    with desk.store.transaction() as work:
        work.batches.add_profile("model", 4, profiles)
    desk.serving.away = True  # type: ignore[attr-defined]
    app = page("predict")
    assert app.number_input(key="field-bed").value == 5
    assert app.selectbox(key="field-city").value == "Salem"
    assert app.selectbox(key="field-state").value is None
    assert "starts from medians" not in text(app)


def test_a_form_from_another_row_says_so(desk: Desk) -> None:
    build.live(desk.store, 4)
    with desk.store.transaction() as work:
        work.batches.add_profile("model", 4, [build.profile("bed")])
    desk.serving.away = True  # type: ignore[attr-defined]
    said = text(page("predict"))
    assert "This form starts from medians and the most common values: the typical row" in said


# A page for each prediction


def test_a_predictions_page_leads_to_its_version_and_its_lineage(desk: Desk) -> None:
    live(desk)
    log(desk, id=ID, model_version=1)
    for wanted in (ID, ID[:8]):
        app = at(page("predict"), wanted)
        links = [link.proto for link in app.get("page_link")]
        assert {link.label for link in links} >= {"See version 1", "See its lineage"}
        assert any(f"follow=prediction%3A{ID}" in link.query_string for link in links)
    button(app, "New prediction").click().run()
    assert not app.exception
    assert "id" not in app.query_params
    assert app.number_input(key="field-bed").value == 2


def test_a_beginning_that_two_predictions_have_says_so(desk: Desk) -> None:
    log(desk, id=ID)
    log(desk, id=f"{ID[:-1]}7")
    assert f"2 predictions begin with {ID[:8]}" in text(at(page("predict"), ID[:8]))


def test_features_without_effect_are_told_from_those_of_the_typical_row(desk: Desk) -> None:
    live(desk)
    fields = [{"field": "house_size", "effect": 0.3}]
    fields += [{"field": name, "effect": 0.0} for name in ("bed", "bath")]
    desk.serving.beside = BESIDE | {"contributions": CONTRIBUTIONS | {"fields": fields}}  # type: ignore[attr-defined]
    app = page("predict")
    app.number_input(key="field-bath").set_value(9)
    said = text(ask(app)).replace("\\", "")
    assert "Same value as in the typical row, so without effect here: Bedrooms." in said
    assert "Another value than in the typical row, but without effect: Bathrooms." in said


def test_a_recorded_prediction_keeps_its_page_when_its_version_is_gone(desk: Desk) -> None:
    answer = BESIDE | {"coverage": INTERVAL.coverage()}
    log(desk, id=ID, model_version=1, answer=answer, prediction=250_000.0,
        inputs={"house_size": 1500, "state": "Ohio", "gone": "x"})  # fmt: skip
    for version in (3, None):
        desk.serving.about = {}  # type: ignore[attr-defined]
        if version:
            live(desk, version)
        app = at(page("predict"), ID)
        said = text(app)
        assert "250,000 USD" in said
        assert "Version 1" in said
        assert "2026-11-23 12:00:00 UTC" in said
        assert "150,000 to 400,000 USD" in said
        assert "measured coverage 91.2 % on 877 rows" in said
        assert [d.value for d in app.dataframe][1]["Value"].tolist() == ["1,500 sq ft", "Ohio", "x"]


def test_warnings_stay_with_a_prediction_when_its_version_is_gone(desk: Desk) -> None:
    live(desk, version=3)
    profiles = [
        build.profile("bed", grid=tuple(float(n) for n in range(101))),
        build.profile("city", categories={"Salem": 9}, distinct=1),
    ]
    with desk.store.transaction() as work:
        work.batches.add_profile("model", 1, profiles)
    log(desk, id=ID, model_version=1, inputs={"bed": 900, "city": "Rome"}, caller="ana (console)")
    for served in (True, False):
        desk.serving.away = not served  # type: ignore[attr-defined]
        said = text(at(page("predict"), ID)).replace("\\", "")
        assert "Bedrooms 900 is outside the usual range of the training data. Usually 1" in said
        assert "City “Rome” does not occur in the training data" in said
        assert "Asked by ana (console)." in said


def test_its_inputs_can_be_asked_again(desk: Desk) -> None:
    live(desk)
    log(desk, id=ID, inputs={"bed": 4.0, "state": "Ohio", "bath": "many", "house_size": -1})
    app = at(page("predict"), ID)
    button(app, "Predict again with these inputs").click().run()
    assert not app.exception
    assert app.number_input(key="field-bed").value == 4
    assert app.selectbox(key="field-state").value == "Ohio"
    assert app.number_input(key="field-bath").value is None
    assert app.number_input(key="field-house_size").value is None
    assert app.selectbox(key="field-city").value is None
    assert "id" not in app.query_params


def test_an_answer_leads_to_its_page_and_back(desk: Desk) -> None:
    live(desk)
    log(desk, id=ID)
    desk.serving.beside = {"prediction_id": ID}  # type: ignore[attr-defined]
    app = ask(page("predict"))
    button(app, "Give feedback, or keep the link").click().run()
    assert app.query_params["id"] in (ID, [ID])
    assert ID in text(app)
    button(app, "All predictions").click().run()
    assert app.session_state["ask"] == "History"


def test_with_the_database_away_a_prediction_is_not_said_to_be_off_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(desk)
    waiting = at(page("predict"), ID)
    assert "not on record (yet)" in text(waiting)
    away(desk, monkeypatch)
    for app in (waiting.run(), at(page("predict"), ID)):
        said = text(app)
        assert "The database did not answer as it should" in said
        assert "This page refreshes automatically." in said
        assert "not on record" not in said


def test_what_is_not_on_record_yet_is_waited_for(desk: Desk) -> None:
    app = at(page("predict"), ID)
    assert "not on record (yet)" in text(app)
    log(desk, id=ID)
    app.run()
    assert "1,000 USD" in text(app)


@pytest.mark.parametrize("wrong", ["x", "3fa", "'; DROP TABLE predictions; --", f"{ID}0"])
def test_an_invalid_prediction_id_is_named_as_invalid(desk: Desk, wrong: str) -> None:
    assert "This is not a prediction id" in text(at(page("predict"), wrong))


def test_hostile_text_in_a_record_is_shown_inert(desk: Desk) -> None:
    live(desk)
    hostile = "<img src=x onerror=alert(1)> :red[x] [x](javascript:alert(1))"
    pushed = {"scale": "log", "baseline": 1.0, "fields": [{"field": "city", "effect": 0.5}]}
    log(desk, id=ID, inputs={"city": hostile}, answer={"contributions": pushed})
    app = at(page("predict"), ID)
    said = text(app)
    assert "](javascript" not in said
    assert ":red[" not in said
    figures = " ".join(str(chart.proto.spec) for chart in app.get("plotly_chart"))
    assert "<img" not in figures


# A file


def upload(app: AppTest, content: bytes, name: str = "rows.csv") -> AppTest:
    app.file_uploader(key="predict-file").set_value((name, content, "text/csv")).run()
    assert not app.exception, app.exception
    return app


def downloads(app: AppTest) -> list[str]:
    return [b.label for b in app.get("download_button")]


GOOD = b"bed,city\n3,=evil()\nmany,x\n4,b\n"


def test_a_file_is_previewed_with_its_rejected_rows_and_their_rules(desk: Desk) -> None:
    live(desk)
    app = upload(mode(page("predict"), "CSV file"), GOOD)
    assert [(m.label, m.value) for m in app.metric] == [
        ("Valid rows", "2"),
        ("Invalid rows", "1"),
    ]
    rejected = app.dataframe[0].value
    assert rejected["line"].tolist() == [3]
    assert rejected["why"].tolist() == ["bed: must be a number"]
    assert "Not in the file, so empty" in text(app)
    assert desk.serving.asked == []  # type: ignore[attr-defined]


def test_empty_rows_and_columns_that_are_left_aside_are_named(desk: Desk) -> None:
    live(desk)
    app = upload(mode(page("predict"), "CSV file"), b"bed,note,price\n3,a,1\n,,\n4,b,2\n")
    assert "The model takes no column note, price, and the file has no " in text(app)
    assert not app.metric
    app.checkbox[-1].check().run()
    assert app.metric[0].value == "2"
    said = text(app).replace("\\", "")
    assert "Ignored, because the model does not take them: note, price." in said
    assert "1 empty row left out: line 3." in said


def test_its_rows_are_predicted_and_kept_for_download(desk: Desk) -> None:
    live(desk)
    desk.serving.beside = {"low": 1.0, "high": 2.0}  # type: ignore[attr-defined]
    app = upload(mode(page("predict"), "CSV file"), GOOD)
    button(app, "Predict 2 rows").click().run()
    assert not app.exception
    assert desk.serving.asked == [{"bed": 3, "city": "=evil()"}, {"bed": 4, "city": "b"}]  # type: ignore[attr-defined]
    assert "2 rows predicted by version 3" in text(app)
    shown = app.dataframe[-1].value
    assert shown["prediction"].tolist() == [250_000.0] * 2
    app.run()
    assert "2 rows predicted" in text(app), "a rerun loses nothing"
    assert len(desk.serving.asked) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"PK\x03\x04", "Excel"),
     (b"price\n1\n", "no column price")],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_said_so(desk: Desk, content: bytes, says: str) -> None:
    live(desk)
    app = upload(mode(page("predict"), "CSV file"), content)
    assert says in text(app).replace("\\", "")
    assert [b.label for b in app.button if "rows" in b.label] == []


def test_when_serving_goes_away_half_way_what_was_answered_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(desk)
    monkeypatch.setattr("console.actions.predictions.PREDICTED_AT_ONCE", 2)
    ask_batch, lots = desk.serving.predict_batch, []

    def flaky(rows: Any, **_: Any) -> Any:
        lots.append(rows)
        if len(lots) == 2:
            raise ServingUnavailable("Serving did not answer.")
        return ask_batch(rows)

    monkeypatch.setattr(desk.serving, "predict_batch", flaky)
    app = upload(mode(page("predict"), "CSV file"), b"bed\n" + b"1\n" * 5)
    button(app, "Predict 5 rows").click().run()
    assert "The predictions so far are kept" in text(app).replace("\\", "")
    app.run()
    assert "2 of 5 rows are predicted" in text(app)
    button(app, "Continue with the remaining 3 rows").click().run()
    assert "5 rows predicted" in text(app)
    assert len(desk.serving.asked) == 5  # type: ignore[attr-defined]


def test_the_form_and_the_file_say_what_to_do_without_a_model(desk: Desk) -> None:
    app = mode(page("predict"), "CSV file")
    assert "No model is live yet" in text(app)
    assert "No predictions yet" in text(mode(app, "History"))


def test_with_serving_away_that_is_said_and_what_is_on_record_is_shown(desk: Desk) -> None:
    log(desk, id=ID)
    desk.serving.away = True  # type: ignore[attr-defined]
    app = page("predict")
    assert "Serving at nowhere did not answer" in text(app)
    assert "No model is live yet" not in text(app)
    app = mode(app, "History")
    assert "Serving" not in text(app)
    assert len(app.dataframe[0].value) == 1
    app = at(app, ID)
    assert "1,000 USD" in text(app)
    assert "Predict again with these inputs" not in [b.label for b in app.button]


# History


def test_history_is_paged_newest_first(desk: Desk) -> None:
    log(desk, 60)
    app = mode(page("predict"), "History")
    seen = app.dataframe[0].value["city"].tolist()
    while not button(app, "Older").disabled:
        button(app, "Older").click().run()
        assert not app.exception
        seen += app.dataframe[0].value["city"].tolist()
    assert seen == [f"Town {n}" for n in reversed(range(60))]
    button(app, "Newest").click().run()
    assert app.dataframe[0].value["city"].tolist()[0] == "Town 59"


def test_history_is_searched_by_id_version_time_and_value(desk: Desk) -> None:
    ids = log(desk, 40)
    app = mode(page("predict"), "History")
    app.text_input(key="starts").set_value(ids[7][:36]).run()
    assert app.dataframe[0].value["city"].tolist() == ["Town 7"]
    app.text_input(key="starts").set_value("").run()
    app.number_input(key="model").set_value(2).run()
    assert set(app.dataframe[0].value["Version"]) == {2}
    app.text_input(key="has").set_value("city=town 11").run()
    assert app.dataframe[0].value["Open"].tolist() == [f"predict?id={ids[11]}"]
    app.date_input(key="since").set_value(build.NOON.date() + timedelta(days=1)).run()
    assert "No prediction matches" in text(app)
    app.date_input(key="since").set_value(build.NOON.date()).run()
    app.date_input(key="until").set_value(build.NOON.date()).run()
    assert len(app.dataframe[0].value) == 1


def test_history_names_who_asked_and_is_searched_by_it(desk: Desk) -> None:
    log(desk, 1, caller="shop", id=ID)
    log(desk, 1, caller=None)
    app = mode(page("predict"), "History")
    assert sorted(app.dataframe[0].value["Caller"]) == ["", "shop"]
    app.text_input(key="caller").set_value("SHO").run()
    assert app.dataframe[0].value["Caller"].tolist() == ["shop"]
    assert ID in app.dataframe[0].value["Open"].tolist()[0]
    app.text_input(key="caller").set_value("nobody").run()
    assert "No prediction matches" in text(app)


def test_all_that_match_are_exported_not_only_the_page(desk: Desk) -> None:
    answer = {"low": 1.5, "high": 2.5}
    ids = log(desk, 60, answer=answer, caller="shop", prediction=1234.5678)
    traffic.say(desk.store, ids[0], 99.5)
    wanted = {"id_prefix": "", "value": "", "caller": "", "version": 1, "since": None,
              "until": None}  # fmt: skip
    content = history.exported(desk, **wanted).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["prediction_id"] for row in rows] == ids[-2::-2]
    last = rows[-1]
    assert (last["prediction_id"], last["caller"], last["actual"]) == (ids[0], "shop", "99.5")
    assert (last["prediction"], last["low"], last["high"]) == ("1234.5678", "1.5", "2.5")
    assert (last["model_version"], last["city"]) == ("1", "Town 0")
    app = mode(page("predict"), "History")
    assert downloads(app) == ["CSV"]


def test_an_export_reads_a_bounded_part_of_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(desk, 40)
    monkeypatch.setattr(prediction_log, "_AT_ONCE", 5)
    monkeypatch.setattr(prediction_log, "EXPORTED", 12)
    assert len(prediction_log.matching_predictions(desk)) == 12
    monkeypatch.setattr(prediction_log, "MOST_SEARCHED", 7)
    assert len(prediction_log.matching_predictions(desk)) == 10


def test_a_search_that_cannot_be_is_said_so(desk: Desk) -> None:
    app = mode(page("predict"), "History")
    app.text_input(key="starts").set_value("3f").run()
    assert "at least the first four" in text(app)
    app.text_input(key="starts").set_value("").run()
    app.query_params["before"] = "yesterday"
    app.run()
    assert "Start from the newest" in text(app)


def test_a_new_search_starts_from_the_newest(desk: Desk) -> None:
    log(desk, 60)
    app = mode(page("predict"), "History")
    button(app, "Older").click().run()
    app.text_input(key="has").set_value("Town 59").run()
    assert app.dataframe[0].value["city"].tolist() == ["Town 59"]


def test_the_results_file_is_inert(desk: Desk) -> None:
    from console.text import prediction_tables
    from console.text.csv_input import read_sheet
    from console.text.csv_output import inert_csv

    made = live(desk)
    sheet = read_sheet(b"bed,city\n3,=evil()\n99,b\n", made)
    answers = desk.serving.predict_batch([a.row for a in sheet.accepted])
    rows = list(
        csv.DictReader(
            io.StringIO(inert_csv(prediction_tables.result_rows(sheet.accepted, answers)))
        )
    )
    assert [r["city"] for r in rows] == ["'=evil()", "b"]
    assert [r["line"] for r in rows] == ["2", "3"]
    assert "does not occur" in rows[0]["warnings"]
    assert "Bedrooms 99 is outside" in rows[1]["warnings"]
    assert rows[0]["prediction_id"] == "p-1"


# Actual values


def test_the_actual_value_is_reported_on_the_predictions_own_page(desk: Desk) -> None:
    live(desk, version=1)
    (id_,) = log(desk, inputs={"bed": 900})
    app = page("predict", id=id_)
    assert "outside the usual range" in text(app)  # the warning stays
    assert "Nobody has reported the actual value yet" in text(app)
    button(app, "Save").click().run()
    assert "Enter the actual value first." in text(app)
    app.number_input(key="actual-value").set_value(1234.0).run()
    button(app, "Save").click().run()
    assert desk.serving.told == [(id_, 1234.0)]  # type: ignore[attr-defined]
    assert "Serving writes it to the record" in text(app)
    traffic.say(desk.store, id_, 1234.0)  # serving writes it
    app = page("predict", id=id_)
    assert "Reported: **1,234" in text(app)
    table = page("predict", ask="History").dataframe[0].value
    assert list(table["Actual"]) == [1234.0]
    assert "Range" in table
