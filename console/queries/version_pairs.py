"""What is on record about two versions on the same held-out rows, which neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from console.desk import Desk
from core.adapters.store import Work
from core.domain.dossier import Difference
from core.domain.job_results import VersionsCompared
from core.domain.jobs import Job, JobState
from core.domain.promotions import Promotion
from core.rules.model.metric_comparison import pair_in_words
from core.usecases.open_candidates import pair_key


@dataclass(frozen=True, slots=True)
class Pair:
    """The newest comparison of two versions, seen from `found.version`.

    `found` is None if there is none. It was made `at` this time, or in the evaluation of the
    version `dossier`. `newer` counts batches stored since. `job` is the newest job that was to
    compare them, if it is open or did not succeed.
    """

    found: VersionsCompared | None
    at: datetime | None
    dossier: int | None
    newer: int
    job: Job | None

    def says(self, metric: str, unit: str) -> str:
        """This metric of both, as a sentence about the first; empty if nothing is on record."""
        found = self.found
        if found is None or metric not in found.metrics or metric not in found.others:
            return ""
        return pair_in_words(
            metric,
            (found.version, found.against),
            (found.metrics[metric], found.others[metric]),
            found.differences.get(metric),
            rows=found.rows,
            unit=unit,
        )


def pair(desk: Desk, version: int, other: int) -> Pair:
    """The newest comparison of `version` with `other`: one asked for, else one of a dossier.

    Raises:
        Missing: one of them was never proposed.
        StoreUnavailable: the database is unreachable.
    """
    key = pair_key(version, other)
    with desk.store.read() as work:
        mine, theirs = (work.promotions.of_version(v) for v in (version, other))
        newest = work.jobs.newest_of(key)
        done = work.jobs.newest_of(key, JobState.SUCCEEDED)
        open_ = newest if newest and newest.state is not JobState.SUCCEEDED else None
        if done and isinstance(done.result, VersionsCompared):
            found = _seen_from(version, done.result)
            return Pair(found, done.finished_at, None, _newer(work, found), open_)
        for promotion, against in ((mine, other), (theirs, version)):
            if told := _of_dossier(promotion, against):
                found = _seen_from(version, told)
                return Pair(found, None, promotion.version, _newer(work, found), open_)
    return Pair(None, None, None, 0, open_)


def _of_dossier(promotion: Promotion, against: int) -> VersionsCompared | None:
    """The comparison in a version's dossier, if it is with that version."""
    dossier = promotion.dossier
    if dossier is None or dossier.champion is None or dossier.champion.version != against:
        return None
    return VersionsCompared(
        promotion.version,
        against,
        max((b.epoch for b in dossier.batches), default=0),
        (),
        dossier.candidate.rows,
        dossier.compared_after.text if dossier.compared_after else "",
        dossier.candidate.metrics,
        dossier.champion.metrics,
        dossier.differences,
    )


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
