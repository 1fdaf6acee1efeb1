"""Promote: an approved version becomes the one that serving answers with, or all stays as it was.

Promoted means served: the alias moves, and then every replica of serving is asked which version it
answers with, from which file, and whether it gives the answers that the dossier foretold.

Each act outside the database is fenced: right before it the run asks the database whether it still
has the job. A run that was overtaken undoes nothing by its own memory; it compares the alias with
the record, as every run does at its end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.serving.replicas import Serving
from core.domain.audit_event import ITSELF
from core.domain.dossier import GoldenRow
from core.domain.errors import (
    BadRow,
    DriftdeskError,
    IllegalTransition,
    LeaseLost,
    ModelRefused,
    RegistryUnavailable,
    ServingUnavailable,
)
from core.domain.job_results import VersionPromoted
from core.domain.promotions import Promotion, PromotionState
from core.rules.model.golden import first_difference
from core.rules.model.promotion_states import named
from core.rules.ops.notification import Event, promoted
from core.usecases.alias_agreement import put_right
from core.usecases.open_candidates import renew
from workers.evidence.dossier import require_on_record
from workers.runtime.job_run import Run

_ASK_EVERY = 0.1

log = structlog.get_logger()


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
            LeaseLost: another run has taken over; what this one may have done late is put right.
        """
        try:
            self._promote(run)
        except LeaseLost:
            self._agree(run, f"An overtaken attempt of job {run.job.id} had moved it.")
            raise
        self._agree(run, f"It was moved while job {run.job.id} ended.")

    def _promote(self, run: Run) -> None:
        with run.store.read() as work:
            promotion = work.promotions.get(int(run.job.args["promotion_id"]))
            digest = promotion.dossier_digest
            golden = work.dossiers.get(digest).golden if digest else ()
        run.about(version=promotion.version)
        if promotion.state is not PromotionState.APPROVED:
            raise IllegalTransition(
                f"Version {promotion.version} is {promotion.state.value.lower()}, and only an "
                "approved one is promoted."
            )
        before: int | None = run.job.args.get("champion")
        try:
            self._serve(run, promotion, golden)
        except LeaseLost:  # the run that has the job owns the alias now
            raise
        except DriftdeskError as error:
            self._put_back(run, promotion, before, error)
            raise
        with run.store.begin() as work:
            run.fence(work)
            work.replicas.forget_gone()
            work.promotions.make_live(promotion)
            renew(work)
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
            note = f"Version {promotion.version} is live: every replica of serving confirmed it."
            work.jobs.log(run.job.id, note)
            work.notifications.add(
                Event.PROMOTED, f"version:{promotion.version}", promoted(promotion)
            )
            run.complete(work, VersionPromoted(promotion.version, before, note))

    def _serve(self, run: Run, promotion: Promotion, golden: Sequence[GoldenRow]) -> None:
        run.progress(0.1, "checking the model file", always=True)
        file = self.registry.fetch(promotion.version)
        require_on_record(promotion.version, digest_of(file), promotion.file_digest)
        run.progress(0.3, "moving the alias", always=True)
        self._move_alias(run, promotion.version)
        run.progress(0.5, "waiting for serving", always=True)
        deadline = time.monotonic() + self.seconds
        while waiting := self._unready(run, promotion, golden):
            if time.monotonic() > deadline:
                raise ServingUnavailable(
                    f"Serving did not answer with version {promotion.version} within "
                    f"{self.seconds:g} s: {'; '.join(waiting)}."
                )
            run.progress(0.6, f"waiting for serving: {waiting[0]}")
            time.sleep(_ASK_EVERY)

    def _move_alias(self, run: Run, version: int | None, *, wanted: bool = True) -> None:
        """Let the alias name the version and tell serving, each only while we have the job."""
        run.still_held(wanted=wanted)
        self.registry.set_champion(version)
        run.still_held(wanted=wanted)
        self._push(run)

    def _unready(self, run: Run, promotion: Promotion, golden: Sequence[GoldenRow]) -> list[str]:
        """What is still missing; an alias that was moved meanwhile is moved again."""
        waiting = self._behind(self._replicas(run), promotion, golden)
        try:
            alias = self.registry.champion()
            if alias != promotion.version:
                self._move_alias(run, promotion.version)
                waiting.append(f"the alias named {named(alias)} and was moved again")
        except RegistryUnavailable as error:
            waiting.append(str(error))
        return waiting

    def _agree(self, run: Run, why: str) -> None:
        """Put back an alias that does not name what the record says; the reconciler looks, too."""
        try:
            put_right(run.store, self.registry, lambda: self._push(run), why)
        except DriftdeskError as error:
            log.warning("cannot compare the alias with the record yet", reason=str(error))

    def _replicas(self, run: Run) -> list[str]:
        """Every replica that must follow: those that were named, and those that say they live.

        They are looked up each time, so a replica that died is not waited for.
        """
        with run.store.read() as work:
            alive = [replica.url for replica in work.replicas.alive()]
        return list(dict.fromkeys([*self.serving.urls, *alive]))

    def _push(self, run: Run) -> None:
        """Tell them to look at once. One that is not told finds out at its next look."""
        if self.push_secret:
            for url in self._replicas(run):
                self.serving.refresh(url, self.push_secret)

    def _behind(
        self, urls: Sequence[str], promotion: Promotion, golden: Sequence[GoldenRow]
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

    def _check_answers(self, url: str, promotion: Promotion, golden: Sequence[GoldenRow]) -> None:
        if not golden:
            return
        try:
            answers = self.serving.check(url, [entry.row for entry in golden])
        except BadRow as error:
            raise ModelRefused(f"Serving does not take the dossier's requests: {error}") from error
        if answers["model_version"] != promotion.version:
            raise ServingUnavailable(f"{url} answers with version {answers['model_version']}")
        difference = first_difference([e.prediction for e in golden], _predictions(answers))
        if difference:
            wanted, answer = difference
            raise ModelRefused(
                f"Serving at {url} answers {answer:g} where the dossier foretold {wanted:g}."
            )

    def _put_back(
        self, run: Run, promotion: Promotion, before: int | None, error: DriftdeskError
    ) -> None:
        """Let the alias name what is live, or what it named before if nothing is; tell why."""
        with run.store.read() as work:
            live = work.promotions.live()
        before = live.version if live else before
        restored = False
        try:
            if self.registry.champion() != before:
                self._move_alias(run, before, wanted=False)
            restored = True
            failure = f"{error} Restored: the registry names {named(before)} again."
        except LeaseLost:
            raise
        except DriftdeskError as worse:
            failure = f"{error} The alias could not be put back to {named(before)}: {worse}"
        versions = self._versions(run)
        with run.store.begin() as work:
            run.fence(work)
            work.promotions.fail(promotion, failure)
            work.audit.add(
                ITSELF,
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
        versions: dict[str, int | None] = {}
        for url in self._replicas(run):
            try:
                versions[url] = self.serving.model(url).get("version")
            except ServingUnavailable:
                versions[url] = None
        return versions


def _predictions(answers: Mapping[str, Any]) -> Sequence[float | Sequence[float]]:
    """Serving's answers in the dossier's form: numbers, or lists of probabilities in order."""
    if "probabilities" in answers:
        return [list(by_class.values()) for by_class in answers["probabilities"]]
    return list(answers["predictions"])


def _check_file(promotion: Promotion, model: Mapping[str, Any]) -> None:
    expected = promotion.file_digest
    if expected and model.get("digest") != expected:
        raise ModelRefused(
            f"Serving answers with another file of version {promotion.version} than the one that "
            "was judged."
        )
