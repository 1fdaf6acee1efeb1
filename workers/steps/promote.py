"""Promote: an approved version becomes the one that serving answers with, or all stays as it was.

Promoted means served: the alias moves, and then every replica of serving is asked which version it
answers with, from which file, and whether it gives the answers that the dossier foretold.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import (
    BadRow,
    DriftdeskError,
    IllegalTransition,
    ModelRefused,
    ServingUnavailable,
)
from core.notice import Event, promoted
from core.promotion import named
from core.records import Promotion, PromotionState
from core.registry import Registry
from core.remote import Serving
from workers.run import Run

_ASK_EVERY = 0.1
_TOLERANCE = 1e-6
"""How far an answer may be from the foretold one, relatively: other machines sum otherwise."""


@dataclass(frozen=True, slots=True)
class Promote:
    """What the step needs: the registry, serving, how long it may take, and how it is told."""

    registry: Registry
    serving: Serving
    seconds: float
    push_secret: str = ""

    def __call__(self, run: Run) -> None:
        """Move the alias, wait until every replica answers with the version, and say so.

        Raises:
            IllegalTransition: the promotion is not approved (any more).
            ModelRefused: the file is not the registered one, or serving will not serve it.
            ServingUnavailable: a replica did not take the version in time.
        """
        with run.store.read() as work:
            promotion = work.promotions.get(int(run.job.args["promotion_id"]))
            digest = promotion.dossier_digest
            golden = work.dossiers.get(digest).get("golden", []) if digest else []
        run.about(version=promotion.version)
        if promotion.state is not PromotionState.APPROVED:
            raise IllegalTransition(
                f"Version {promotion.version} is {promotion.state}, and only an approved one is "
                "promoted."
            )
        before: int | None = run.job.args.get("champion")
        try:
            self._serve(run, promotion, golden)
        except DriftdeskError as error:
            self._put_back(run, promotion, before, error)
            raise
        with run.store.begin() as work:
            run.fence(work)
            work.replicas.forget_gone()
            work.promotions.make_live(promotion)
            work.audit.add(
                promotion.decided_by,
                "live",
                f"version:{promotion.version}",
                reason=promotion.reason,
                details={
                    "job": run.job.id,
                    "before": before,
                    "action": run.job.args.get("action", "approve"),
                    "dossier": promotion.dossier_digest,
                },
            )
            note = f"Version {promotion.version} is live: every replica of serving said so."
            work.jobs.log(run.job.id, note)
            work.notify.add(Event.PROMOTED, f"version:{promotion.version}", promoted(promotion))
            run.complete(work, {"version": promotion.version, "before": before, "note": note})

    def _serve(self, run: Run, promotion: Promotion, golden: Sequence[Mapping[str, Any]]) -> None:
        run.progress(0.1, "checking the model file", always=True)
        self.registry.fetch(promotion.version)
        run.progress(0.3, "moving the alias", always=True)
        self.registry.set_champion(promotion.version)
        run.progress(0.5, "waiting for serving", always=True)
        self._push(run)
        deadline = time.monotonic() + self.seconds
        while waiting := self._behind(self._replicas(run), promotion, golden):
            if time.monotonic() > deadline:
                raise ServingUnavailable(
                    f"Serving did not answer with version {promotion.version} within "
                    f"{self.seconds:g} s: {'; '.join(waiting)}."
                )
            run.progress(0.6, f"waiting for serving: {waiting[0]}")
            time.sleep(_ASK_EVERY)

    def _replicas(self, run: Run) -> list[str]:
        """Every replica that must follow: those that were named, and those that say they live.

        They are looked up anew each time, so one that dies meanwhile holds nothing up.
        """
        with run.store.read() as work:
            alive = [replica.url for replica in work.replicas.alive()]
        return list(dict.fromkeys([*self.serving.urls, *alive]))

    def _push(self, run: Run) -> None:
        """Tell them to look at once. One that is not told finds out at its next look."""
        if self.push_secret:
            for url in self._replicas(run):
                self.serving.look(url, self.push_secret)

    def _behind(
        self, urls: Sequence[str], promotion: Promotion, golden: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """What keeps each replica from answering with this version; empty when all do.

        Raises:
            ModelRefused: a replica has looked at it and refuses, or answers with another file or
                otherwise than foretold.
        """
        waiting = []
        for url in urls:
            try:
                model = self.serving.state(url)
                refused = model.get("refused") or {}
                if refused.get("version") == promotion.version:
                    raise ModelRefused(
                        f"Serving refuses version {promotion.version}: {refused.get('reason')}"
                    )
                if model.get("version") != promotion.version:
                    waiting.append(f"{url} answers with version {model.get('version')}")
                    continue
                _check_file(promotion, model)
                self._check_answers(url, promotion, golden)
            except ServingUnavailable as error:
                waiting.append(str(error))
        return waiting

    def _check_answers(
        self, url: str, promotion: Promotion, golden: Sequence[Mapping[str, Any]]
    ) -> None:
        if not golden:
            return
        try:
            said = self.serving.check(url, [entry["row"] for entry in golden])
        except BadRow as error:
            raise ModelRefused(f"Serving does not take the dossier's requests: {error}") from error
        if said["model_version"] != promotion.version:
            raise ServingUnavailable(f"{url} answers with version {said['model_version']}")
        for entry, answer in zip(golden, said["predictions"], strict=True):
            if not math.isclose(entry["prediction"], answer, rel_tol=_TOLERANCE, abs_tol=1e-9):
                raise ModelRefused(
                    f"Serving at {url} answers {answer:g} where the dossier foretold "
                    f"{entry['prediction']:g}."
                )

    def _put_back(
        self, run: Run, promotion: Promotion, before: int | None, error: DriftdeskError
    ) -> None:
        """Let the alias name what it named before, and put the failure on record."""
        restored = False
        try:
            if self.registry.champion() != before:
                self.registry.set_champion(before)
            restored = True
            self._push(run)
            failure = f"{error} Restored: the registry names {named(before)} again."
        except DriftdeskError as worse:
            failure = f"{error} The alias could not be put back to {named(before)}: {worse}"
        versions = self._versions(run)
        with run.store.begin() as work:
            run.fence(work)
            work.promotions.fail(promotion, failure)
            work.audit.add(
                "driftdesk",
                "promotion failed",
                f"version:{promotion.version}",
                reason=failure,
                details={
                    "job": run.job.id,
                    "before": before,
                    "restored": restored,
                    "serving": versions,
                },
            )
            work.jobs.log(run.job.id, failure, "error")
            work.commit()

    def _versions(self, run: Run) -> dict[str, int | None]:
        """What each replica answers with, as far as it can be asked."""
        found: dict[str, int | None] = {}
        for url in self._replicas(run):
            try:
                found[url] = self.serving.model(url).get("version")
            except ServingUnavailable:
                found[url] = None
        return found


def _check_file(promotion: Promotion, model: Mapping[str, Any]) -> None:
    expected = promotion.dossier.get("digest")
    if expected and model.get("digest") != expected:
        raise ModelRefused(
            f"Serving answers with another file of version {promotion.version} than the one that "
            "was judged."
        )
