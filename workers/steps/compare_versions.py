"""Compare any two versions on the held-out rows that neither was trained on.

It uses what a re-evaluation uses, and makes no dossier: nothing that is decided on changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.adapters.mlflow.registry import Registry
from core.domain.errors import ModelRefused, NothingToTrainOn
from core.domain.job_results import VersionsCompared
from core.domain.jobs import AGAINST
from core.domain.promotions import Promotion
from core.rules.model.metric_comparison import pair_in_words
from core.rules.model.scoring import scoring_of
from workers.evidence.dossier import Champion, Model, load
from workers.evidence.training_data import TrainingData, read
from workers.evidence.unseen_rows import unseen_by_both
from workers.runtime.job_run import Run


@dataclass(frozen=True, slots=True)
class CompareVersions:
    """What the step needs: the registry, and the maximum number of held-out rows."""

    registry: Registry
    most_evaluated: int

    def __call__(self, run: Run) -> None:
        """Score both versions on the same rows.

        Raises:
            Missing: one of them was never proposed, or its training rows are unknown.
            ModelRefused: one of them cannot be scored.
            NothingToTrainOn: no rows are new to both.
            RegistryUnavailable: MLflow is away.
        """
        with run.store.read() as work:
            first, second = (
                work.promotions.of_version(int(run.job.args[name])) for name in ("version", AGAINST)
            )
        run.about(version=first.version)
        run.progress(0.05, "reading rows", always=True)
        most = self.most_evaluated
        material = read(run.store, most_evaluated=most, features=False, check=run.check)
        run.progress(0.4, "fetching the models", always=True)
        mine, theirs = (self._load(promotion, material) for promotion in (first, second))
        other = Champion(second.version, theirs)
        both = unseen_by_both(run.store, material, first.version, other)
        if why := both.champion.uncompared:
            raise NothingToTrainOn(why)
        if both.note:
            run.say(both.note)
        run.progress(0.6, "comparing", always=True)
        with run.interruptible():
            result = _compared(both.material, mine, theirs, both.after.text if both.after else "")
        with run.store.begin() as work:
            run.fence(work)
            work.jobs.log(run.job.id, result.note)
            run.complete(work, result)

    def _load(self, promotion: Promotion, material: TrainingData) -> Model:
        version, on_record = promotion.version, promotion.file_digest
        task = material.dataset.task
        try:
            return load(self.registry, version, material.held_out, on_record, task=task)
        except ModelRefused as error:
            raise ModelRefused(f"Version {version} cannot be scored: {error}") from error


def _compared(data: TrainingData, mine: Model, theirs: Model, after: str) -> VersionsCompared:
    models = (mine, theirs)
    scoring = scoring_of(data.dataset, data.actual, [m.runtime.contract for m in models])
    first, second = (
        scoring.answers(m.runtime.contract, m.runtime.predict(data.held_out)) for m in models
    )
    metrics, others = scoring.score(first), scoring.score(second)
    for model, scores in zip(models, (metrics, others), strict=True):
        if not all(map(math.isfinite, scores.values())):
            raise ModelRefused(f"Version {model.version} gives no finite answer on these rows.")
    rows, primary = len(data.actual), data.dataset.primary_metric
    differences = scoring.differences(first, second)
    whose, unit = (mine.version, theirs.version), data.dataset.target.unit
    values = metrics[primary], others[primary]
    says = pair_in_words(primary, whose, values, differences[primary], rows=rows, unit=unit)
    on = data.judged_on
    return VersionsCompared(
        mine.version, theirs.version, on.epoch, on.batches, rows, after, metrics, others,
        differences, says,
    )  # fmt: skip
