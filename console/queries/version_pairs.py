"""What is on record about two versions on the same held-out rows, which neither was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from console.desk import Desk
from console.text.version_pairs import Comparison, conflict, result_words, trained_words
from core.adapters.store import Work
from core.domain.dossier import Difference, DossierSummary, RowsFrom
from core.domain.errors import Missing, Refused
from core.domain.job_results import VersionsCompared
from core.domain.jobs import Job, JobKind, JobState
from core.domain.promotions import Promotion
from core.usecases.open_candidates import pair_key

_MOST = 5
"""The most comparisons on demand, and the most earlier evaluations of a version, that are read."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Each comparison of two versions on record, the oldest first, seen from the first version.

    `newer` counts batches stored since the newest comparison. `trained` says which batches each
    version was trained on; empty if it is not known. `job` is the newest job that was to compare
    them, if it is open or did not succeed.
    """

    comparisons: tuple[Comparison, ...]
    newer: int
    trained: str
    job: Job | None

    def results(self, metric: str, unit: str) -> list[str]:
        """This metric of both in each comparison, as sentences about the first version."""
        told = [result_words(made, metric, unit) for made in self.comparisons]
        return [sentence for sentence in told if sentence]

    def evidence(self, metric: str, unit: str) -> list[str]:
        """Each result, whether results contradict each other, and what explains it."""
        told = self.results(metric, unit)
        if told:
            told += [line for line in (self.conflict(metric), self.trained) if line]
        return told

    def conflict(self, metric: str) -> str:
        """That results contradict each other, as a sentence; empty if they do not."""
        return conflict(self.comparisons, metric)


def pair(desk: Desk, version: int, other: int) -> Pair:
    """Every comparison of `version` with `other`: those of evaluations, and those on demand.

    Raises:
        Missing: one of them was never proposed.
        StoreUnavailable: the database is unreachable.
    """
    key = pair_key(version, other)
    with desk.store.read() as work:
        mine, theirs = (work.promotions.of_version(v) for v in (version, other))
        newest = work.jobs.newest_of(key)
        open_ = newest if newest and newest.state is not JobState.SUCCEEDED else None
        made = [*_evaluations(work, mine, other), *_evaluations(work, theirs, version)]
        made += _on_demand(work, key)
        made = [replace(m, found=_seen_from(version, m.found)) for m in made]
        made.sort(key=lambda m: m.at.timestamp() if m.at else 0.0)
        newer = _newer(work, made[-1].found) if made else 0
        trained = trained_words(*((p.version, _trained_on(p)) for p in (mine, theirs)))
    return Pair(tuple(made), newer, trained, open_)


def _evaluations(work: Work, promotion: Promotion, other: int) -> Iterator[Comparison]:
    """The comparisons in a version's dossiers, if they are with that version.

    One that a re-evaluation has replaced, or that is kept for reading only, is among them.
    """
    present = promotion.dossier_digest
    for digest, at in work.dossiers.of_version(promotion.version)[:_MOST]:
        dossier: DossierSummary | None = promotion.dossier if digest == present else None
        if digest != present:
            with suppress(Refused):  # an altered one is no evidence; the audit page names it
                dossier = work.dossiers.get(digest)
        if dossier and dossier.champion and dossier.champion.version == other:
            found = _compared(promotion.version, dossier, _rows_from(work, dossier))
            yield Comparison(found, at, promotion.version, is_present=digest == present)


def _compared(version: int, dossier: DossierSummary, rows: RowsFrom | None) -> VersionsCompared:
    champion = dossier.champion
    return VersionsCompared(
        version,
        champion.version if champion else 0,
        rows.epoch if rows else 0,
        rows.batches if rows else (),
        dossier.candidate.rows,
        dossier.compared_after.text if dossier.compared_after else "",
        dossier.candidate.metrics,
        champion.metrics if champion else {},
        dossier.differences,
    )


def _rows_from(work: Work, dossier: DossierSummary) -> RowsFrom | None:
    """The batches of a dossier's held-out rows; None where an older dossier does not tell.

    A training evaluates on the held-out rows of the batches that it trains on.
    """
    if dossier.evaluated_on or dossier.job is None:
        return dossier.evaluated_on
    with suppress(Missing):
        if work.jobs.get(dossier.job).kind is JobKind.TRAIN:
            return _trained(dossier)
    return None


def _trained_on(promotion: Promotion) -> RowsFrom | None:
    return _trained(promotion.dossier) if promotion.dossier else None


def _trained(dossier: DossierSummary) -> RowsFrom | None:
    """The batches that a version was trained on: all are of one epoch."""
    if not dossier.batches:
        return None
    numbers = sorted(batch.number or 0 for batch in dossier.batches)
    return RowsFrom(dossier.batches[0].epoch, tuple(numbers))


def _on_demand(work: Work, key: str) -> list[Comparison]:
    """The newest comparisons on demand; of those with one result, the newest."""
    found: dict[tuple[object, ...], Comparison] = {}
    for job in work.jobs.latest_of(key, JobState.SUCCEEDED, _MOST):
        if isinstance(result := job.result, VersionsCompared):
            one = result.epoch, result.batches, result.rows, str(sorted(result.metrics.items()))
            found.setdefault(one, Comparison(result, job.finished_at))
    return list(found.values())


def _newer(work: Work, found: VersionsCompared) -> int:
    """How many batches were stored in its epoch after those that it is from."""
    last = max(found.batches, default=None)
    if last is None:
        return 0
    return sum((b.number or 0) > last for b in work.holds.usable(found.epoch))


def _seen_from(version: int, found: VersionsCompared) -> VersionsCompared:
    """The same comparison with this version as the first one."""
    if found.version == version:
        return found
    return replace(
        found,
        version=found.against,
        against=found.version,
        metrics=found.others,
        others=found.metrics,
        differences=_turned(found.differences),
    )


def _turned(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    return {n: Difference(-d.difference, -d.high, -d.low) for n, d in differences.items()}
