"""One transaction over all datasets: what the whole desk asks, and which datasets it knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from core.adapters.store.audit import Audit
from core.adapters.store.part import Part
from core.domain.fleet import Cost, FleetFacts, Hit, KnownDataset, OpenJob
from core.domain.jobs import JobKind
from core.rules.access.roles import Actor


class DeskWork(Part):
    """The questions about all datasets, bound to one transaction.

    `audit` is the trail of the whole desk: `audit.add(..., dataset=NAME)`, "" for a fact of the
    whole desk; `audit.latest(..., datasets=[...])`, of all without it.
    """

    def __init__(self, connection: sa.Connection, now: datetime, by: Actor | None = None) -> None:
        super().__init__(connection, now)
        self.now = now
        self.audit = Audit(connection, now, by)

    def dataset_of_job(self, job_id: int) -> str:
        """The name of the job's dataset.

        Raises:
            Missing: there is no such job.
        """
        raise NotImplementedError

    def dataset_of_prediction(self, prediction_id: str) -> str | None:
        """The name of the dataset that a recorded prediction belongs to, or None."""
        raise NotImplementedError

    def fleet(self, names: Collection[str]) -> dict[str, FleetFacts]:
        """The facts about each of these datasets, in a fixed number of queries."""
        raise NotImplementedError

    def queued_or_waiting(self, kinds: Collection[JobKind] = ()) -> list[OpenJob]:
        """The open jobs of these kinds, of all kinds without any; oldest request first."""
        raise NotImplementedError

    def costs(self, names: Collection[str]) -> dict[str, Cost]:
        """What each of these datasets costs."""
        raise NotImplementedError

    def search(self, text: str, titles: Mapping[str, str], limit: int = 20) -> list[Hit]:
        """What the text names in these datasets, given as name and title; at most `limit` hits."""
        raise NotImplementedError

    def known(self) -> dict[str, KnownDataset]:
        """Every dataset that was ever seen, by name."""
        raise NotImplementedError

    def saw(self, name: str, digest: str, actor: str = "driftdesk") -> bool:
        """Record the digest of a dataset's file; returns whether it is new or changed.

        A changed digest is on record as `revise dataset`, the first one is not.
        """
        raise NotImplementedError

    def disable(self, name: str, by: str, reason: str) -> KnownDataset:
        """Disable a dataset; on record as `disable dataset`.

        Raises:
            Missing: it was never seen.
            DecidedAlready: it is disabled.
        """
        raise NotImplementedError

    def enable(self, name: str, by: str) -> KnownDataset:
        """Enable a dataset; on record as `enable dataset`.

        Raises:
            Missing: it was never seen.
            DecidedAlready: it is not disabled.
        """
        raise NotImplementedError
