"""Train: the current epoch's rows to a candidate, judged against the champion and proposed.

Both are scored through the same runtime, as ONNX, on the held-out rows of the current epoch.
The split is by row content, so those rows are unseen by every version ever trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from numpy.typing import NDArray

from core.contract import METADATA_KEY, Contract, describe
from core.dataset import Dataset
from core.decisions import approve
from core.evidence import score
from core.interval import calibrate
from core.notice import Event, waiting
from core.promotion import is_best
from core.records import ColumnProfile
from core.registry import Registry, digest_of
from core.runtime import ABOUT_KEY, GOLDEN_KEY, Runtime
from core.store import Work
from workers import dossier, export, training
from workers.dossier import Dossier, Model, load_champion
from workers.material import Material, read
from workers.run import Run

_REQUIREMENTS = ("onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class Train:
    """What the step needs: dataset and registry, and whether good candidates promote themselves."""

    dataset: Dataset
    registry: Registry
    promotes: bool
    submit: Callable[[int], None]

    def __call__(self, run: Run) -> None:
        """Fit, export, check, score, judge, register, propose.

        Raises:
            NothingToTrainOn: too few rows.
            ModelRefused: the exported model does not say what the fitted one says.
            RegistryUnavailable: MLflow is away; nothing was proposed.
        """
        run.progress(0.02, "reading rows", always=True)
        material = read(run.store)
        run.progress(0.1, f"fitting on {material.training_rows:,} rows", always=True)
        with run.interruptible():
            fitted = training.fit(material.training, self.dataset)
        run.progress(0.45, "exporting to ONNX", always=True)
        contract = self._contract(material, fitted)
        with run.interruptible():
            model = export.to_onnx(fitted, self.dataset, {METADATA_KEY: contract.to_json()})
            runtime = Runtime(model)
            worst = export.check_parity(runtime, fitted, material.held_out)
        run.progress(0.55, f"scoring on {len(material.actual):,} rows", always=True)
        with run.interruptible():
            predicted = runtime.predict(material.held_out)
            metrics = score(material.actual, predicted)
            model, runtime = self._stamped((model, contract), material, predicted, metrics)
        run.progress(0.6, "registering in MLflow", always=True)
        version = self.registry.publish(
            model,
            job=str(run.job.id),
            parameters=self._parameters(material, fitted),
            metrics=metrics,
            tags={"driftdesk.dataset": self.dataset.name, "driftdesk.data": material.digest},
            signature=_signature(contract, self.dataset),
            requirements=_REQUIREMENTS,
        )
        run.about(version=version)
        run.progress(0.75, "comparing with the champion", always=True)
        champion, why_not = load_champion(self.registry, material)
        if why_not:
            run.say(why_not, "warning")
        with run.store.read() as work:
            requests = work.predictions.latest(200)
        about = {"job": run.job.id, "parity": worst}
        candidate = Model(version, runtime, digest_of(model))
        with run.interruptible():
            made = dossier.make(material, candidate, champion, requests, about)
        self._propose(run, version, made, material.profiles)

    def _contract(self, material: Material, fitted: training.Fitted) -> Contract:
        """What the model takes, with the range around its answers where rows suffice for one."""
        contract = describe(self.dataset, material.profiles)
        if not len(material.actual):
            return contract
        grids = {p.column: p.grid for p in material.profiles}
        interval = calibrate(
            material.actual,
            fitted.predict(material.held_out),
            material.held_out_hashes,
            levels=grids.get(self.dataset.target.name, ()),
            on_log=fitted.on_log,
            floor=self.dataset.target.minimum,
        )
        return replace(contract, interval=interval)

    def _stamped(
        self,
        draft: tuple[bytes, Contract],
        material: Material,
        predicted: NDArray[np.float64],
        metrics: dict[str, float],
    ) -> tuple[bytes, Runtime]:
        """The file with what it is to say of itself, and the answers that it must always give.

        All of it follows from the rows, so the same rows still give the same file.
        """
        model, contract = draft
        about = {
            "epoch": material.batches[0].epoch if material.batches else 0,
            "batches": [b.number for b in material.batches],
            "training_rows": material.training_rows,
            "held_out_rows": len(material.actual),
            "data_digest": material.digest,
            "metrics": metrics,
        }
        golden = dossier.golden(material, contract, predicted)
        stamped = export.stamp(
            model, {ABOUT_KEY: json.dumps(about), GOLDEN_KEY: json.dumps(golden)}
        )
        runtime = Runtime(stamped)
        runtime.check_golden()
        return stamped, runtime

    def _parameters(self, material: Material, fitted: training.Fitted) -> dict[str, Any]:
        return {
            "batches": ",".join(str(b.number) for b in material.batches),
            "epoch": material.batches[0].epoch if material.batches else 0,
            "training_rows": material.training_rows,
            "held_out_rows": len(material.actual),
            "data_digest": material.digest,
            **training.parameters(fitted),
        }

    def _propose(
        self,
        run: Run,
        version: int,
        made: Dossier,
        profiles: tuple[ColumnProfile, ...],
    ) -> None:
        champion = self.registry.champion()
        verdict = made.verdict
        promote = None
        with run.store.begin() as work:
            run.fence(work)
            work.batches.add_profile("model", version, profiles)
            digest = work.dossiers.freeze(version, made.content)
            work.promotions.propose(version, verdict, made.short, run.job.actor, digest=digest)
            work.audit.add(
                run.job.actor,
                "propose",
                f"version:{version}",
                reason=verdict.reasons[0],
                details={
                    "job": run.job.id,
                    "recommended": verdict.promote,
                    "dossier": digest,
                },
            )
            work.notify.add(Event.CANDIDATE, f"version:{version}", waiting(version, verdict))
            current = made.content["champion"]
            unmoved = champion == (current["version"] if current else None)
            if self.promotes and is_best(verdict) and unmoved and not _is_promoting(work):
                promote = approve(
                    work,
                    version,
                    actor="auto",
                    champion=champion,
                    digest=digest,
                    reason="PROMOTION=auto: " + verdict.reasons[0],
                )
            work.jobs.log(run.job.id, f"Version {version} is proposed. {verdict.reasons[0]}")
            run.complete(
                work,
                {
                    "version": version,
                    "recommended": verdict.promote,
                    "reasons": list(verdict.reasons),
                    "metrics": made.content["candidate"]["metrics"],
                    "promote_job": promote.id if promote else None,
                },
            )
        if promote:
            self.submit(promote.id)


def _is_promoting(work: Work) -> bool:
    return any(job.kind == "promote" for job in work.jobs.open())


def _signature(contract: Contract, dataset: Dataset) -> ModelSignature:
    texts = {c.name for c in dataset.features if c.is_text}
    return ModelSignature(
        inputs=Schema(
            [
                ColSpec("string" if f.name in texts else "float", f.name, required=not f.nullable)
                for f in contract.fields
            ]
        ),
        outputs=Schema([ColSpec("float", "prediction")]),
    )
