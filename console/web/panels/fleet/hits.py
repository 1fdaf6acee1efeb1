"""The hits of a search as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from console.web import addresses, html_table
from core.domain.fleet import Hit
from core.domain.safe_text import printable
from core.domain.subject import subject_of

_PAGES = {
    "dataset": ("overview", ""),
    "version": ("promotion", "version"),
    "job": ("pipeline", "job"),
    "prediction": ("predict", "id"),
    "epoch": ("pipeline", "epoch"),
}
"""The page of each kind of hit, and the parameter that names it there."""


def listing(hits: Sequence[Hit], titles: Mapping[str, str], now: datetime) -> str:
    """The hits as a table in HTML; `titles` of datasets by name, none on a desk with one."""
    heads = ("Kind", "Found", "State", "When", *(("Dataset",) if titles else ()))
    rows = "".join(_row(hit, titles, now) for hit in hits)
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return f'<table class="fleet hits"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def place(hit: Hit) -> tuple[str, dict[str, str]]:
    """The page of what was found, and the parameters of its address."""
    if hit.kind == "batch":
        named = subject_of(hit.title.partition(" (")[0])
        if named and named.epoch is not None:
            return "pipeline", {"batch": f"{named.epoch}/{named.number}"}
        return "audit", {"part": "Lineage", "follow": f"batch-id:{hit.ref}"}  # it has no number
    page, parameter = _PAGES[hit.kind]
    query = {parameter: hit.ref} if parameter else {}
    return page, {"view": "Batches", **query} if hit.kind == "epoch" else query


def _row(hit: Hit, titles: Mapping[str, str], now: datetime) -> str:
    address = addresses.of(hit.dataset, *place(hit))
    title = f'<a href="{escape(address)}">{escape(printable(hit.title))}</a>'
    when = html_table.time(hit.at, now) if hit.at else ""
    cells = [("Kind", hit.kind), ("Found", title), ("State", escape(hit.state)), ("When", when)]
    if titles:
        cells.append(("Dataset", escape(printable(titles.get(hit.dataset, hit.dataset)))))
    return "<tr>" + "".join(f'<td data-label="{n}">{text}</td>' for n, text in cells) + "</tr>"
