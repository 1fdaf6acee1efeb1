"""Scores of versions on batches that are newer than all their training batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.desk import Desk
from core.adapters.store import Work
from core.domain.dataset import Dataset
from core.domain.forward_scores import ForwardScore
from core.rules.model.forward_scores import MOST_BATCHES, compared, coverage


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """One batch: epoch, number, and the scores of the version and of the live one, if any."""

    epoch: int
    number: int
    own: ForwardScore
    live: ForwardScore | None


@dataclass(frozen=True, slots=True)
class ForwardReport:
    """A version on newer batches, oldest first.

    `says` compares it with the live version on the newest batch that is newer than both; empty
    without another live version. `coverage` compares the coverage of its prediction intervals or
    sets on the newest batch with that at its evaluation; empty if it is unknown.
    """

    version: int
    live: int | None
    rows: tuple[ForwardRow, ...]
    says: str
    coverage: str

    @property
    def scored(self) -> tuple[ForwardRow, ...]:
        """The batches that the version has metrics on."""
        return tuple(row for row in self.rows if row.own.metrics)

    @property
    def note(self) -> str:
        """Why the newest batch has no score; empty if it has one."""
        return self.rows[-1].own.note if self.rows else ""


def forward_report(desk: Desk, version: int) -> ForwardReport:
    """A version's forward scores on the newest batches, with those of the live version.

    Raises:
        Missing: the version was never proposed.
        StoreUnavailable: the database is unreachable.
    """
    with desk.store.read() as work:
        dossier = work.promotions.of_version(version).dossier
        return _report(work, version, dossier.coverage if dossier else None, desk)


def _report(work: Work, version: int, approved: float | None, desk: Desk) -> ForwardReport:
    dataset = desk.dataset
    own = _of_task(work.forward_scores.latest(version, MOST_BATCHES), dataset)
    live = work.promotions.live_version()
    ids = [score.batch_id for score in own]
    other = work.forward_scores.of([live], ids) if live not in (None, version) else []
    other = _of_task(other, dataset)
    theirs = {score.batch_id: score for score in other}
    rows = []
    for score in own:
        batch = work.batches.get(score.batch_id)
        rows.append(ForwardRow(batch.epoch, batch.number or 0, score, theirs.get(score.batch_id)))
    both = [row.number for row in rows if row.own.metrics and row.live and row.live.metrics]
    says = ""
    if live is not None and live != version:
        says = compared(own, other, dataset.primary_metric, both[-1] if both else 0)
    known = [score.coverage for score in own if score.metrics]
    covers = coverage(dataset.task, approved, known[-1] if known else None)
    return ForwardReport(version, live, tuple(rows), says, covers)


def _of_task(scores: Sequence[ForwardScore], dataset: Dataset) -> list[ForwardScore]:
    """Those that can be told today: the dataset file may have had another task before."""
    return [s for s in scores if not s.metrics or dataset.primary_metric in s.metrics]
