"""The query parameters of pages: no two pages may use the same one."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.stacks import ROOT


def bound() -> dict[str, set[str]]:
    """Each query parameter bound to a widget, with its files."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "console").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            told = {k.arg: k.value for k in call.keywords}
            bind, key = told.get("bind"), told.get("key")
            if isinstance(bind, ast.Constant) and isinstance(key, ast.Constant):
                found[str(key.value)].add(str(file.relative_to(ROOT)))
    return found


def noted() -> dict[str, set[str]]:
    """Each query parameter that a page sets itself, with its files."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "console").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Attribute)
                and node.value.attr == "query_params"
                and isinstance(node.slice, ast.Constant)
            ):
                found[str(node.slice.value)].add(str(file.relative_to(ROOT)))
    return found


def test_no_two_pages_keep_the_same_word_in_their_addresses() -> None:
    """Streamlit carries a widget's value over to the next page's widget of the same key.

    It then writes that into the address while the page changes: the word leaks, and Back has to be
    pressed once more for each.
    """
    words = bound()
    assert {"tab", "evidence", "show", "look"} <= set(words)  # the scan finds what there is
    assert {word: files for word, files in words.items() if len(files) > 1} == {}


def test_no_widget_keeps_a_word_that_pages_write_themselves() -> None:
    assert set(bound()) & {*noted(), "version", "id"} == set()
