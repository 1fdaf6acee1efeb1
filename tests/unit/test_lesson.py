"""What a lesson is named by: rows, recipe and dataset file; and who learned from a batch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from core.domain.batches import Batch, BatchState
from core.domain.dossier import TrainingBatch
from core.rules.data.training_set import REVISIONS, learned_from, lesson, revision
from tests import build
from tests.build import NOON, small_dataset
from workers.recipes import boosting
from workers.recipes.place_boosting import fit


def batch(id: int, number: int, content: str, epoch: int = 1) -> Batch:  # noqa: A002 - the field's name
    return Batch(id, epoch, BatchState.STORED, number, content, "s", 1, NOON)


def test_a_recipe_has_a_new_revision_whenever_its_parameters_change() -> None:
    """Raise the number in `core.rules.data.training_set.REVISIONS`; then write the digest here."""
    of_places = [
        fit.RECIPE, fit.FITS, fit.SAMPLE_WEIGHT_POWER, fit.HUBER_K, fit.INIT_SHARE,
        fit.CLIP_QUANTILE,
    ]  # fmt: skip
    of_any = [
        boosting.BOOSTING, boosting.EARLY_STOPPING, boosting.EARLY_STOPPING_FROM,
        boosting.ONE_HOT_UP_TO, boosting.FOLDS, boosting.TREES, boosting.CHOOSING_FOLDS,
        boosting.PATIENCE,
    ]  # fmt: skip
    digests = {"boosting": digest(of_any), "place_boosting": digest(of_places)}
    assert (REVISIONS, digests) == (
        {"boosting": 5, "place_boosting": 1},
        {"boosting": "f374e81883d19f99", "place_boosting": "8553f7d8c245b734"},
    )


def digest(parameters: object) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]


def test_rows_recipe_and_dataset_file_make_the_lesson() -> None:
    data = small_dataset()
    one, two = batch(1, 0, "a"), batch(2, 1, "b")
    known = lesson([one, two], data)
    assert known.key == lesson([batch(8, 0, "a", epoch=2), batch(9, 1, "b", epoch=2)], data).key
    assert known.key != lesson([one], data).key
    assert known.key != lesson([one, batch(2, 1, "c")], data).key
    assert known.key != lesson([one, two], small_dataset(fit_on="log")).key


def test_a_limit_makes_no_other_lesson() -> None:
    data = small_dataset()
    first, *rest = data.columns
    judged = replace(first, limits=dict.fromkeys(first.limits, 9.0), drift=not first.drift)
    assert revision(data) == revision(replace(data, columns=(judged, *rest)))
    bounded = replace(first, at_most=5.0)
    assert revision(data) != revision(replace(data, columns=(bounded, *rest)))


def test_a_batch_was_learned_from_by_its_id_or_by_its_content() -> None:
    batches = (TrainingBatch(7, 1, 1, 100),)
    dossier = build.dossier(1, batches=batches, learned=lesson([batch(1, 0, "a")], small_dataset()))
    assert learned_from(dossier).has(batch(1, 0, "a"))
    assert learned_from(dossier).has(batch(12, 0, "a", epoch=2))
    assert not learned_from(dossier).has(batch(7, 1, "b"))
    old = build.dossier(1, batches=batches)  # made before lessons were recorded
    assert learned_from(old).has(batch(7, 1, "b"))
    assert not learned_from(old).has(batch(8, 1, "b"))
