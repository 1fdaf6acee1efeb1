"""Train: the current epoch's rows to a candidate, judged against the champion and proposed.

Both are scored through the same runtime, as ONNX, on the held-out rows of the current epoch.
The split is by row content, so those rows are unseen by every version ever trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from core.contract import METADATA_KEY, Contract, describe
from core.dataset import Dataset
from core.decisions import approve
from core.errors import Missing, ModelRefused, NothingToTrainOn
from core.explain import TREES_KEY
from core.interval import calibrate
from core.profile import Profiler
from core.promotion import judge
from core.records import Batch, ColumnProfile, Score, Verdict
from core.registry import Registry, digest_of
from core.runtime import Runtime
from core.split import row_hash
from core.store import Work
from workers import export, training, trees
from workers.run import Run

_REQUIREMENTS = ("onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to train on and to be judged by, read at one moment."""

    batches: list[Batch]
    training: Mapping[str, Any]
    held_out: Mapping[str, Any]
    profiles: tuple[ColumnProfile, ...]

    @property
    def digest(self) -> str:
        """Names the rows: the same batches give the same digest."""
        content = ",".join(f"{b.number}:{b.content_hash}" for b in self.batches)
        return hashlib.sha256(content.encode()).hexdigest()


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
        material = self._read(run)
        target = self.dataset.target.name
        run.progress(0.1, f"fitting on {len(material.training[target]):,} rows", always=True)
        with run.interruptible():
            fitted = training.fit(material.training, self.dataset)
        run.progress(0.5, "exporting to ONNX", always=True)
        contract = self._contract(material, fitted)
        tables = trees.tables(fitted)
        metadata = {METADATA_KEY: contract.to_json()}
        if tables.is_explainable():
            metadata[TREES_KEY] = tables.to_text()
        else:
            run.say("Too many columns hang together: answers cannot be explained.", "warning")
        with run.interruptible():
            model = export.to_onnx(fitted, self.dataset, metadata)
            runtime = Runtime(model)
            worst = export.check_parity(runtime, fitted, material.held_out)
            trees.check_sum(runtime, material.held_out)
        run.progress(0.65, f"scoring on {len(material.held_out[target]):,} rows", always=True)
        metrics = self._score(runtime, material)
        champion = self._champion(run, material)
        run.progress(0.75, "registering in MLflow", always=True)
        version = self.registry.publish(
            model,
            job=str(run.job.id),
            parameters=self._parameters(material, fitted),
            metrics=metrics,
            tags={"driftdesk.dataset": self.dataset.name, "driftdesk.data": material.digest},
            signature=_signature(contract, self.dataset),
            requirements=_REQUIREMENTS,
        )
        candidate = Score(version, len(material.held_out[target]), metrics)
        verdict = judge(candidate, champion, self.dataset)
        dossier = self._dossier(
            run, material, candidate, champion, digest=digest_of(model), worst=worst
        )
        self._propose(run, version, verdict, dossier, material.profiles)

    def _read(self, run: Run) -> Material:
        names = [*(c.name for c in self.dataset.features), self.dataset.target.name]
        with run.store.read() as work:
            epoch = work.batches.epoch()
            if epoch is None:
                raise NothingToTrainOn("No batch has been stored yet. Ingest one first.")
            batches = work.batches.stored(epoch.number)
            training_rows = work.rows.columns(names, held_out=False)
            held_out = work.rows.columns(names, held_out=True)
        training_rows = _usable(training_rows, self.dataset)
        held_out = _usable(held_out, self.dataset)
        profiler = Profiler(self.dataset)
        for name, values in training_rows.items():
            is_text = self.dataset.column(name).is_text
            profiler.add(name, [v or None for v in values] if is_text else values)
        seen = [p for p in profiler.finish() if p.count + p.nulls]
        return Material(batches, training_rows, held_out, tuple(seen))

    def _contract(self, material: Material, fitted: training.Fitted) -> Contract:
        """What the model takes, with the range around its answers where rows suffice for one."""
        contract = describe(self.dataset, material.profiles)
        rows, target = material.held_out, self.dataset.target
        if not len(rows[target.name]):
            return contract
        grids = {p.column: p.grid for p in material.profiles}
        interval = calibrate(
            rows[target.name],
            fitted.predict(rows),
            row_hash(rows, self.dataset),
            levels=grids.get(target.name, ()),
            on_log=fitted.on_log,
            floor=target.minimum,
        )
        return replace(contract, interval=interval)

    def _score(self, runtime: Runtime, material: Material) -> dict[str, float]:
        actual = material.held_out[self.dataset.target.name]
        return training.score(actual, runtime.predict(material.held_out))

    def _champion(self, run: Run, material: Material) -> Score | None:
        """The champion's score on the candidate's held-out rows, if there is one to score."""
        version = self.registry.champion()
        if version is None:
            return None
        try:
            runtime = Runtime(self.registry.fetch(version))
            missing = {f.name for f in runtime.contract.fields} - set(material.held_out)
            if missing:
                raise ModelRefused(f"it needs {', '.join(sorted(missing))}, which rows lack")
        except (ModelRefused, Missing) as error:
            run.say(f"Version {version} cannot be scored: {error}.", "warning")
            return None
        rows = len(material.held_out[self.dataset.target.name])
        return Score(version, rows, self._score(runtime, material))

    def _parameters(self, material: Material, fitted: training.Fitted) -> dict[str, Any]:
        return {
            "batches": ",".join(str(b.number) for b in material.batches),
            "epoch": material.batches[0].epoch if material.batches else 0,
            "training_rows": len(material.training[self.dataset.target.name]),
            "held_out_rows": len(material.held_out[self.dataset.target.name]),
            "data_digest": material.digest,
            **training.parameters(fitted),
        }

    def _dossier(
        self,
        run: Run,
        material: Material,
        candidate: Score,
        champion: Score | None,
        *,
        digest: str,
        worst: float,
    ) -> dict[str, Any]:
        return {
            "job": run.job.id,
            "digest": digest,
            "data_digest": material.digest,
            "primary_metric": self.dataset.primary_metric,
            "training_rows": len(material.training[self.dataset.target.name]),
            "held_out_rows": candidate.rows,
            "parity": worst,
            "candidate": {"version": candidate.version, "metrics": candidate.metrics},
            "champion": {"version": champion.version, "metrics": champion.metrics}
            if champion
            else None,
            "batches": [
                {"id": b.id, "epoch": b.epoch, "number": b.number, "rows": b.stored}
                for b in material.batches
            ],
        }

    def _propose(
        self,
        run: Run,
        version: int,
        verdict: Verdict,
        dossier: dict[str, Any],
        profiles: tuple[ColumnProfile, ...],
    ) -> None:
        champion = self.registry.champion()
        promote = None
        with run.store.begin() as work:
            run.fence(work)
            work.batches.add_profile("model", version, profiles)
            work.promotions.propose(version, verdict, dossier, run.job.actor)
            work.audit.add(
                run.job.actor,
                "propose",
                f"version:{version}",
                reason=verdict.reasons[0],
                details={"job": run.job.id, "recommended": verdict.promote},
            )
            if self.promotes and verdict.promote and not _is_promoting(work):
                promote = approve(
                    work,
                    version,
                    actor="auto",
                    champion=champion,
                    reason="PROMOTION=auto: " + verdict.reasons[0],
                )
            work.jobs.log(run.job.id, f"Version {version} is proposed. {verdict.reasons[0]}")
            run.complete(
                work,
                {
                    "version": version,
                    "recommended": verdict.promote,
                    "reasons": list(verdict.reasons),
                    "metrics": dossier["candidate"]["metrics"],
                    "promote_job": promote.id if promote else None,
                },
            )
        if promote:
            self.submit(promote.id)


def _is_promoting(work: Work) -> bool:
    return any(job.kind == "promote" for job in work.jobs.open())


def _usable(rows: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    keep = training.usable(rows, dataset)
    return {name: np.asarray(values)[keep] for name, values in rows.items()}


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
