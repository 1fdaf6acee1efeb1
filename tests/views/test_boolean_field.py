"""The form of a model that takes booleans and replaces empty values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.text.prediction import empty_words, value_words
from console.web.panels.predict.form import as_widget
from core.platform.dataset_file import load
from core.rules.model.unusual_values import usual_words
from tests.build import contract
from tests.views.desks import at_a_desk
from tests.views.test_pages import button, page

HOMES = load(Path(__file__).parent.parent / "datasets" / "homes.toml")
FIELDS = {f.name: f for f in contract(HOMES).fields}


def test_a_boolean_is_chosen_from_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with at_a_desk(tmp_path, HOMES, monkeypatch) as desk:
        about = {"version": 3, "contract": json.loads(contract(HOMES).to_json())}
        desk.serving.about = about  # type: ignore[attr-defined]
        app = page("predict")
        choice = app.selectbox(key="field-air")
        assert (choice.options, choice.value) == (["true", "false"], "true")
        choice.set_value("false")
        button(app, "Predict").click().run()
        assert not app.exception, app.exception
        assert desk.serving.asked[0]["air"] == "false"  # type: ignore[attr-defined]
        assert choice.label == "Air conditioning"


@pytest.mark.parametrize(
    ("given", "shown"),
    [(True, "true"), ("no", "false"), (1, "true"), ("maybe", None), (None, None)],
)
def test_a_recorded_boolean_fills_the_form(given: Any, shown: Any) -> None:
    assert as_widget(FIELDS["air"], given) == shown


def test_a_time_is_typed_in_iso_format() -> None:
    assert as_widget(FIELDS["listed"], "2026-11-28T10:00:00Z") == "2026-11-28T10:00:00Z"
    usual = "Usually 1970-01-01T00:00:01Z to 1970-01-01T00:00:03Z."
    assert usual_words(FIELDS["listed"]) == usual


def test_it_is_said_what_an_empty_field_means() -> None:
    assert empty_words(FIELDS["air"]) == "Optional."
    assert empty_words(FIELDS["cars"]) == "Optional; if empty, 0 is used."
    assert value_words(value=True) == "true"
