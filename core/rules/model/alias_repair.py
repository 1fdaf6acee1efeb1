"""What to do about the registry's alias when it does not name what the record says. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from core.rules.model.promotion_states import named


class Remedy(StrEnum):
    """What follows from comparing the alias with the record."""

    NOTHING = "nothing"
    """They agree."""

    PUT_BACK = "put back"
    """The alias is set to what the record says."""

    TELL = "tell"
    """The alias stays as it is, and a person is told."""


def remedy(alias: int | None, live: int | None, *, is_ours: bool) -> Remedy:
    """Compare the version that the alias names with the one that the record says is live.

    What serving answers with is what was decided, so the record wins. One exception: nothing was
    ever decided here, and the alias names a version that this desk has never judged (`is_ours` is
    false). Then it was served before driftdesk was set up; taking it away would stop serving.
    """
    if alias == live:
        return Remedy.NOTHING
    if live is None and not is_ours:
        return Remedy.TELL
    return Remedy.PUT_BACK


@dataclass(frozen=True, slots=True)
class Difference:
    """How the alias differs from the record, and what a person can do about it.

    `can_put_back` says whether the alias can be set to the live version.
    """

    says: str
    todo: str
    can_put_back: bool


def difference(
    model: str, alias: int | None, live: int | None, registered: Collection[int]
) -> Difference | None:
    """The difference between alias and record, or None.

    `registered` are the versions of `model` that MLflow has. A live version that is not among them
    can be neither put back nor forced.
    """
    if live is not None and live not in registered:
        return Difference(
            f"Version {live} is live on record, but MLflow has no version {live} of {model}: it "
            "was deleted there, or the registered model was renamed, deleted or replaced. Serving "
            "keeps its own copy.",
            "Give the registered model its old name back, or restore MLflow's database. If version "
            f"{live} is lost for good, approve or force another one, or train a new one.",
            can_put_back=False,
        )
    if alias == live:
        return None
    says = (
        f"The registry names {named(alias)} as champion, but {named(live)} was decided here. "
        "Somebody changed the alias in MLflow."
    )
    if live is None:
        todo = f"Force version {alias} to have it on record, or delete the alias in MLflow."
        return Difference(says, todo, can_put_back=False)
    todo = (
        "The reconciler puts it back within minutes: start it if it does not run (python -m "
        "workers reconcile). The page Promotion puts it back at once."
    )
    return Difference(says, todo, can_put_back=True)
