"""Tests of pages leave the module `__main__` as it was; see `_own_main` of tests/conftest.py."""

from __future__ import annotations

import sys

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    st.write("a page")


def test_a_page_under_test_becomes_the_main_module() -> None:
    main = sys.modules["__main__"]
    AppTest.from_function(page).run()
    assert sys.modules["__main__"] is not main


def test_the_next_test_has_the_main_module_of_the_process() -> None:
    assert sys.modules["__main__"].__name__ == "__main__"
    assert not str(getattr(sys.modules["__main__"], "__file__", "")).startswith("/tmp")
