"""The forward score: a version's metrics on a batch newer than all its training batches."""

from __future__ import annotations

import numpy as np
import structlog

from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.batches import Batch
from core.domain.evaluation import SplitDate
from core.domain.forward_scores import ForwardScore
from core.rules.model.coverage import covered
from core.rules.model.forward_scores import FEWEST_ROWS
from core.rules.model.scoring import scoring_of
from workers.evidence.unseen_rows import unseen_of_batch

MOST_ROWS = 200_000
"""The maximum number of rows scored; of a larger batch every n-th row is used."""

MOST_VALUES = 10_000_000
"""Of many columns fewer rows, so that they take some 100 MB: the reconciler has little memory."""

log = structlog.get_logger()


def score_batch(
    store: Store, batch: Batch, runtime: Runtime, version: int, split: SplitDate | None
) -> ForwardScore:
    """Score a version on a batch that is newer than it.

    A model that fails gives a score without metrics, whose note says why.
    """
    dataset = store.dataset
    with store.read() as work:
        most = min(MOST_ROWS, MOST_VALUES // (len(dataset.features) + 1))
        rows = unseen_of_batch(work, batch, dataset, split, most, whole=True)
    actual = rows[dataset.target.name]
    if len(actual) < FEWEST_ROWS:
        note = (
            f"Batch {batch.number} has {len(actual)} rows that are new to version {version}; "
            f"{FEWEST_ROWS} are needed for a score."
        )
        return ForwardScore(version, batch.id, len(actual), {}, note=note)
    try:
        predicted = runtime.predict(rows)
    except Exception as error:
        log.warning("a version cannot be scored", version=version, batch=batch.id, exc_info=True)
        note = f"Version {version} fails on batch {batch.number}: {type(error).__name__}."
        return ForwardScore(version, batch.id, len(actual), {}, note=note)
    contract = runtime.contract
    scoring = scoring_of(dataset, actual, [contract])
    metrics = scoring.score(scoring.answers(contract, predicted))
    if not np.isfinite(list(metrics.values())).all():
        note = f"Version {version} gives no finite answer on batch {batch.number}."
        return ForwardScore(version, batch.id, len(actual), {}, note=note)
    coverage = covered(contract, dataset, actual, predicted)
    return ForwardScore(version, batch.id, len(actual), metrics, coverage)
