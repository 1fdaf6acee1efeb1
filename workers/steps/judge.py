"""Judge: a version's dossier made anew, against today's champion and today's held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

from core.records import Promotion
from core.registry import Registry
from workers import dossier
from workers.material import read
from workers.run import Run


@dataclass(frozen=True, slots=True)
class Judge:
    """What the step needs: the registry."""

    registry: Registry

    def __call__(self, run: Run) -> None:
        """Ask both models again, and put the new dossier in the place of the old one.

        Raises:
            Missing: the version was never proposed, or the registry has lost it.
            ModelRefused: its file is not the registered one, or does not fit the rows.
            NothingToTrainOn: there are no rows to be judged by.
            RegistryUnavailable: MLflow is away.
        """
        with run.store.read() as work:
            promotion = work.promotions.of_version(int(run.job.args["version"]))
            requests = work.predictions.latest(200)
        run.about(version=promotion.version)
        run.progress(0.05, "reading rows", always=True)
        material = read(run.store)
        run.progress(0.4, "fetching the models", always=True)
        candidate = dossier.load(self.registry, promotion.version, material)
        champion, why_not = dossier.load_champion(self.registry, material)
        if why_not:
            run.say(why_not, "warning")
        if champion and champion.version == promotion.version:
            champion = None
        run.progress(0.6, "comparing", always=True)
        about = {"job": run.job.id, "parity": promotion.dossier.get("parity")}
        with run.interruptible():
            made = dossier.make(material, candidate, champion, requests, about)
        self._keep(run, promotion, made)

    def _keep(self, run: Run, promotion: Promotion, made: dossier.Dossier) -> None:
        with run.store.begin() as work:
            run.fence(work)
            digest = work.dossiers.freeze(promotion.version, made.content)
            work.promotions.judge_anew(promotion, made.verdict, made.short, digest)
            work.audit.add(
                run.job.actor,
                "judge anew",
                f"version:{promotion.version}",
                reason=made.verdict.reasons[0],
                details={"dossier": digest, "before": promotion.dossier_digest},
            )
            work.jobs.log(run.job.id, f"Judged anew. {made.verdict.reasons[0]}")
            run.complete(
                work,
                {
                    "judged": promotion.version,
                    "recommended": made.verdict.promote,
                    "reasons": list(made.verdict.reasons),
                },
            )
