"""Forward scores: which versions are scored on which newer batches, and their comparison. Pure.

Scoring a model on data before it is trained on them is the prequential principle (Dawid,
"Statistical Theory: The Prequential Approach", Journal of the Royal Statistical Society A, 1984).
A score does not depend on when it is computed: a version's file never changes, and the ledger
records what it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.domain.batches import Batch
from core.domain.dossier import DossierSummary
from core.domain.forward_scores import ForwardScore
from core.domain.metrics import METRICS
from core.domain.promotions import Promotion
from core.domain.task import Task
from core.rules.data.training_set import learned_from
from core.rules.model.metric_comparison import amount, change, percent

MOST_VERSIONS = 10
"""The number of versions scored: the live one, then open candidates, then formerly live ones."""

MOST_BATCHES = 12
"""The number of newest batches on which versions are scored."""

NONE_NEWER = "no scored batch is newer than versions {} and {}"
"""What is said where two versions have no score on the same batch."""

FEWEST_ROWS = 20
"""The minimum number of rows for a score."""


def versions(
    live: Promotion | None, waiting: Iterable[Promotion], were_live: Iterable[Promotion]
) -> list[Promotion]:
    """The versions that are scored, the most important first, each once."""
    first = [live] if live else []
    by_version = {p.version: p for p in [*first, *waiting, *were_live] if p.dossier}
    return list(by_version.values())[:MOST_VERSIONS]


def newer(dossier: DossierSummary | None, batches: Iterable[Batch]) -> list[Batch]:
    """The batches that are newer than all training batches of a version, oldest first.

    A batch with the same content as a training batch is not new, for example after a restart of the
    source. Old dossiers do not name contents, so for these only batches of the same epoch can be
    new. For a version without a dossier the training batches are unknown, so no batch is new.
    """
    if dossier is None:
        return []
    last = max(dossier.batch_ids, default=None)
    if last is None:
        return []
    learned = learned_from(dossier)
    after = [b for b in batches if b.id > last and b.stored and not learned.has(b)]
    if dossier.learned is None:
        epochs = {batch.epoch for batch in dossier.batches}
        after = [b for b in after if b.epoch in epochs]
    return sorted(after, key=lambda b: b.id)


def due(
    versions: Sequence[Promotion], batches: Sequence[Batch], known: Iterable[ForwardScore]
) -> dict[int, list[Batch]]:
    """By version, the batches on which it has no score yet, oldest first."""
    latest = sorted(batches, key=lambda b: b.id)[-MOST_BATCHES:]
    scored = {(score.version, score.batch_id) for score in known}
    open_ = {
        p.version: [b for b in newer(p.dossier, latest) if (p.version, b.id) not in scored]
        for p in versions
    }
    return {version: missing for version, missing in open_.items() if missing}


def compared(
    candidate: Sequence[ForwardScore], live: Sequence[ForwardScore], primary: str, name: str
) -> str:
    """A sentence that compares both versions on the newest batch that both were scored on.

    `name` is that batch's, such as 1/5. Empty if there is no such batch; `NONE_NEWER` says so.
    """
    both = newest_of_both(candidate, live)
    if both is None:
        return ""
    mine, theirs = both
    metric, value, other = METRICS[primary].name, mine.metrics[primary], theirs.metrics[primary]
    return (
        f"Batch {name} is newer than versions {mine.version} and {theirs.version}: {metric} "
        f"{amount(primary, value)} against {amount(primary, other)} "
        f"({change(primary, value, other)}), on the same {mine.rows:,} rows."
    )


def newest_of_both(
    candidate: Sequence[ForwardScore], live: Sequence[ForwardScore]
) -> tuple[ForwardScore, ForwardScore] | None:
    """Both scores on the newest batch that both have metrics on; None if there is none."""
    theirs = {score.batch_id: score for score in live if score.metrics}
    mine = [score for score in candidate if score.metrics and score.batch_id in theirs]
    if not mine:
        return None
    last = max(mine, key=lambda score: score.batch_id)
    return last, theirs[last.batch_id]


def coverage(task: Task, approved: float | None, newest: float | None, name: str) -> str:
    """A sentence on the coverage on a batch, such as 1/5, and at the evaluation, or ""."""
    if newest is None:
        return ""
    what = "sets" if task.is_classifier else "interval"
    then = "was not recorded" if approved is None else f"was {percent(approved)}"
    return (
        f"The prediction {what} covered {percent(newest)} of the rows of batch {name}; at the "
        f"evaluation that share {then}."
    )
