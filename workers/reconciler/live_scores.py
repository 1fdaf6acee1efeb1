"""Scores the live version on the held-out rows of the epoch's latest batches.

A drift job scores the version that is live then. A version that goes live afterwards, by an
approval or a rollback, has no such score of the batches before it, and without one nobody sees
that its error is high. Like the forward scores, these are only late after an interruption.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile

from core.domain.errors import Missing, ModelRefused
from core.rules.drift.recommendation import SCORED_BATCHES, BatchScore
from workers.reconciler.forward_scores import AT_ONCE, BEGUN_WITHIN
from workers.runtime.services import Services


def score_live(services: Services, clock: Callable[[], float] = time.monotonic) -> None:
    """Compute missing scores of the live version, of the newest batch first.

    Safe to run concurrently, also with a drift job: both store the same score.

    Raises:
        StoreUnavailable, RegistryUnavailable: the database or MLflow is unreachable.
    """
    with services.store.read() as work:
        live, epoch = work.promotions.live(), work.batches.epoch()
        usable = work.holds.usable(epoch.number) if epoch and live else []
        stored = [batch for batch in usable if batch.stored][-SCORED_BATCHES:]
        known = work.scores.of(live.version, [b.id for b in stored]) if live else []
    scored = {score.batch_id for score in known}
    missing = [batch for batch in reversed(stored) if batch.id not in scored][:AT_ONCE]
    if live is None or not missing:
        return
    # Imported here because without scores to compute no ONNX runtime is needed.
    from workers.evidence.champion_error import held_out_score  # noqa: PLC0415
    from workers.evidence.dossier import load  # noqa: PLC0415

    dataset, until = services.dataset, clock() + BEGUN_WITHIN
    names = [c.name for c in dataset.features]
    try:
        runtime = load(
            services.registry, live.version, names, live.file_digest, task=dataset.task
        ).runtime
    except (Missing, ModelRefused) as error:
        note = f"Version {live.version} cannot be scored: {error}"
        for batch in missing:
            _put(services, BatchScore(batch.id, live.version, 0, {}, note=note))
        return
    for batch in takewhile(lambda _: clock() <= until, missing):
        _put(services, held_out_score(services.store, dataset, batch, runtime, live.version))


def _put(services: Services, score: BatchScore) -> None:
    with services.store.transaction() as work:
        work.scores.put(score)
