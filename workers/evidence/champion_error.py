"""Does it matter: the champion's error on single batches, from rows that no version has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.adapters.mlflow.registry import Registry
from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import DossierSummary
from core.domain.errors import DriftdeskError, Missing, ModelRefused
from core.rules.drift.recommendation import (
    FEWEST_SCORED,
    BatchScore,
    ErrorChange,
    earlier,
    error_change,
)
from core.rules.model.scoring import scoring_of
from workers.evidence.dossier import load
from workers.evidence.unseen_rows import split_of, unseen_of_batch
from workers.runtime.job_run import Run

MOST_ROWS = 1_000_000
"""Of a larger batch every n-th row is scored, n so that at most so many are looked at.

The fifth of them that is held out, 200,000 rows, takes some 100 MB.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the champion's error says, or why it says nothing; `scores` are new."""

    champion: int | None
    error: ErrorChange | None
    note: str
    scores: tuple[BatchScore, ...]


@dataclass(frozen=True, slots=True)
class Weigh:
    """Scores the registry's champion on a batch and on the batches before it."""

    dataset: Dataset
    registry: Registry

    def __call__(self, run: Run, batch: Batch) -> Evidence:
        """The champion's error on this batch and before.

        Nothing that goes wrong with the model or the registry fails the comparison: it is said.
        A batch that the version was scored on before is not scored again, but for this one.
        """
        try:
            version = self.registry.champion()
        except DriftdeskError as error:
            with run.store.read() as work:
                live = work.promotions.live()
            note = f"The champion's error is not known: {error}"
            return Evidence(live.version if live else None, None, note, ())
        if version is None:
            return Evidence(None, None, "No model was live then, so there is no error.", ())
        try:
            return self._weigh(run, batch, version)
        except (Missing, ModelRefused) as error:
            note = f"Version {version} cannot be scored: {error}"
        except DriftdeskError as error:
            if not error.retryable:  # cancelled, or taken over by another run
                raise
            note = f"The champion's error is not known: {error}"
        return Evidence(version, None, note, (BatchScore(batch.id, version, 0, {}, note=note),))

    def _weigh(self, run: Run, batch: Batch, version: int) -> Evidence:
        with run.store.read() as work:
            usable = [b for b in work.holds.usable(batch.epoch) if b.stored]
            before = earlier(usable, batch)
            scored = work.scores.of(version, [b.id for b in before])
            on_record = work.promotions.known([version]).get(version, "")
        missing = [b for b in before if b.id not in {s.batch_id for s in scored}]
        run.progress(0.1, f"scoring version {version}", always=True)
        names = [c.name for c in self.dataset.features]
        task = self.dataset.task
        runtime = load(self.registry, version, names, on_record, task=task).runtime
        fresh = []
        for n, other in enumerate([batch, *missing]):
            run.progress(0.1 + 0.6 * n / (1 + len(missing)), f"scoring batch {other.number}")
            fresh.append(held_out_score(run.store, self.dataset, other, runtime, version))
        now, *filled = fresh
        change = error_change(now, [*scored, *filled])
        return Evidence(version, change, now.note, tuple(fresh))


def held_out_score(
    store: Store, dataset: Dataset, batch: Batch, runtime: Runtime, version: int
) -> BatchScore:
    """The metrics of a version on a batch's rows that it was not trained on, or why there are none.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    with store.read() as work:
        split = split_of(work, version)
        held_out = unseen_of_batch(work, batch, dataset, split, MOST_ROWS, whole=False)
    target = held_out[dataset.target.name]
    count = len(target)
    if count < FEWEST_SCORED:
        note = (
            f"Batch {batch.number} has {count} {'later' if split else 'held-out'} rows; "
            f"{FEWEST_SCORED} are needed to know the champion's error."
        )
        return BatchScore(batch.id, version, count, {}, note=note)
    scoring = scoring_of(dataset, target, [runtime.contract])
    answers = scoring.answers(runtime.contract, runtime.predict(held_out))
    metrics = scoring.score(answers)
    spread = float(np.std(scoring.errors(answers)))
    if not np.isfinite([*metrics.values(), spread]).all():
        note = f"Version {version} gives no finite answer on batch {batch.number}."
        return BatchScore(batch.id, version, count, {}, note=note)
    return BatchScore(batch.id, version, count, metrics, spread)


def importance_of(
    dossier: DossierSummary | None, columns: Sequence[str]
) -> dict[str, float] | None:
    """The importance of columns that a dossier records; None where it records none."""
    recorded = dossier.importance if dossier else {}
    return {c: recorded[c] for c in columns if c in recorded} or None
