"""The fleet as a table: a line for each dataset, whose cells link to the pages for them.

HTML, because the cells of Streamlit's tables link to one page each, in a new tab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape

from console.text import formatting
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.fleet import FleetFacts, NewestBatch
from core.domain.metrics import ERROR_OF
from core.domain.safe_text import printable
from core.domain.sources import UploadSource
from core.rules.ops.fleet_state import Line, State

Address = Callable[[str, str, Mapping[str, str]], str]
"""The address of a page: dataset, page, parameters."""

_HEADINGS = ("Dataset", "Needs", "Live", "Last batch", "Verdict", "Error by batch", "Next run")
_TONES = {
    State.WRONG: "red", State.ALERT: "red", State.PENDING: "orange", State.WORKING: "blue",
    State.QUIET: "green",
}  # fmt: skip


def table(
    lines: Sequence[Line], datasets: Mapping[str, Dataset], now: datetime, address: Address
) -> str:
    """The table of these lines."""
    heads = "".join(f'<th scope="col">{name}</th>' for name in _HEADINGS)
    rows = "".join(_row(line, datasets.get(line.name), now, address) for line in lines)
    return f'<table class="fleet"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _row(line: Line, dataset: Dataset | None, now: datetime, address: Address) -> str:
    if line.facts is None or dataset is None:
        reason = f'<span class="reason">{_text(line.reason)}</span>'
        name = f"<strong>{_text(line.title)}</strong>"
        return f'<tr class="is-red"><td>{name}</td>{_cell("Needs", _badge(line) + reason, 6)}</tr>'

    def link(text: str, page: str, query: Mapping[str, str] | None = None, kind: str = "") -> str:
        look = f' class="{kind}"' if kind else ""
        return f'<a href="{escape(address(line.name, page, query or {}))}"{look}>{text}</a>'

    facts = line.facts
    title = link(f"<strong>{_text(line.title)}</strong>", "overview")
    cells = [
        f"<td>{title}<small>{_text(line.name)}</small></td>",
        _cell("Needs", _badge(line) + _needs(line, dataset, link)),
        _cell("Live", _live(facts, now, link)),
        _cell("Last batch", _batch(facts.newest_batch, now, link)),
        _cell("Verdict", _verdict(line, link)),
        _cell("Error by batch", _errors(line.errors, dataset, link)),
        _cell("Next run", _next_run(facts, now, link)),
    ]
    return f'<tr class="is-{_TONES.get(line.state, "gray")}">{"".join(cells)}</tr>'


Link = Callable[..., str]


def _cell(label: str, content: str, span: int = 1) -> str:
    over = f' colspan="{span}"' if span > 1 else ""
    return f'<td data-label="{label}"{over}>{content}</td>'


def _badge(line: Line) -> str:
    return f'<span class="badge {_TONES.get(line.state, "gray")}">{line.state.value}</span>'


def _needs(line: Line, dataset: Dataset, link: Link) -> str:
    if line.reason:
        return f'<span class="reason">{_text(line.reason)}</span>'
    if line.state is State.EMPTY:
        act = "Upload" if isinstance(dataset.source, UploadSource) else "Ingest"
        return link(f"{act} the first batch", "pipeline")
    if not line.needs:
        open_jobs = sum(line.facts.open_jobs.values()) if line.facts else 0
        return link(formatting.count(open_jobs, "open job"), "pipeline") if open_jobs else ""
    first, more = line.needs[0], len(line.needs) - 1
    said = link(_text(first.title), first.page, first.query)
    return said + (link(f"and {more} more", "overview", None, "more") if more else "")


def _live(facts: FleetFacts, now: datetime, link: Link) -> str:
    if facts.live_version is None:
        return _none("none")
    version = link(f"version {facts.live_version}", "promotion", {"version": facts.live_version})
    return version + _small(formatting.ago(facts.live_since, now) if facts.live_since else "")


def _batch(batch: NewestBatch | None, now: datetime, link: Link) -> str:
    if batch is None:
        return _none("none")
    if batch.number is None:
        named = link("a batch", "pipeline", {"view": "Batches"})
    else:
        place = f"{batch.epoch}/{batch.number}"
        named = link(f"batch {batch.number}", "pipeline", {"batch": place})
    state = "" if batch.state is BatchState.STORED else f"{formatting.STATES[batch.state][1]}, "
    return named + _small(state + formatting.ago(batch.received_at, now))


def _verdict(line: Line, link: Link) -> str:
    if line.verdict is None:
        return _none("no batch")
    kind = "asks" if line.waits else ""
    number = line.judged.rpartition("/")[2]
    return link(line.verdict, "drift", {"batch": line.judged}, kind) + _small(f"batch {number}")


def _errors(errors: Sequence[float], dataset: Dataset, link: Link) -> str:
    """The errors as bars from zero, and the newest in figures."""
    if not errors:
        return _none("unknown")
    highest = max(errors) or 1.0
    bars = "".join(f'<i style="height:{max(error / highest, 0.04):.0%}"></i>' for error in errors)
    metric, unit = ERROR_OF[dataset.task], dataset.target.unit
    newest = formatting.metric(metric, errors[-1], unit)
    oldest = formatting.metric(metric, errors[0], unit)
    says = f"Error of the live version on its last {formatting.count(len(errors), 'batch')}"
    says = _text(f"{says}: from {oldest} to {newest}")
    chart = f'<span class="bars" role="img" aria-label="{says}" title="{says}">{bars}</span>'
    return link(chart, "overview") + _small(newest)


def _next_run(facts: FleetFacts, now: datetime, link: Link) -> str:
    if facts.next_run_at is None:
        return _none("none")
    return link(formatting.ahead(facts.next_run_at, now), "pipeline", {"view": "Schedule"})


def _none(text: str) -> str:
    return f'<span class="none">{text}</span>'


def _small(text: str) -> str:
    return f"<small>{_text(text)}</small>" if text else ""


def _text(text: str) -> str:
    return escape(printable(text))
