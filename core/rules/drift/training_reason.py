"""Why a training needs a person's reason: one rule for every page and command. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.rules.drift.batch_verdict import BatchVerdict, Stand


def why_a_reason(
    verdicts: Sequence[BatchVerdict], same_as: int | None, earlier_epoch: int | None = None
) -> str:
    """Why training needs a person's reason; empty if the data justifies it.

    `verdicts` are of the current epoch's batches, newest first; `same_as` is the version that was
    trained on the same rows by the same recipe, if any. `earlier_epoch` is the epoch that is to be
    trained on, if it is not the current one.
    """
    reasons = []
    if earlier_epoch is not None:
        reasons.append(f"Epoch {earlier_epoch} is not the current one.")
    if same_as is not None:
        reasons.append(
            f"The rows and the recipe are those of version {same_as}, so training again gives "
            "the same model."
        )
    return " ".join(reasons) or _of_current(verdicts)


def _of_current(verdicts: Sequence[BatchVerdict]) -> str:
    broken = next((v for v in verdicts if v.stand is Stand.BROKEN and v.is_current), None)
    if broken:
        return f"{broken.title}: {broken.detail}"
    if not verdicts or any(v.asks for v in verdicts):
        return ""
    return verdicts[0].sentence
