"""What is typed into the header's field: the beginning of one page's name, or a search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.desk import Desk
from console.web.go_to import page_of
from core.domain.dataset import Dataset
from tests.build import live, stored_batch
from tests.views.desks import at_a_desk, page

PAGES = ["overview", "pipeline", "predict", "promotion", "services"]


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("o", "overview"), ("Prom", "promotion"), (" predict ", "predict"),
        ("SERVICES", "services"),
        ("p", "search"), ("pr", "search"), ("version 3", "search"), ("", "search"),
        ("  ", "search"),
    ],
)  # fmt: skip
def test_a_beginning_that_only_one_page_has_names_it(text: str, shown: str) -> None:
    assert page_of(text, PAGES) == shown


@pytest.mark.parametrize(
    ("text", "title"),
    [("version 1", "Promotion"), ("batch 1/1", "Pipeline"), ("job 77", "Search"), ("1", "Search")],
)
def test_the_only_hit_is_opened_and_several_are_listed(desk: Desk, text: str, title: str) -> None:
    live(desk.store, 1)
    stored_batch(desk.store, 1)
    app = page("overview")
    app.text_input(key="header-search").input(text).run()
    assert not app.exception
    assert app.title[0].value == title
