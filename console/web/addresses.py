"""Addresses of the console's pages: the one place that puts their dataset in them.

A desk with one dataset has none in its addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote, urlencode

import streamlit as st

from console.web import session
from console.web.page_state import DATASET

_FIRST = "overview"
"""The page that a desk with one dataset opens with."""


def query(parameters: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """The parameters of a link to a page of this page's dataset."""
    return {**_named(session.dataset_name()), **(parameters or {})} or None


def kept(address: str) -> str:
    """A relative address such as `drift?batch=1/3`, for this page's dataset."""
    page, _, parameters = address.partition("?")
    named = urlencode(_named(session.dataset_name()))
    joined = "&".join(part for part in (named, parameters) if part)
    return f"{page}?{joined}" if joined else page


def of(dataset: str, page: str = _FIRST, parameters: Mapping[str, str] | None = None) -> str:
    """The path of a page of a dataset; "" is a page about all of them.

    A browser that follows it reloads the page, so that nothing of another dataset stays in the
    tab.
    """
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    is_root = page == "fleet" or (page == _FIRST and not session.has_several())
    told = urlencode({**_named(dataset), **(parameters or {})}, quote_via=quote, safe="/:")
    path = f"/{base}/" if base else "/"
    path += "" if is_root else page
    return f"{path}?{told}" if told else path


def anchor(text: str, address: str, kind: str = "") -> str:
    """A link as HTML."""
    look = f' class="{escape(kind)}"' if kind else ""
    return f'<a href="{escape(address)}"{look}>{escape(text)}</a>'


def _named(dataset: str) -> dict[str, str]:
    return {DATASET: dataset} if dataset and session.has_several() else {}
