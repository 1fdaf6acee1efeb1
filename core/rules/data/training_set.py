"""What a training learns from: its rows and its recipe, named together. Pure.

The same rows by the same recipe give the same model file, so a second training on one lesson makes
nothing new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import DossierSummary, Lesson, LessonBatch
from core.domain.promotions import Promotion

REVISIONS = {"boosting": 5, "place_boosting": 1}
"""The revision of each recipe; `boosting-1` named what is `place_boosting` today.

Raise it whenever the same rows would give another model; a test holds it to the recipe's
parameters.
"""

ANYWAY = "anyway"
"""The argument of a training that a person gave a reason for, though it makes nothing new."""

_ONLY_JUDGES = ("limits", "measure_limits", "drift", "added_later", "is_class")
"""What a column has that changes verdicts, or how batches are read, and no model."""

_ADDED = ("source", "parse", "default", "epoch", "zone", "features")
"""Keys that older datasets do not have; without them the digest stays what it was."""


def lesson(batches: Sequence[Batch], dataset: Dataset) -> Lesson:
    """The lesson that these batches are today."""
    contents = tuple(LessonBatch(b.id, _content(b)) for b in batches)
    training = dataset.training
    own = f"{training.recipe}:{training.own}"
    recipe = own if training.is_own else f"{training.recipe}-{REVISIONS[training.recipe]}"
    return Lesson(rows_digest(batches), recipe, revision(dataset), contents)


def rows_digest(batches: Iterable[Batch]) -> str:
    """Names the rows of these batches: the same numbers and contents give the same digest."""
    content = ",".join(f"{b.number}:{_content(b)}" for b in batches)
    return hashlib.sha256(content.encode()).hexdigest()


def _content(batch: Batch) -> str:
    """Names a batch's rows; those that left the quarantine later make it another content."""
    added = f"+{batch.read_again}" if batch.read_again else ""
    return f"{batch.content_hash}{added}"


def revision(dataset: Dataset) -> str:
    """A digest of everything in a dataset file that a model depends on; limits are not in it."""
    columns = [
        {
            name: value
            for name, value in asdict(c).items()
            if name not in _ONLY_JUDGES and not (name in _ADDED and value in ("", None, ()))
        }
        for c in dataset.columns
    ]
    parts: list[object] = [dataset.fit_on, columns]
    if dataset.task.is_classifier:
        parts += [dataset.task, dataset.positive]
    if (how := dataset.evaluation).by_time:  # by hash the digest stays what it was
        parts.append([how.split, how.time_column, how.share])
    if not dataset.training.typical_row:
        parts.append("no typical row")
    content = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Learned:
    """The batches that a version was trained on, by id and by content, for many questions."""

    ids: frozenset[int]
    contents: frozenset[str]

    def has(self, batch: Batch) -> bool:
        """Whether the version was trained on this batch, or on one with the same content."""
        has_content = bool(batch.content_hash) and _content(batch) in self.contents
        return has_content or batch.id in self.ids


def learned_from(dossier: DossierSummary | None) -> Learned:
    """What the version of a dossier was trained on; nothing if there is no dossier."""
    if dossier is None:
        return Learned(frozenset(), frozenset())
    contents = (b.content for b in dossier.learned.batches) if dossier.learned else ()
    return Learned(frozenset(dossier.batch_ids), frozenset(contents))


def same_as(wanted: Lesson, versions: Iterable[Promotion]) -> int | None:
    """The newest version that was trained on the same lesson, if there is one.

    None if the team's own code makes the model: it may have changed since.
    """
    if ":" in wanted.recipe:
        return None
    lessons = {p.version: p.dossier.learned for p in versions if p.dossier}
    same = (v for v, lesson in lessons.items() if lesson and lesson.key == wanted.key)
    return max(same, default=None)


def nothing_new(version: int) -> str:
    """What is said of a training whose lesson a version already learned."""
    return f"Same rows and recipe as version {version}: nothing new would come of it."
