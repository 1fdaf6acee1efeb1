"""Comparisons on demand: two batches, or a batch and the training rows of a version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from console.cli.main import app as cli
from console.desk import Desk
from console.queries.comparison import compare, sides
from core.domain.errors import BadInput, Missing
from core.domain.profiles import ColumnProfile
from core.rules.data.profile import profile_number, profile_text
from tests.build import live, small_dataset, stored_batch
from tests.views.desks import at_a_desk, page, text


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, small_dataset(), monkeypatch) as made:
        yield made


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Three batches, the last one warmer and of other weather; version 1 has batch 1's rows."""
    for number, warmth in ((1, 0.0), (2, 0.0), (3, 100.0)):
        stored_batch(desk.store, number, profiles=rides(warmth))
    live(desk.store, 1)
    with desk.store.begin() as work:
        work.batches.add_profile("model", 1, work.batches.profile("batch", 1))
        work.commit()
    return desk


def rides(warmth: float) -> tuple[ColumnProfile, ...]:
    counts = np.arange(60, dtype=np.float64)
    return (
        profile_number("rides", 50.0 + counts % 7),
        profile_number("temperature", 10.0 + counts % 5 + warmth),
        profile_text("weather", {"snow" if warmth else "sun": 60}, 0),
    )


def test_any_two_batches_are_compared_in_either_direction(filled: Desk) -> None:
    there, back = compare(filled, "1/1", "1/3"), compare(filled, "1/3", "1/1")
    changes = {c.name: c.ratio for c in there.report.changes}
    assert changes["temperature_mean"] == pytest.approx(100 / 12, rel=1e-6)
    changes = {c.name: c.ratio for c in back.report.changes}
    assert changes["temperature_mean"] == pytest.approx(100 / 112, rel=1e-6)
    assert not compare(filled, "1/1", "1/2").report.retrain


def test_a_batch_is_compared_with_the_training_rows_of_a_version(filled: Desk) -> None:
    found = compare(filled, "version:1", "1/3")
    assert found.reference.name == "training rows of version 1"
    assert found.report.retrain
    assert [s.address for s in sides(filled)] == ["1/3", "1/2", "1/1", "version:1"]


@pytest.mark.parametrize(
    "wrong", ["", "3", "1/", "a/b", "version:", "version:x", "1/1;2", "\u0661/\u0662"]
)
def test_an_address_that_names_nothing_is_refused_with_the_forms_it_has(
    filled: Desk, wrong: str
) -> None:
    with pytest.raises(BadInput, match=r"2/3 for batch 3 of epoch 2"):
        compare(filled, "1/1", wrong)


def test_what_does_not_exist_is_named(filled: Desk) -> None:
    with pytest.raises(Missing, match="No batch 9 is stored in epoch 1"):
        compare(filled, "1/9", "1/1")
    with pytest.raises(Missing, match="7"):
        compare(filled, "version:7", "1/1")
    with pytest.raises(BadInput, match="two different sides"):
        compare(filled, "1/1", "1/1")


def test_the_page_compares_what_its_address_names(filled: Desk) -> None:
    told = text(page("drift", show="Compare", reference="version:1", current="1/3"))
    assert "Epoch 1, batch 3 against training rows of version 1" in told
    assert "no verdict follows from it" in told
    told = text(page("drift", show="Compare"))
    assert "Epoch 1, batch 3 against epoch 1, batch 2" in told


def test_the_page_says_what_a_wrong_address_names_and_what_is_needed_first(
    filled: Desk,
) -> None:
    app = page("drift", show="Compare", reference="1/9", current="1/3")
    assert "No batch 9 is stored in epoch 1" in text(app)


def test_without_two_sides_the_page_says_what_to_do(desk: Desk) -> None:
    assert "A comparison needs two stored batches" in text(page("drift", show="Compare"))


def test_the_command_line_prints_the_same_comparison(
    filled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data_dir", "database_url"):
        monkeypatch.setenv(name.upper(), str(getattr(filled.settings, name)))
    monkeypatch.setattr("console.desk.Desk.make", lambda *_: filled)
    ran = CliRunner().invoke(cli, ["compare", "1/1", "1/3"])
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith("epoch 1, batch 3 against epoch 1, batch 1: retrain")
    ran = CliRunner().invoke(cli, ["compare", "1/1", "1/3", "--json"])
    value = json.loads(ran.output)
    assert (value["reference"], value["current"]) == ("1/1", "1/3")
    assert value["report"]["retrain"] is True
    ran = CliRunner().invoke(cli, ["compare", "1/1", "nonsense"])
    assert ran.exit_code == 1
    assert "names nothing to compare" in ran.output
