"""Scores of versions on batches that are newer than all their training batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.desk import Desk
from console.text.deciding_figures import Newest
from core.adapters.store import Work
from core.domain.dataset import Dataset
from core.domain.forward_scores import ForwardScore
from core.rules.model.forward_scores import MOST_BATCHES, NONE_NEWER, compared, coverage


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """One batch: epoch, number, and the scores of the version and of the other one, if any."""

    epoch: int
    number: int
    own: ForwardScore
    other: ForwardScore | None

    @property
    def name(self) -> str:
        """The batch's short name, such as 1/5."""
        return f"{self.epoch}/{self.number}"


@dataclass(frozen=True, slots=True)
class ForwardReport:
    """A version on newer batches, oldest first.

    `other` is the version that it is compared with. `says` compares both on the newest batch that
    is newer than both, or says that there is none; empty without another version. `coverage`
    compares the coverage of its prediction intervals or sets on the newest batch with that at its
    evaluation; empty if it is unknown.
    """

    version: int
    other: int | None
    rows: tuple[ForwardRow, ...]
    says: str
    coverage: str

    @property
    def scored(self) -> tuple[ForwardRow, ...]:
        """The batches that the version has metrics on."""
        return tuple(row for row in self.rows if row.own.metrics)

    @property
    def newest_of_both(self) -> Newest | None:
        """The newest batch that both versions have metrics on."""
        for row in reversed(self.scored):
            if row.other and row.other.metrics:
                return Newest(row.name, row.own, row.other)
        return None

    @property
    def note(self) -> str:
        """Why the newest batch has no score; empty if it has one."""
        return self.rows[-1].own.note if self.rows else ""


def forward_report(desk: Desk, version: int, other: int | None = None) -> ForwardReport:
    """A version's forward scores on the newest batches, with those of another: by default the live.

    Raises:
        Missing: the version was never proposed.
        StoreUnavailable: the database is unreachable.
    """
    with desk.store.read() as work:
        dossier = work.promotions.of_version(version).dossier
        other = work.promotions.live_version() if other is None else other
        return _report(work, version, other, dossier.coverage if dossier else None, desk)


def _report(
    work: Work, version: int, other: int | None, approved: float | None, desk: Desk
) -> ForwardReport:
    dataset = desk.dataset
    own = _of_task(work.forward_scores.latest(version, MOST_BATCHES), dataset)
    ids = [score.batch_id for score in own]
    beside = work.forward_scores.of([other], ids) if other not in (None, version) else []
    beside = _of_task(beside, dataset)
    theirs = {score.batch_id: score for score in beside}
    rows = []
    for score in own:
        batch = work.batches.get(score.batch_id)
        rows.append(ForwardRow(batch.epoch, batch.number or 0, score, theirs.get(score.batch_id)))
    scored = [row for row in rows if row.own.metrics]
    both = [row.name for row in scored if row.other and row.other.metrics]
    says = ""
    if other is not None and other != version:
        says = compared(own, beside, dataset.primary_metric, both[-1] if both else "")
        none = NONE_NEWER.format(version, other)
        says = says or f"{none[0].upper()}{none[1:]}."
    covers = ""
    if scored:
        last = scored[-1]
        covers = coverage(dataset.task, approved, last.own.coverage, last.name)
    return ForwardReport(version, other, tuple(rows), says, covers)


def _of_task(scores: Sequence[ForwardScore], dataset: Dataset) -> list[ForwardScore]:
    """Those that can be told today: the dataset file may have had another task before."""
    return [s for s in scores if not s.metrics or dataset.primary_metric in s.metrics]
