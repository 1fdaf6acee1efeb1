"""Rows that versions were not trained on, according to the record of each version.

A version with a split by hash was not trained on the held-out fifth. A version with a split by time
was not trained on rows later than its split date.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.store import Store, Work
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import NewerRows
from core.domain.errors import Missing, NothingToTrainOn
from core.domain.evaluation import SplitDate
from core.domain.promotions import Promotion
from core.rules.data import usable_rows
from core.rules.data.holdout import row_hash
from core.rules.data.time_split import later
from core.rules.data.typed_values import as_given
from core.rules.model.forward_scores import FEWEST_ROWS, newer
from core.rules.model.scoring import scoring_of
from workers.evidence.dossier import Champion, Model
from workers.evidence.training_data import TrainingData, among


@dataclass(frozen=True, slots=True)
class Comparable:
    """The data with only the held-out rows that are unseen by both models, and the champion.

    `after` is set if the rows are unseen because they are later than this time. `note` explains
    which time was used for a champion without a split date.
    """

    material: TrainingData
    champion: Champion
    after: SplitDate | None = None
    note: str = ""


def split_of(work: Work, version: int) -> SplitDate | None:
    """The split date on record of a version; None if it was trained with a split by hash."""
    try:
        dossier = work.promotions.of_version(version).dossier
    except Missing:  # not proposed by driftdesk
        return None
    return dossier.split if dossier else None


def unseen_by_both(
    store: Store, material: TrainingData, candidate: int | None, champion: Champion
) -> Comparable:
    """Restrict the held-out rows to those that candidate and champion were not trained on.

    `candidate` is None if it was just trained on this data.

    Raises:
        NothingToTrainOn: the candidate was trained on all of them.
        Missing: the candidate's training rows are unknown.
    """
    with store.read() as work:
        own, mine = material.split, material
        if candidate is not None:
            own = _learned_up_to(work, candidate, material)
            mine = _after(material, own)
        if own and not len(mine.actual):
            raise NothingToTrainOn(
                f"No held-out row is later than {own.text}, the time of the newest training row of "
                f"version {candidate}. Ingest later rows, then re-evaluate it."
            )
        if champion.model is None or champion.version is None:
            return Comparable(mine, champion, _latest(own, material.split))
        try:
            theirs = _learned_up_to(work, champion.version, material)
            both = _after(mine, theirs)
        except Missing as error:
            return Comparable(mine, replace(champion, model=None, uncompared=str(error)), own)
        has_date = split_of(work, champion.version) is not None
    if theirs is None:
        return Comparable(mine, champion, own)
    if len(both.actual) < FEWEST_ROWS:
        why = (
            f"Version {champion.version} was trained on rows up to {theirs.text}, and "
            f"{len(both.actual)} held-out rows are later than the training rows of both models; "
            f"{FEWEST_ROWS} are needed to compare them."
        )
        return Comparable(mine, replace(champion, model=None, uncompared=why), own)
    note = "" if has_date else (
        f"Version {champion.version} has no split date, so it is compared on rows later than the "
        f"newest row that it was trained on ({theirs.text})."
    )  # fmt: skip
    return Comparable(both, champion, _latest(own, theirs, material.split), note)


def _latest(*splits: SplitDate | None) -> SplitDate | None:
    return max((s for s in splits if s), key=lambda s: s.up_to, default=None)


def _learned_up_to(work: Work, version: int, material: TrainingData) -> SplitDate | None:
    """The latest time of a version's training rows, if time decides which rows are unseen.

    Raises:
        Missing: it is not known.
    """
    how, recorded = material.dataset.evaluation, split_of(work, version)
    if not how.by_time or (recorded and recorded.column == how.time_column):
        return recorded
    column = material.dataset.column(how.time_column)
    known = {p.column: p.maximum for p in work.batches.profile("model", version)}
    newest = known.get(column.name)
    if newest is None:
        newest = _newest_row(work, version, column.name)
    if newest is None:
        raise Missing(
            f"Version {version} has no split date, and the newest {column.name} of its training "
            "rows is no longer known, so it is not certain which rows are new to it."
        )
    return SplitDate(column.name, newest, str(as_given(column.type, newest)))


def _newest_row(work: Work, version: int, column: str) -> float | None:
    """The latest time in a version's batches; None if a batch's rows are gone, or without times."""
    try:
        dossier = work.promotions.of_version(version).dossier
    except Missing:
        return None
    newest = -math.inf
    for batch_id in dossier.batch_ids if dossier else ():
        times = work.rows.columns([column], held_out=None, batch_id=batch_id)[column]
        if not len(times):
            return None
        newest = max(newest, float(np.nanmax(times.astype(np.float64), initial=-math.inf)))
    return newest if math.isfinite(newest) else None


def _after(material: TrainingData, split: SplitDate | None) -> TrainingData:
    """The data with only the held-out rows later than a split date.

    Raises:
        Missing: rows of this dataset do not have its column.
    """
    if split is None:
        return material
    times = material.judged.times
    if times is None or split.column != material.dataset.evaluation.time_column:
        if split.column not in material.held_out:
            raise Missing(
                f"A version was trained on rows split by {split.column}, which is no longer the "
                "time_column of the dataset file, so it is not certain which rows are new to it."
            )
        times = np.asarray(material.held_out[split.column], dtype=np.float64)
    return replace(material, judged=material.judged.where(later(times, split)))


def unseen_of_batch(
    work: Work, batch: Batch, dataset: Dataset, split: SplitDate | None, most: int, *, whole: bool
) -> dict[str, NDArray[Any]]:
    """Usable rows of a batch that a version with this split date was not trained on.

    `whole`: the batch is newer than the version, so both sides of the split by hash are new to it.
    If the batch has more than `most` rows, every n-th is used.
    """
    names = [*(c.name for c in dataset.features), dataset.target.name]
    held_out = None if split or whole else True
    read = [*names, split.column] if split and split.column not in names else names
    every = math.ceil(batch.stored / most)
    rows = work.rows.columns(read, held_out=held_out, batch_id=batch.id, every=every)
    keep = usable_rows.usable(rows, dataset)
    if split:
        keep &= later(np.asarray(rows[split.column], dtype=np.float64), split)
    return {name: np.asarray(rows[name])[keep] for name in names}


def on_newer_rows(
    store: Store,
    material: TrainingData,
    candidate: tuple[Promotion, Model],
    champion: tuple[Promotion | None, Model | None],
    most: int,
) -> NewerRows | None:
    """Both models on the batches that are newer than both; None if there are no such rows.

    Each version is given as its record and its model. Both sides of the split count, except rows
    whose content is among the rows of another batch. Of more than `most` rows, every n-th is used.
    """
    (proposed, mine), (live, theirs) = candidate, champion
    if live is None or theirs is None:
        return None
    after = [{b.id for b in newer(p.dossier, material.batches)} for p in (proposed, live)]
    batches = [b for b in material.batches if all(b.id in ids for ids in after)]
    if not batches:
        return None
    rows = _new_rows(store, material, batches, most)
    actual = rows[material.dataset.target.name]
    if len(actual) < FEWEST_ROWS:
        return None
    runtimes = [mine.runtime, theirs.runtime]
    scoring = scoring_of(material.dataset, actual, [r.contract for r in runtimes])
    ours, others = (scoring.answers(r.contract, r.predict(rows)) for r in runtimes)
    return NewerRows(
        tuple(b.number or 0 for b in batches),
        len(actual),
        scoring.score(ours),
        scoring.score(others),
        scoring.differences(ours, others),
    )


def _new_rows(
    store: Store, material: TrainingData, batches: Sequence[Batch], most: int
) -> dict[str, NDArray[Any]]:
    """Usable rows of these batches whose content no other batch has."""
    dataset, ids = material.dataset, [b.id for b in batches]
    stored = sum(b.stored for b in batches)
    with store.read() as work:
        parts = [
            unseen_of_batch(work, b, dataset, None, max(most * b.stored // stored, 1), whole=True)
            for b in batches
        ]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sides = (material.learned, material.judged)
    known = np.concatenate([s.hashes[~np.isin(s.batch_ids, ids)] for s in sides])
    new = ~among(row_hash(rows, dataset), known)
    return {name: values[new] for name, values in rows.items()}
