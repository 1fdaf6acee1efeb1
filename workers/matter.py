"""Does it matter: the champion's error on single batches, from rows that no version has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core import evidence
from core.advice import FEWEST_SCORED, BatchScore, ErrorChange, error_change
from core.dataset import Dataset
from core.errors import DriftdeskError, Missing, ModelRefused
from core.records import Batch
from core.registry import Registry
from core.runtime import Runtime
from workers import training
from workers.run import Run

EARLIER = 5
"""How many earlier batches the error is compared with."""


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
            return Evidence(None, None, "No model is live, so no error is known.", ())
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
            stored = work.batches.stored(batch.epoch)
            earlier = [b for b in stored if b.id < batch.id][-EARLIER:]
            known = work.scores.of(version, [b.id for b in earlier])
        missing = [b for b in earlier if b.id not in {s.batch_id for s in known}]
        run.progress(0.1, f"scoring version {version}", always=True)
        runtime = Runtime(self.registry.fetch(version))
        unknown = {f.name for f in runtime.contract.fields} - {
            c.name for c in self.dataset.features
        }
        if unknown:
            raise ModelRefused(f"it needs {', '.join(sorted(unknown))}, which rows lack.")
        fresh = []
        for n, other in enumerate([batch, *missing]):
            run.progress(0.1 + 0.6 * n / (1 + len(missing)), f"scoring batch {other.number}")
            fresh.append(self._score(run, other, runtime, version))
        now, *filled = fresh
        change = error_change(now, [*known, *filled])
        return Evidence(version, change, now.note, tuple(fresh))

    def _score(self, run: Run, batch: Batch, runtime: Runtime, version: int) -> BatchScore:
        target = self.dataset.target.name
        names = [*(c.name for c in self.dataset.features), target]
        with run.store.read() as work:
            rows = work.rows.columns(names, held_out=True, batch_id=batch.id)
        keep = training.usable(rows, self.dataset)
        held_out = {name: np.asarray(values)[keep] for name, values in rows.items()}
        actual = held_out[target].astype(np.float64)
        count = len(actual)
        if count < FEWEST_SCORED:
            note = (
                f"Batch {batch.number} has {count} held-out rows; "
                f"{FEWEST_SCORED} are needed to know the champion's error."
            )
            return BatchScore(batch.id, version, count, {}, note=note)
        predicted = runtime.predict(held_out)
        metrics = evidence.score(actual, predicted)
        spread = float(np.std(np.abs(actual - predicted)))
        if not np.isfinite([*metrics.values(), spread]).all():
            note = f"Version {version} gives no finite answer on batch {batch.number}."
            return BatchScore(batch.id, version, count, {}, note=note)
        return BatchScore(batch.id, version, count, metrics, spread)


def importance_of(dossier: dict[str, object], columns: Sequence[str]) -> dict[str, float] | None:
    """The importance of columns as a dossier has it; None where it has none."""
    kept = dossier.get("importance")
    if not isinstance(kept, dict):
        return None
    return {c: float(kept[c]) for c in columns if isinstance(kept.get(c), int | float)} or None
