"""The dossier: everything that a person needs to see before deciding about a version.

It is made once from both models' answers on the same rows, then frozen. Its short form, without
what only charts need, is what lists show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import evidence
from core.contract import Contract, from_days, read_row
from core.dataset import ColumnType
from core.errors import BadRow, Missing, ModelRefused
from core.promotion import judge
from core.records import Score, Verdict
from core.registry import Registry, digest_of
from core.runtime import Runtime
from core.store.predictions import LoggedPrediction
from workers.material import Material

_POINTS = 400
_GOLDEN = 5
_REPLAYED = 200
_ONLY_IN_FULL = ("points", "golden", "slices")


@dataclass(frozen=True, slots=True)
class Model:
    """A version that can be asked, and the digest of its file."""

    version: int
    runtime: Runtime
    digest: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """The evidence, whole and short, and what the rule makes of it."""

    verdict: Verdict
    content: dict[str, Any]

    @property
    def short(self) -> dict[str, Any]:
        """The evidence without what only charts need."""
        return {name: part for name, part in self.content.items() if name not in _ONLY_IN_FULL}


def load(registry: Registry, version: int, material: Material) -> Model:
    """A version of the registry, made ready to be asked about these rows.

    Raises:
        Missing: the registry has no such version, or no file of it.
        ModelRefused: its file is not the registered one, or it needs columns that the rows lack.
        RegistryUnavailable: MLflow is away.
    """
    file = registry.fetch(version)
    runtime = Runtime(file)
    lacking = {f.name for f in runtime.contract.fields} - set(material.held_out)
    if lacking:
        raise ModelRefused(f"it needs {', '.join(sorted(lacking))}, which rows lack")
    return Model(version, runtime, digest_of(file))


def load_champion(registry: Registry, material: Material) -> tuple[Model | None, str]:
    """The champion, or None and why it cannot be compared with (empty: there is none).

    Raises:
        RegistryUnavailable: MLflow is away.
    """
    version = registry.champion()
    if version is None:
        return None, ""
    try:
        return load(registry, version, material), ""
    except (ModelRefused, Missing) as error:
        return None, f"Version {version} cannot be scored: {error}."


def make(
    material: Material,
    candidate: Model,
    champion: Model | None,
    requests: Sequence[LoggedPrediction],
    about: Mapping[str, Any],
) -> Dossier:
    """Compare two models on the held-out rows and on real requests, and judge.

    `about` is what the caller knows of the version: its job and its parity.

    Raises:
        NothingToTrainOn: no row is held out.
    """
    actual = material.actual
    mine = candidate.runtime.predict(material.held_out)
    theirs = champion.runtime.predict(material.held_out) if champion else None
    candidate_score = Score(candidate.version, len(actual), evidence.score(actual, mine))
    champion_score = None
    if champion and theirs is not None:
        champion_score = Score(champion.version, len(actual), evidence.score(actual, theirs))
    differences = None if theirs is None else evidence.differences(actual, mine, theirs)
    slices = evidence.slices(actual, mine, theirs, _groups(material))
    verdict = judge(
        candidate_score,
        champion_score,
        material.dataset,
        differences=differences,
        slices=slices,
        overlap=material.overlap,
    )
    content = dict(about) | {
        "digest": candidate.digest,
        "data_digest": material.digest,
        "primary_metric": material.dataset.primary_metric,
        "training_rows": material.training_rows,
        "held_out_rows": len(actual),
        "overlap": material.overlap,
        "candidate": _scored(candidate_score),
        "champion": _scored(champion_score) if champion_score else None,
        "batches": [
            {"id": b.id, "epoch": b.epoch, "number": b.number, "rows": b.stored}
            for b in material.batches
        ],
        "differences": {k: asdict(d) for k, d in (differences or {}).items()},
        "gates": [asdict(gate) for gate in verdict.gates],
        "slices": [asdict(s) for s in slices],
        "importance": evidence.importance(
            candidate.runtime.predict,
            material.held_out,
            actual,
            [f.name for f in candidate.runtime.contract.fields],
        ),
        "replay": _replay(candidate, champion, requests),
        "points": _points(material, mine, theirs),
        "golden": golden(material, candidate.runtime.contract, mine),
    }
    return Dossier(verdict, content)


def _scored(score: Score) -> dict[str, Any]:
    return {"version": score.version, "metrics": score.metrics}


def _groups(material: Material) -> dict[str, NDArray[np.object_]]:
    """What slices are cut by: every category, and the batch."""
    categories = {
        c.name: np.asarray(material.held_out[c.name], dtype=object)
        for c in material.dataset.features
        if c.type is ColumnType.CATEGORY
    }
    return categories | {evidence.BATCH: material.held_out_batches}


def _points(
    material: Material, mine: NDArray[np.float64], theirs: NDArray[np.float64] | None
) -> dict[str, list[float]]:
    """The same few rows for every version, for charts."""
    rows = evidence.sample(material.held_out_hashes, _POINTS)
    points = {"actual": material.actual[rows], "candidate": mine[rows]}
    if theirs is not None:
        points["champion"] = theirs[rows]
    return {name: [float(f"{v:.6g}") for v in values] for name, values in points.items()}


def golden(
    material: Material, contract: Contract, mine: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Requests with the answers that serving must give before the version counts as live."""
    rows = evidence.sample(material.held_out_hashes, _GOLDEN)
    dates = {f.name for f in contract.fields if f.type is ColumnType.DATE}
    return [
        {
            "row": {
                f.name: _asked(material.held_out[f.name][row], is_date=f.name in dates)
                for f in contract.fields
            },
            "prediction": float(mine[row]),
        }
        for row in rows
    ]


def _asked(value: Any, *, is_date: bool) -> float | str | None:
    """A stored value as a request would give it."""
    if isinstance(value, str):
        return value or None
    number = float(value)
    if math.isnan(number):
        return None
    return from_days(number) if is_date else number


def _replay(
    candidate: Model, champion: Model | None, requests: Sequence[LoggedPrediction]
) -> dict[str, Any]:
    """The latest real requests, asked of both models again."""
    if champion is None or not requests:
        return {"requests": 0, "unreadable": 0, "moved": 0.0}
    before, after, unreadable = [], [], 0
    for request in requests[:_REPLAYED]:
        try:
            before += champion.runtime.predict_rows(
                [read_row(champion.runtime.contract, request.inputs)]
            )
            after += candidate.runtime.predict_rows(
                [read_row(candidate.runtime.contract, request.inputs)]
            )
        except BadRow:
            unreadable += 1
            del before[len(after) :]
    moved = evidence.moved(np.array(before), np.array(after))
    return {"requests": len(after), "unreadable": unreadable, "moved": moved}
