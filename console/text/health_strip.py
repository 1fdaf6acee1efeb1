"""The health of the live model in a few facts, for the top of the Overview page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from console.text import formatting
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.metrics import ERROR_OF, error_in
from core.domain.promotions import Promotion
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import BatchScore
from core.rules.model.feedback_error import Bucket
from core.rules.ops import live_alerts


class Tone(StrEnum):
    """How a fact is meant; the value is its colour."""

    GOOD = "green"
    BAD = "red"
    OPEN = "orange"
    NEUTRAL = "gray"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: its name, its value, and a remark."""

    name: str
    value: str
    note: str
    tone: Tone = Tone.NEUTRAL


def newest_error(
    approved: float | None,
    score: BatchScore | None,
    batch: Batch | None,
    dataset: Dataset,
    *,
    is_newest: bool = True,
) -> Fact:
    """The live model's error on the newest batch that has one, against that of its approval."""
    name = "Error on the newest batch" if is_newest else "Error on its newest scored batch"
    now = error_in(score.metrics) if score else None
    if score is None or batch is None or now is None:
        return Fact(name, "unknown", "The live model has not been scored on a batch yet.")
    alert = live_alerts.batch_error(approved, score, batch.number or 0, dataset)
    rows = formatting.count(score.rows, "held-out row")
    note = f"batch {batch.epoch}/{batch.number}, {rows}; {_times(now, approved, dataset)}"
    tone = Tone.BAD if alert else _tone(now, approved, score.rows)
    return Fact(name, _amount(now, dataset), note, tone)


def from_feedback(
    approved: float | None, live: Bucket | None, dataset: Dataset, reported: int = 0
) -> Fact:
    """The live model's error from reported actual values, against that of its approval.

    `reported` is the number of predictions of any version that have an actual value.
    """
    name = "Error from feedback"
    if live is None:
        note = "No actual value has been reported."
        if reported:
            many = formatting.count(reported, "actual value")
            note = f"None for the live version yet; {many} for others."
        return Fact(name, "unknown", note)
    alert = live_alerts.feedback_error(approved, live, dataset)
    note = f"{formatting.count(live.count, 'answer')}; {_times(live.error, approved, dataset)}"
    tone = Tone.BAD if alert else _tone(live.error, approved, live.count)
    if not live_alerts.says_something(live.count):
        note += "; too few to judge"
    return Fact(name, _amount(live.error, dataset), note, tone)


def traffic(window: Window | None, live: Promotion | None) -> Fact:
    """Whether the requests look like the live model's training rows."""
    name = "Live traffic"
    if live is None or window is None or window.version != live.version:
        return Fact(name, "unknown", "Too few requests for a comparison with the live model.")
    note = f"newest window, {formatting.count(window.rows, 'request')}"
    if live_alerts.traffic(window, live.version):
        return Fact(name, "drifted", note, Tone.BAD)
    if window.drifted:
        return Fact(name, "could be noise", note, Tone.OPEN)
    return Fact(name, "no drift", note, Tone.GOOD)


_STANDS = {
    Stand.ASKS: Tone.OPEN,
    Stand.BROKEN: Tone.BAD,
    Stand.HELD: Tone.OPEN,
    Stand.UNFIT: Tone.OPEN,
    Stand.DOUBTFUL: Tone.OPEN,
    Stand.ROLLED_BACK: Tone.OPEN,
    Stand.UNCOMPARED: Tone.NEUTRAL,
}


def newest_batch(verdict: BatchVerdict | None) -> Fact:
    """The standing of the newest compared batch."""
    name = "Newest batch"
    if verdict is None:
        return Fact(name, "none", "No batch has been compared.")
    tone = _STANDS.get(verdict.stand, Tone.GOOD)
    return Fact(name, f"batch {verdict.epoch}/{verdict.number}", verdict.stand.value, tone)


def workers(states: Sequence[str]) -> Fact:
    """The living workers, by what they do; `states` has busy, idle, silent or dead for each."""
    alive = [state for state in states if state in ("busy", "idle")]
    dead = len(states) - len(alive)
    counts = [f"{alive.count(state)} {state}" for state in ("busy", "idle") if state in alive]
    note = f"{dead} without a heartbeat" if dead else "all with a heartbeat"
    if not alive:
        return Fact("Workers", "none", "No job runs until one is started.", Tone.BAD)
    return Fact("Workers", ", ".join(counts), note, Tone.OPEN if dead else Tone.GOOD)


def _tone(now: float, approved: float | None, rows: int) -> Tone:
    """How an error is meant that no alert is about."""
    if approved is None or not live_alerts.says_something(rows):
        return Tone.NEUTRAL
    return Tone.OPEN if live_alerts.is_raised(approved, now) else Tone.GOOD


def _amount(value: float, dataset: Dataset) -> str:
    return formatting.metric(ERROR_OF[dataset.task], value, dataset.target.unit)


def _times(now: float, approved: float | None, dataset: Dataset) -> str:
    if not approved:
        return "approved without an error on record"
    if f"{now / approved:.3g}" == "1":
        return f"as approved: {_amount(approved, dataset)}"
    return f"{now / approved:.3g} times the approved {_amount(approved, dataset)}"
