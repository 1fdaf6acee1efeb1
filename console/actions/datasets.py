"""Disable a dataset, so that it runs nothing, and enable it again."""

from __future__ import annotations

from console.actions.access import needs
from console.desk import Desk
from core.domain.fleet import KnownDataset
from core.platform.dataset_folder import DatasetFolder
from core.rules.access.roles import Actor, Right
from core.rules.model.promotion_states import require_reason


@needs(Right.MANAGE)
def disable(desk: Desk, actor: Actor, *, reason: str) -> KnownDataset:
    """Stop jobs, schedules and duties of the dataset; its champion still answers.

    Raises:
        NotAllowed: the actor may not manage this dataset.
        ReasonRequired: no reason was given.
        DecidedAlready: it is disabled.
    """
    name = desk.dataset.name
    reason = require_reason(reason, "disabling a dataset")
    with desk.store.desk_transaction(actor) as work:
        if name not in work.known():
            work.saw(name, _digest(desk))
        return work.disable(name, actor.name, reason)


@needs(Right.MANAGE)
def enable(desk: Desk, actor: Actor) -> KnownDataset:
    """Let a disabled dataset run again; the jobs that waited go on.

    Raises:
        NotAllowed: the actor may not manage this dataset.
        Missing: it was never disabled.
        DecidedAlready: it is enabled.
    """
    with desk.store.desk_transaction(actor) as work:
        return work.enable(desk.dataset.name, actor.name)


def _digest(desk: Desk) -> str:
    """The digest of the dataset's file, which the desk has not seen yet."""
    files = DatasetFolder(desk.settings).read().files
    return next((f.digest for f in files if f.dataset and f.dataset.name == desk.dataset.name), "")
