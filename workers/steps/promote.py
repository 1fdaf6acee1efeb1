"""Promote: an approved version becomes the one that serving answers with, or all stays as it was.

Promoted means served: the alias moves, and then serving itself is asked which version answers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.errors import DriftdeskError, IllegalTransition, ModelRefused, ServingUnavailable
from core.notice import Event, promoted
from core.records import Promotion, PromotionState
from core.registry import Registry
from core.remote import Serving
from workers.run import Run

_ASK_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Promote:
    """What the step needs: the registry, the serving replicas, and how long they may take."""

    registry: Registry
    serving: Serving
    seconds: float

    def __call__(self, run: Run) -> None:
        """Move the alias, wait until every replica answers with the version, and say so.

        Raises:
            IllegalTransition: the promotion is not approved (any more).
            ModelRefused: the file is not the registered one, or serving will not serve it.
            ServingUnavailable: a replica did not take the version in time.
        """
        with run.store.read() as work:
            promotion = work.promotions.get(int(run.job.args["promotion_id"]))
        if promotion.state is not PromotionState.APPROVED:
            raise IllegalTransition(
                f"Version {promotion.version} is {promotion.state}, and only an approved one is "
                "promoted."
            )
        before: int | None = run.job.args.get("champion")
        try:
            self._serve(run, promotion)
        except DriftdeskError as error:
            self._put_back(run, promotion, before, error)
            raise
        with run.store.begin() as work:
            run.fence(work)
            work.promotions.make_live(promotion)
            work.audit.add(
                promotion.decided_by,
                "live",
                f"version:{promotion.version}",
                details={"job": run.job.id, "before": before},
            )
            work.jobs.log(run.job.id, f"Version {promotion.version} is live.")
            work.notify.add(Event.PROMOTED, f"version:{promotion.version}", promoted(promotion))
            run.complete(work, {"version": promotion.version, "before": before})

    def _serve(self, run: Run, promotion: Promotion) -> None:
        run.progress(0.1, "checking the model file", always=True)
        self.registry.fetch(promotion.version)
        run.progress(0.3, "moving the alias", always=True)
        self.registry.set_champion(promotion.version)
        run.progress(0.5, "waiting for serving", always=True)
        deadline = time.monotonic() + self.seconds
        while waiting := self._behind(promotion.version):
            if time.monotonic() > deadline:
                raise ServingUnavailable(
                    f"Serving did not answer with version {promotion.version} within "
                    f"{self.seconds:g} s: {'; '.join(waiting)}."
                )
            run.progress(0.6, f"waiting for serving: {waiting[0]}")
            time.sleep(_ASK_EVERY)

    def _behind(self, version: int) -> list[str]:
        """What keeps each replica from answering with this version; empty when all do.

        Raises:
            ModelRefused: a replica has looked at it and refuses.
        """
        waiting = []
        for url in self.serving.urls:
            try:
                model = self.serving.model(url)
            except ServingUnavailable as error:
                waiting.append(str(error))
                continue
            refused = model.get("refused") or {}
            if refused.get("version") == version:
                raise ModelRefused(f"Serving refuses version {version}: {refused.get('reason')}")
            if model.get("version") != version:
                waiting.append(f"{url} answers with version {model.get('version')}")
        return waiting

    def _put_back(
        self, run: Run, promotion: Promotion, before: int | None, error: DriftdeskError
    ) -> None:
        """Let the alias name what it named before, and put the failure on record."""
        restored = "nothing" if before is None else f"version {before}"
        try:
            if self.registry.champion() != before:
                self.registry.set_champion(before)
            failure = f"{error} The alias names {restored} again."
        except DriftdeskError as worse:
            failure = f"{error} The alias could not be put back to {restored}: {worse}"
        with run.store.begin() as work:
            run.fence(work)
            work.promotions.fail(promotion, failure)
            work.audit.add(
                "driftdesk",
                "promotion failed",
                f"version:{promotion.version}",
                reason=failure,
                details={"job": run.job.id, "before": before},
            )
            work.jobs.log(run.job.id, failure, "error")
            work.commit()
