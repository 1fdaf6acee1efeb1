"""What is typed into the header's field: the beginning of one page's name, or a search."""

from __future__ import annotations

import pytest

from console.web.go_to import page_of

PAGES = ["overview", "pipeline", "predict", "promotion", "services"]


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("o", "overview"), ("Prom", "promotion"), (" predict ", "predict"),
        ("SERVICES", "services"),
        ("p", "search"), ("pr", "search"), ("version 3", "search"), ("", "search"),
        ("  ", "search"),
    ],
)  # fmt: skip
def test_a_beginning_that_only_one_page_has_names_it(text: str, page: str) -> None:
    assert page_of(text, PAGES) == page
