"""The datasets of a desk as lines of text: what they need, what they cost, what a search found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from console.text import formatting
from core.domain.fleet import Cost, Hit, NewestBatch
from core.rules.drift.batch_verdict import Stand
from core.rules.ops.fleet_state import Line, State

_WIDTH = 80
_LONGEST_NAME = 18
_HEAD = ("dataset", "state", "live", "last batch", "verdict", "next run")
_SHOWN_NEEDS = 3
_VERDICTS = {
    Stand.UNCOMPARED: "uncompared",
    Stand.CALM: "fine",
    Stand.ASKS: "retrain",
    Stand.BROKEN: "broken",
    Stand.LEARNED: "learned",
    Stand.UNFIT: "unfit",
    Stand.DOUBTFUL: "doubtful",
    Stand.ROLLED_BACK: "taken back",
}
"""Shorter words, where the verdict's own are too long for the column."""


def headline(lines: Sequence[Line]) -> str:
    """How many datasets need somebody, and how many have no data yet; empty if that is no news."""
    of_all = formatting.count(len(lines), "dataset")
    waiting = sum(line.needs_somebody for line in lines)
    new = sum(line.state is State.EMPTY for line in lines)
    sentences = []
    if waiting:
        sentences = [f"{waiting} of {of_all} {'needs' if waiting == 1 else 'need'} somebody."]
    elif len(lines) > max(new, 1):
        sentences = ["Nobody is needed."]
    if new:
        sentences.append(f"{new} of {of_all} {'has' if new == 1 else 'have'} no data yet.")
    return " ".join(sentences)


def status_lines(lines: Sequence[Line], now: datetime) -> list[str]:
    """A row for each dataset, and below it what needs somebody; at most 80 columns."""
    rows = [_HEAD, *(_row(line, now) for line in lines)]
    names = [row[0] for row in rows if len(row[0]) <= _LONGEST_NAME]
    first = max(map(len, names))
    widths = [first, *(max(len(row[i]) for row in rows) for i in range(1, len(_HEAD)))]
    shown = [*_aligned(_HEAD, widths)]
    for line, row in zip(lines, rows[1:], strict=True):
        shown += [*_aligned(row, widths), *(_cut(f"  -> {said}") for said in _said(line))]
    return shown


def _row(line: Line, now: datetime) -> tuple[str, ...]:
    facts = line.facts
    if facts is None:
        return (line.name, line.state.value, "-", "-", "-", "-")
    verdict = "-" if line.verdict is None else _VERDICTS.get(Stand(line.verdict), line.verdict)
    run = formatting.ahead(facts.next_run_at, now) if facts.next_run_at else "-"
    live = str(facts.live_version or "-")
    return (line.name, line.state.value, live, _batch(facts.newest_batch, now), verdict, run)


def _batch(batch: NewestBatch | None, now: datetime) -> str:
    """As it is named elsewhere: epoch/number, and when it came."""
    if batch is None:
        return "-"
    number = "?" if batch.number is None else batch.number
    return f"{batch.epoch}/{number}, {formatting.ago(batch.received_at, now)}"


def _said(line: Line) -> list[str]:
    titles = [need.title for need in line.needs]
    more = len(titles) - _SHOWN_NEEDS
    said = [line.reason] if line.reason else []
    return [*said, *titles[:_SHOWN_NEEDS], *([f"and {more} more"] if more > 0 else [])]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """A row in columns; a name that is too long stands on a line of its own."""
    cells = list(row)
    if len(cells[0]) > widths[0]:
        yield cells[0]
        cells[0] = ""
    yield _cut("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)))


def _cut(text: str) -> str:
    text = " ".join(text.splitlines()).rstrip()
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def cost_lines(costs: Iterable[Cost]) -> list[str]:
    """A row for each dataset: rows, megabytes received, predictions, seconds of work by job."""
    rows = [("dataset", "rows", "MB received", "predictions", "seconds of work")]
    rows += [
        (c.dataset, f"{c.rows:,}", f"{c.bytes / 1e6:,.1f}", f"{c.predictions:,}", _seconds(c))
        for c in costs
    ]
    first, *others = (max(len(row[i]) for row in rows) for i in range(4))
    return [
        f"{row[0]:<{first}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:4], others, strict=True))
        + f"  {row[4]}"
        for row in rows
    ]


def _seconds(cost: Cost) -> str:
    parts = ", ".join(f"{kind} {seconds:,.0f}" for kind, seconds in cost.seconds.items())
    total = sum(cost.seconds.values())
    return f"{total:,.0f}" + (f" ({parts})" if parts else "")


def hit_lines(hits: Sequence[Hit]) -> list[str]:
    """A row for each thing that was found: what, of which dataset, its title, state and time."""
    if not hits:
        return ["Nothing was found."]
    widths = [max(len(text) for text in column) for column in zip(*map(_hit, hits), strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" for cell, width in zip(_hit(hit), widths, strict=True)
        ).rstrip()
        for hit in hits
    ]


def _hit(hit: Hit) -> tuple[str, ...]:
    at = f"{hit.at:%Y-%m-%d %H:%M} UTC" if hit.at else ""
    return (hit.kind, hit.dataset, hit.ref, hit.title, hit.state, at)
