"""The latest real requests, predicted by two models again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.adapters.onnx_runtime import Runtime
from core.domain.dossier import Replay
from core.domain.errors import BadRow
from core.domain.predictions import LoggedPrediction
from core.rules.model import evaluation
from core.rules.model.classes import answered
from core.rules.model.contract import read_row

_REPLAYED = 200


def replay(
    candidate: Runtime, champion: Runtime | None, requests: Sequence[LoggedPrediction]
) -> Replay:
    """How many of the latest requests the candidate answers differently, or cannot read."""
    if champion is None or not requests:
        return Replay()
    pairs, unreadable = [], 0
    for request in requests[:_REPLAYED]:
        try:
            pairs.append([_answer(runtime, request) for runtime in (champion, candidate)])
        except BadRow:
            unreadable += 1
    if candidate.contract.task.is_classifier:
        moved = sum(before != after for before, after in pairs) / max(len(pairs), 1)
    else:
        numbers = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        moved = evaluation.moved(numbers[:, 0], numbers[:, 1])
    return Replay(len(pairs), unreadable, moved)


def _answer(runtime: Runtime, request: LoggedPrediction) -> float | str:
    """The number, or the label, that a model answers."""
    contract = runtime.contract
    (answer,) = runtime.predict_rows([read_row(contract, request.inputs)])
    if contract.task.is_classifier:
        return contract.classes[answered(contract, answer)]
    return float(answer)
