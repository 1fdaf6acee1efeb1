"""Judge: evaluate a version again, with today's champion and today's held-out rows.

A job that names another version only compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.adapters.mlflow.registry import Registry
from core.domain.dossier import Dossier
from core.domain.errors import MetricFailed
from core.domain.job_results import VersionJudged
from core.domain.jobs import AGAINST
from core.domain.promotions import Promotion, Verdict
from core.rules.model.promotion_states import decided_already
from core.rules.model.verdict_validity import recommend
from core.rules.ops.notification import Event, waiting
from workers.evidence import dossier
from workers.evidence.own_metrics import MetricLimits
from workers.evidence.training_data import MOST_EVALUATED, read
from workers.evidence.unseen_rows import on_newer_rows, unseen_by_both
from workers.runtime.job_run import Run
from workers.steps.compare_versions import CompareVersions


@dataclass(frozen=True, slots=True)
class Judge:
    """What the step needs: the registry, and the limits of an evaluation."""

    registry: Registry
    most_evaluated: int = MOST_EVALUATED
    metric_limits: MetricLimits = field(default_factory=MetricLimits)

    def __call__(self, run: Run) -> None:
        """Evaluate both models again, and replace the dossier of a version that is open.

        A version that was decided keeps the dossier that it was decided on; the new one is stored
        for reading.

        Raises:
            Missing: the version was never proposed, or the registry has lost it.
            ModelRefused: its file is not the one on record, or does not fit the rows.
            NothingToTrainOn: there are no rows to be judged by.
            MetricFailed: one of the team's own metrics has no value; nothing is replaced.
            RegistryUnavailable: MLflow is away.
        """
        if AGAINST in run.job.args:
            CompareVersions(self.registry, self.most_evaluated)(run)
            return
        with run.store.read() as work:
            promotion = work.promotions.of_version(int(run.job.args["version"]))
            requests = work.predictions.latest(200)
            live = work.promotions.live()
        run.about(version=promotion.version)
        run.progress(0.05, "reading rows", always=True)
        most = self.most_evaluated
        material = read(run.store, most_evaluated=most, features=False, check=run.check)
        run.progress(0.4, "fetching the models", always=True)
        candidate = dossier.load(
            self.registry,
            promotion.version,
            material.held_out,
            promotion.file_digest,
            task=material.dataset.task,
        )
        champion = dossier.load_champion(self.registry, material, live, promotion.version)
        judged = unseen_by_both(run.store, material, promotion.version, champion)
        if why := judged.champion.uncompared:
            run.say(why, "warning")
        if judged.note:
            run.say(judged.note)
        run.progress(0.6, "comparing", always=True)
        both = (promotion, candidate), (live, champion.model)
        first = promotion.dossier
        parity = first.parity if first else None
        with run.interruptible():
            evidence, verdict = dossier.make(
                judged.material,
                candidate,
                judged.champion,
                requests,
                job=run.job.id,
                parity=parity,
                after=judged.after,
                newer=on_newer_rows(run.store, material, *both, most),
                limits=self.metric_limits,
            )
        if problems := [own.problem for own in evidence.own_metrics if own.problem]:
            raise MetricFailed(f"{' '.join(problems)} The version keeps the dossier that it had.")
        if first:  # what the version was trained on does not change
            evidence = replace(
                evidence,
                learned=first.learned,
                data_digest=first.data_digest,
                batches=first.batches,
                training_rows=first.training_rows,
                split=first.split,
            )
        self._store(run, promotion, evidence, verdict)

    def _store(self, run: Run, promotion: Promotion, evidence: Dossier, verdict: Verdict) -> None:
        """Store the new dossier; a version that was decided keeps the one it had."""
        before, version = promotion.dossier_digest, promotion.version
        with run.store.begin() as work:
            run.fence(work)
            digest = work.dossiers.freeze(evidence)
            replaced = work.promotions.replace_evidence(promotion, verdict, evidence, digest)
            now = work.promotions.of_version(version)
            advice = recommend(now, work.promotions.live_version())
            note = f"Re-evaluated: {advice.standing}. {advice.says}"
            if replaced:
                work.audit.add(
                    run.job.actor,
                    "re-evaluate",
                    f"version:{version}",
                    reason=advice.says,
                    details={"dossier": digest, "before": before},
                )
                if now.verdict.promote != promotion.verdict.promote:
                    work.notifications.add(
                        Event.CANDIDATE, f"version:{version}", waiting(version, advice)
                    )
            else:
                note = (
                    f"The new dossier {digest[:12]} is kept for reading and takes no other's place."
                    f" {decided_already(now)} The new one says: {verdict.reasons[0]}"
                )
            work.jobs.log(run.job.id, note)
            reasons = (advice.says,) if replaced else (note,)
            run.complete(work, VersionJudged(version, verdict.promote, reasons))
