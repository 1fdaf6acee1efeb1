"""Train: fit a candidate on the current epoch's rows, compare it with the champion, propose it.

Both are scored with the same runtime, as ONNX, on held-out rows of the current epoch that are
unseen by both: with a split by hash every version leaves the same rows out; with a split by time
only rows later than the training rows of both count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.onnx_runtime import ABOUT_KEY, GOLDEN_KEY, Runtime
from core.adapters.store import Work
from core.domain.dataset import Dataset
from core.domain.dossier import Dossier
from core.domain.errors import DecidedAlready, Missing, ModelRefused, Refused
from core.domain.job_results import NothingNew, VersionProposed
from core.domain.jobs import Job
from core.domain.promotions import Promotion, Verdict
from core.rules.data.training_set import ANYWAY, nothing_new
from core.rules.model.contract import METADATA_KEY, Contract
from core.rules.model.scoring import scoring_of
from core.rules.model.verdict_validity import Recommendation, recommend
from core.rules.ops.notification import Event, waiting
from core.usecases.batch_facts import already_learned
from core.usecases.batch_holds import note_trained_on_held
from core.usecases.decisions import approve
from core.usecases.open_candidates import renew
from workers.evidence import dossier
from workers.evidence.dossier import Model, load_champion
from workers.evidence.training_data import TrainingData, read
from workers.evidence.unseen_rows import unseen_by_both
from workers.recipes import export
from workers.recipes.port import Fitted
from workers.runtime.job_run import Run
from workers.steps.fit import TrainingLimits, fit, left_files, parity, spool_of


@dataclass(frozen=True, slots=True)
class Train:
    """What the step needs; good candidates promote themselves if it `promotes`."""

    dataset: Dataset
    registry: Registry
    promotes: bool
    submit: Callable[[int], None]
    limits: TrainingLimits = field(default_factory=TrainingLimits)

    def __call__(self, run: Run) -> None:
        """Fit, export, check, score, judge, register, propose.

        Raises:
            NothingToTrainOn: too few rows.
            ModelRefused: the exported model does not say what the fitted one says.
            RegistryUnavailable: MLflow is away; nothing was proposed.
            RegistryReplaced: MLflow would give the version a number that is on record already.
        """
        with run.store.read() as work:
            above = next((p.version for p in work.promotions.latest(1)), 0)
        run.progress(0.01, "asking MLflow for the next version", always=True)
        self.registry.require_ready(above)  # before minutes are spent on a fit for nothing
        run.progress(0.02, "reading rows", always=True)
        with spool_of(self.dataset) as spool:
            epoch = run.job.args.get("epoch")
            data = read(run.store, epoch, self.limits.evaluated, spool=spool, check=run.check)
            if self._is_known(run, data):
                return
            run.progress(0.1, f"fitting on {data.training_rows:,} rows", always=True)
            fitted, expected, contract = fit(run, data, self.limits)
        run.progress(0.45, "exporting to ONNX", always=True)
        with run.interruptible():
            model = fitted.to_onnx({METADATA_KEY: contract.to_json()})
            runtime = Runtime(model)
            predicted = runtime.predict(data.held_out)
            worst = parity(fitted, expected, predicted, data.held_out)
        run.progress(0.55, f"scoring on {len(data.actual):,} rows", always=True)
        with run.interruptible():
            scoring = scoring_of(self.dataset, data.actual, [contract])
            metrics = scoring.score(scoring.answers(contract, predicted))
            model, runtime = self._stamped((model, contract), data, predicted, metrics)
        if self._is_identical(run, digest_of(model)):
            return
        run.progress(0.6, "registering in MLflow", always=True)
        version = self.registry.publish(
            model,
            job=str(run.job.id),
            parameters=self._parameters(data, fitted, contract),
            metrics=metrics,
            tags={"driftdesk.dataset": self.dataset.name, "driftdesk.data": data.digest},
            signature=contract,
            requirements=("onnxruntime", "numpy"),
            above=above,
            fence=run.still_held,
            files=left_files(run, fitted),
        )
        run.about(version=version)
        run.progress(0.75, "comparing with the champion", always=True)
        with run.store.read() as work:
            requests = work.predictions.latest(200)
            live = work.promotions.live()
        champion = load_champion(self.registry, data, live)
        judged = unseen_by_both(run.store, data, None, champion)
        if why := judged.champion.uncompared:
            run.say(why, "warning")
        if judged.note:
            run.say(judged.note)
        candidate = Model(version, runtime, digest_of(model))
        with run.interruptible():
            evidence, verdict = dossier.make(
                judged.material,
                candidate,
                judged.champion,
                requests,
                job=run.job.id,
                parity=worst,
                learned=data.lesson,
                after=judged.after,
                predicted=predicted if judged.material is data else None,
                limits=self.limits.metrics,
            )
        self._keep_own_metrics(run, evidence)
        self._propose(run, evidence, verdict, data)

    def _keep_own_metrics(self, run: Run, evidence: Dossier) -> None:
        """Log the team's own metrics to MLflow; the job's log says which of them have no value.

        Raises:
            RegistryUnavailable: MLflow is away.
        """
        own = evidence.own_metrics
        for figure in own:
            if figure.problem:
                run.say(
                    f"{figure.problem} The version is proposed without this metric; correct it, "
                    "then re-evaluate the version.",
                    "warning",
                )
        if values := {f.key: f.candidate for f in own if f.candidate is not None}:
            run.still_held()
            self.registry.log_metrics(evidence.candidate.version, values)

    def _is_known(self, run: Run, data: TrainingData) -> bool:
        """End the job if a version was trained on the same already and no reason was given.

        It was asked when the job was queued; the rows may have been learned from since.
        """
        with run.store.read() as work:
            version = already_learned(work, data.lesson)
        if version is None:
            return False
        if run.job.args.get(ANYWAY):
            run.say(f"{nothing_new(version)} A reason was given, so it is trained all the same.")
            return False
        self._nothing_new(run, version, nothing_new(version))
        return True

    def _is_identical(self, run: Run, digest: str) -> bool:
        """End the job where a version on record has this very file, and the registry still has it.

        Raises:
            RegistryUnavailable: MLflow is away.
        """
        with run.store.read() as work:
            recorded = [p.version for p in work.promotions.of_file(digest)]
        version = next((v for v in recorded if self._is_there(v)), None)
        if version is None:
            return False
        note = f"The model is identical to version {version}, file for file; it is not proposed."
        self._nothing_new(run, version, note)
        return True

    def _is_there(self, version: int) -> bool:
        try:
            self.registry.fetch(version)
        except (Missing, ModelRefused):
            return False
        return True

    def _nothing_new(self, run: Run, version: int, note: str) -> None:
        with run.store.begin() as work:
            run.fence(work)
            work.jobs.log(run.job.id, note, "warning")
            run.complete(work, NothingNew(version, note))

    def _stamped(
        self,
        draft: tuple[bytes, Contract],
        data: TrainingData,
        predicted: NDArray[np.float64],
        metrics: dict[str, float],
    ) -> tuple[bytes, Runtime]:
        """The model file with its metadata and golden predictions; it depends on the rows only."""
        model, contract = draft
        about = data.facts | {"metrics": metrics}
        golden = [asdict(entry) for entry in dossier.golden(data, contract, predicted)]
        stamped = export.stamp(
            model, {ABOUT_KEY: json.dumps(about), GOLDEN_KEY: json.dumps(golden)}
        )
        runtime = Runtime(stamped)
        runtime.check_golden()
        return stamped, runtime

    def _parameters(self, data: TrainingData, fitted: Fitted, contract: Contract) -> dict[str, Any]:
        batches = ",".join(str(b.number) for b in data.batches)
        threshold = {} if contract.threshold is None else {"threshold": contract.threshold}
        return threshold | data.facts | {"batches": batches} | dict(fitted.parameters)

    def _propose(self, run: Run, evidence: Dossier, verdict: Verdict, data: TrainingData) -> None:
        version, alias = evidence.candidate.version, self.registry.champion()
        promote = None
        with run.store.begin() as work:
            run.fence(work)
            _require_unrecorded(work, version)
            work.batches.add_profile("model", version, data.profiles)
            work.lineage.trained(version, (b.id for b in data.batches))
            # What was held while the training ran is in it all the same.
            batches = (work.batches.get(b.id) for b in data.batches)
            held = [batch for batch in batches if batch.is_held]
            note_trained_on_held(work, version, held, run.job.actor)
            digest = work.dossiers.freeze(evidence)
            promotion = work.promotions.propose(
                version, verdict, evidence, run.job.actor, digest=digest
            )
            # What is live may have changed since the comparison.
            advice = recommend(promotion, work.promotions.live_version())
            work.audit.add(
                run.job.actor,
                "propose",
                f"version:{version}",
                reason=advice.says,
                details={
                    "job": run.job.id,
                    "recommended": verdict.promote,
                    "dossier": digest,
                },
            )
            work.notifications.add(Event.CANDIDATE, f"version:{version}", waiting(version, advice))
            work.jobs.log(run.job.id, f"Version {version} is proposed. {advice.says}")
            if self.promotes:
                promote = self._promote_unasked(run, work, promotion, advice, alias)
            renew(work)
            run.complete(
                work,
                VersionProposed(
                    version,
                    verdict.promote,
                    (advice.says,),
                    evidence.candidate.metrics,
                    promote.id if promote else None,
                ),
            )
        if promote:
            self.submit(promote.id)

    def _promote_unasked(
        self,
        run: Run,
        work: Work,
        promotion: Promotion,
        advice: Recommendation,
        alias: int | None,
    ) -> Job | None:
        """Under PROMOTION=auto, approve what a person could approve without force."""
        try:
            with work.attempt():
                return approve(
                    work,
                    promotion.version,
                    actor="auto",
                    champion=alias,
                    digest=promotion.dossier_digest,
                    reason=f"PROMOTION=auto: {advice.says}",
                )
        except Refused as obstacle:
            says = f"PROMOTION=auto leaves version {promotion.version} to a person. {obstacle}"
            work.jobs.log(run.job.id, says)
            return None


def _require_unrecorded(work: Work, version: int) -> None:
    """Let pass if the version is not on record: it may have been judged as an outside one.

    Raises:
        DecidedAlready: it is.
    """
    with suppress(Missing):
        recorded = work.promotions.of_version(version)
        raise DecidedAlready(
            f"Version {version} is on record already, proposed by {recorded.proposed_by}: this "
            "training's evidence was not kept. Re-evaluate that version, or train again."
        )
