"""The dossier: everything that a person needs to see before deciding about a version.

It is made once from both models' answers on the same rows, then frozen.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import ColumnType
from core.domain.dossier import (
    Dossier,
    GoldenRow,
    Lesson,
    NewerRows,
    Points,
    Score,
    TrainingBatch,
)
from core.domain.errors import Missing, ModelRefused
from core.domain.evaluation import SplitDate
from core.domain.predictions import LoggedPrediction
from core.domain.promotions import Promotion, Verdict
from core.domain.task import Task
from core.rules.data.typed_values import as_given
from core.rules.model import evaluation
from core.rules.model.contract import Contract
from core.rules.model.coverage import measured
from core.rules.model.judgement import judge
from core.rules.model.scoring import scoring_of
from workers.evidence import own_metrics
from workers.evidence.metric_process import BASELINE
from workers.evidence.own_metrics import MetricLimits
from workers.evidence.replay import replay
from workers.evidence.training_data import TrainingData

_POINTS = 400
_GOLDEN = 5


@dataclass(frozen=True, slots=True)
class Model:
    """A version that can be asked, and the digest of its file."""

    version: int
    runtime: Runtime
    digest: str


def load(
    registry: Registry,
    version: int,
    columns: Collection[str],
    on_record: str = "",
    *,
    task: Task,
) -> Model:
    """Load a version of the registry to predict rows with these columns.

    `on_record` is the digest of its file in the promotion record; empty if it has none.

    Raises:
        Missing: the registry has no such version, or no file of it.
        ModelRefused: its file is not the registered one or not the one on record, it needs columns
            that the rows lack, or its task differs from `task`.
        RegistryUnavailable: MLflow is unreachable.
    """
    file = registry.fetch(version)
    require_on_record(version, digest_of(file), on_record)
    runtime = Runtime(file)
    if lacking := {f.name for f in runtime.contract.fields} - set(columns):
        raise ModelRefused(f"it needs {', '.join(sorted(lacking))}, which rows lack.")
    if runtime.contract.task is not task:
        raise ModelRefused(
            f"its task is {runtime.contract.task}, and the dataset file's is {task} now."
        )
    return Model(version, runtime, digest_of(file))


def require_on_record(version: int, digest: str, on_record: str) -> None:
    """Let a model file pass that is the one on record; any, where the record has none.

    Raises:
        ModelRefused: it is another one.
    """
    if on_record and digest != on_record:
        raise ModelRefused(
            f"The registry holds another file of version {version} ({digest[:12]}) than the one on "
            f"record ({on_record[:12]}): it was replaced in MLflow. Restore the original, or "
            "train again."
        )


@dataclass(frozen=True, slots=True)
class Champion:
    """What a candidate is to be compared with: the live version, if there is one.

    `model` is None where nothing is live, where `is_candidate`, and where the version cannot be
    scored: `uncompared` says why then.
    """

    version: int | None = None
    model: Model | None = None
    uncompared: str = ""
    is_candidate: bool = False


def load_champion(
    registry: Registry, material: TrainingData, live: Promotion | None, candidate: int | None = None
) -> Champion:
    """The version to compare with: what is live on record, else what the registry's alias names.

    A `candidate` is not compared with itself.

    Raises:
        RegistryUnavailable: MLflow is away.
    """
    version = live.version if live else registry.champion()
    if version is None:
        return Champion()
    if version == candidate:
        return Champion(version, is_candidate=True)
    try:
        on_record = live.file_digest if live else ""
        task = material.dataset.task
        return Champion(version, load(registry, version, material.held_out, on_record, task=task))
    except (ModelRefused, Missing) as error:
        return Champion(version, None, f"Version {version} cannot be scored: {error}")


def make(
    material: TrainingData,
    candidate: Model,
    against: Champion,
    requests: Sequence[LoggedPrediction],
    *,
    job: int,
    parity: float | None,
    learned: Lesson | None = None,
    after: SplitDate | None = None,
    newer: NewerRows | None = None,
    predicted: NDArray[np.float64] | None = None,
    limits: MetricLimits | None = None,
) -> tuple[Dossier, Verdict]:
    """Compare two models on the held-out rows and on real requests, and recommend.

    `job` is the job that creates the dossier. `after` is set if the held-out rows are unseen
    because they are later than this time. `newer` has both models on batches newer than both.
    `predicted` has the candidate's predictions of the held-out rows if they are known. A model must
    also be better than the baseline: the median of the training target, or its class shares.
    `limits` are those of the team's own metrics.

    Raises:
        NothingToTrainOn: no row is held out.
    """
    champion, rows = against.model, len(material.actual)
    models = [model.runtime.contract for model in (candidate, champion) if model]
    scoring = scoring_of(material.dataset, material.actual, models)
    contract = candidate.runtime.contract
    if predicted is None:
        predicted = candidate.runtime.predict(material.held_out)
    mine, theirs = scoring.answers(contract, predicted), None
    candidate_score = Score(candidate.version, rows, scoring.score(mine))
    champion_score, differences = None, {}
    if champion:
        champion_predicted = champion.runtime.predict(material.held_out)
        theirs = scoring.answers(champion.runtime.contract, champion_predicted)
        champion_score = Score(champion.version, rows, scoring.score(theirs))
        differences = scoring.differences(mine, theirs)
    baseline = scoring.baseline(material.target, mine)
    slices = scoring.slices(mine, theirs, _groups(material))
    constant = scoring.constant(baseline) if baseline else None
    answers = {"candidate": mine, "champion": theirs, BASELINE: constant}
    own = own_metrics.measure(
        material.dataset,
        material.held_out,
        {model: scoring.arguments(a) for model, a in answers.items() if a is not None},
        scoring.classes,
        limits or MetricLimits(),
    )
    verdict = judge(
        candidate_score,
        champion_score,
        material.dataset,
        differences=differences,
        slices=slices,
        baseline=baseline,
        own=own,
        overlap=material.overlap,
        uncompared=against.uncompared,
        is_live=against.is_candidate,
    )
    dossier = Dossier(
        job=job,
        parity=parity,
        digest=candidate.digest,
        data_digest=material.digest,
        primary_metric=material.dataset.primary_metric,
        training_rows=material.training_rows,
        held_out_rows=material.held_out_rows,
        overlap=material.overlap,
        candidate=candidate_score,
        champion=champion_score,
        uncompared=against.version if against.uncompared else None,
        baseline=baseline,
        own_metrics=own,
        batches=tuple(TrainingBatch(b.id, b.epoch, b.number, b.stored) for b in material.batches),
        differences=differences,
        gates=verdict.gates,
        slices=tuple(slices),
        importance=scoring.importance(
            contract,
            candidate.runtime.predict,
            material.held_out,
            [f.name for f in contract.fields],
        ),
        replay=replay(candidate.runtime, champion.runtime if champion else None, requests),
        learned=learned,
        split=material.split,
        compared_after=after,
        coverage=measured(contract),
        newer=newer,
        evaluated_on=material.judged_on,
        typical={f.name: f.default for f in contract.fields},
        points=Points() if scoring.classes else _points(material, mine, theirs),
        golden=golden(material, contract, predicted),
        task=material.dataset.task,
        classes=scoring.classes,
        candidate_classes=scoring.figures(contract, mine),
        champion_classes=scoring.figures(models[1], theirs) if champion else None,
    )
    return dossier, verdict


def _groups(material: TrainingData) -> dict[str, NDArray[np.object_]]:
    """What slices are cut by: every category and boolean, and the batch."""
    categories = {
        c.name: np.asarray(material.held_out[c.name], dtype=object)
        for c in material.dataset.features
        if c.type in (ColumnType.CATEGORY, ColumnType.BOOLEAN)
    }
    return categories | {evaluation.BATCH: material.held_out_batches}


def _points(
    material: TrainingData, mine: NDArray[np.float64], theirs: NDArray[np.float64] | None
) -> Points:
    """The same few rows for every version, for charts."""
    rows = evaluation.sample(material.held_out_hashes, _POINTS)

    def rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(f"{v:.6g}") for v in values[rows])

    theirs_rounded = None if theirs is None else rounded(theirs)
    return Points(rounded(material.actual), rounded(mine), theirs_rounded)


def golden(
    material: TrainingData, contract: Contract, predicted: NDArray[np.float64]
) -> tuple[GoldenRow, ...]:
    """Requests with the predictions that serving must give before the version counts as live."""
    rows = evaluation.sample(material.held_out_hashes, _GOLDEN)
    return tuple(
        GoldenRow(
            {f.name: _asked(f.type, material.held_out[f.name][row]) for f in contract.fields},
            tuple(predicted[row].tolist()) if predicted.ndim > 1 else float(predicted[row]),
        )
        for row in rows
    )


def _asked(kind: ColumnType, value: Any) -> float | str | None:
    """A stored value as a request would give it."""
    if isinstance(value, str):
        return value or None
    number = float(value)
    return None if math.isnan(number) else as_given(kind, number)
