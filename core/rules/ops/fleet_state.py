"""What each dataset of a desk needs, and which comes first. Pure.

It follows from a few facts about each dataset, so that fifty cost about what five do. The Overview
of a dataset knows more, such as the reasons of each verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.dataset import Dataset
from core.domain.drift import RetrainWhen, breach_reasons
from core.domain.fleet import FleetFacts, KnownDataset, NewestReport
from core.domain.metrics import error_in
from core.rules.drift.recommendation import BatchScore, Recommendation
from core.rules.ops.live_alerts import batch_error


class State(StrEnum):
    """The state of a dataset in a word; the first is the most urgent."""

    WRONG = "wrong file"
    ALERT = "alert"
    PENDING = "pending"
    WORKING = "working"
    QUIET = "quiet"
    EMPTY = "no data yet"
    DISABLED = "disabled"


_RANK = {State.WRONG: 0, State.ALERT: 0, State.PENDING: 1, State.DISABLED: 3}
_QUIET = 2
"""Where no person is needed, the order is that of the names; disabled datasets come last."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs a person, and the page for it; `urgent` ones are alerts."""

    title: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict)
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One dataset: its state, and what needs somebody, the most important first.

    Of a file that cannot be used `name` is the file's, and there are no `facts`; `reason` says why,
    or why the dataset is disabled. `errors` are those of the live version on its last batches,
    oldest first. `verdict` is that about the newest compared batch, None without one; `asks` says
    whether it requires retraining.
    """

    name: str
    title: str
    state: State
    needs: tuple[Need, ...] = ()
    facts: FleetFacts | None = None
    reason: str = ""
    errors: tuple[float, ...] = ()
    verdict: str | None = None
    asks: bool = False

    @property
    def needs_somebody(self) -> bool:
        """Whether a person has something to do."""
        return self.state in (State.WRONG, State.ALERT, State.PENDING)


def line(dataset: Dataset, facts: FleetFacts, known: KnownDataset | None = None) -> Line:
    """The line of a dataset; `known` is what the desk has on record about it."""
    needs = tuple(sorted(_needs(dataset, facts), key=lambda need: not need.urgent))
    errors = tuple(e for score in facts.errors if (e := error_in(score.metrics)) is not None)
    disabled = known is not None and known.is_disabled
    return Line(
        dataset.name,
        dataset.title,
        State.DISABLED if disabled else _state(facts, needs),
        () if disabled else needs,
        facts,
        f"{known.disabled_by} disabled it: {known.reason}" if known and disabled else "",
        errors,
        _verdict(dataset, facts.drift),
        asks(dataset, facts.drift),
    )


def wrong(file: str, problem: str) -> Line:
    """The line of a dataset file that cannot be used."""
    return Line(file, file, State.WRONG, reason=problem)


def ordered(lines: Iterable[Line]) -> list[Line]:
    """Those that need somebody first, the urgent ones at the top; then by name."""
    return sorted(lines, key=lambda line: (_RANK.get(line.state, _QUIET), line.name))


def matching(lines: Iterable[Line], states: Collection[str] = (), text: str = "") -> list[Line]:
    """The lines in one of these states, of all without any, that have every word of the text."""
    words = text.casefold().split()
    return [
        line
        for line in lines
        if (not states or line.state in states)
        and all(word in f"{line.name} {line.title}".casefold() for word in words)
    ]


def _state(facts: FleetFacts, needs: tuple[Need, ...]) -> State:
    if needs:
        return State.ALERT if needs[0].urgent else State.PENDING
    if facts.open_jobs:
        return State.WORKING
    is_empty = facts.newest_batch is None and facts.live_version is None
    return State.EMPTY if is_empty else State.QUIET


def _needs(dataset: Dataset, facts: FleetFacts) -> Iterable[Need]:
    """What needs somebody, in the order of importance, apart from urgency."""
    yield from _errors(dataset, facts)
    for job in facts.failed_jobs:
        query = {"job": str(job.id)}
        yield Need(f"The last {job.kind.value} job failed", "pipeline", query, urgent=True)
    if facts.refusals:
        yield Need("Serving refuses the live version", "services", urgent=True)
    if facts.undelivered:
        yield Need("A notification was not delivered", "services", urgent=True)
    if facts.force_requests:
        yield Need(_many(facts.force_requests, "force", "awaits", "await") + " a second approver",
                   "promotion", urgent=False)  # fmt: skip
    for candidate in sorted(facts.candidates, key=lambda c: (not c.recommended, -c.version)):
        said = "recommended" if candidate.recommended else "not recommended"
        title = f"Version {candidate.version} awaits approval ({said})"
        yield Need(title, "promotion", {"version": str(candidate.version)})
    if asks(dataset, facts.drift) and facts.drift:
        query = {"batch": f"{facts.drift.epoch}/{facts.drift.batch_number}"}
        yield Need(f"Batch {facts.drift.batch_number}: retraining recommended", "drift", query)
    if facts.held_batches:
        title = _many(facts.held_batches, "held batch", "waits", "wait", plural="held batches")
        yield Need(f"{title} to be released", "pipeline", {"view": "Batches"})
    if facts.follow_ups:
        title = _many(facts.follow_ups, "follow-up", "is", "are")
        yield Need(f"{title} open", "promotion", {"tab": "Follow-ups"})


def _errors(dataset: Dataset, facts: FleetFacts) -> Iterable[Need]:
    """The newest error far above the approved one that nobody has seen; see `live_alerts`."""
    approved = error_in(facts.approved)
    for on in reversed(facts.errors):
        score = BatchScore(
            on.batch_id, facts.live_version or 0, on.rows, dict(on.metrics), on.spread
        )
        alert = batch_error(approved, score, on.number, dataset)
        if alert and not on.seen:
            yield Need(alert.title, "drift", {"batch": f"{on.epoch}/{on.number}"}, urgent=True)
            return


def asks(dataset: Dataset, report: NewestReport | None) -> bool:
    """Whether the finding that decides (`retrain_when`) asks for an answer about a batch."""
    return report is not None and not report.answered and _found(dataset, report)


def _found(dataset: Dataset, report: NewestReport) -> bool:
    if dataset.retrain_when is RetrainWhen.RECOMMENDATION and report.recommendation:
        return report.recommendation != Recommendation.IGNORE.value
    if dataset.retrain_when is RetrainWhen.RULE:
        return report.retrain
    return any(not reason.could_be_noise for reason in breach_reasons(report))


def _verdict(dataset: Dataset, report: NewestReport | None) -> str | None:
    if report is None:
        return None
    if not _found(dataset, report):
        return "no retraining needed"
    return "answered" if report.answered else "retraining recommended"


def _many(number: int, noun: str, one: str, more: str, plural: str = "") -> str:
    return f"1 {noun} {one}" if number == 1 else f"{number} {plural or noun + 's'} {more}"
