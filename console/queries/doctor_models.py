"""The doctor's checks of models: in MLflow, on record, and in serving."""

from __future__ import annotations

from collections.abc import Mapping

from console.desk import Desk
from console.queries import doctor_rules
from console.queries.doctor_rules import Finding, ok
from console.text.formatting import count
from core.domain.errors import Missing
from core.rules.model.alias_repair import difference
from core.usecases.live_terms import rollback_target

_FILES_LOOKED_AT = 20
"""How many of the newest versions are checked for files; each takes a request to MLflow."""


def registry(desk: Desk) -> list[Finding]:
    """How many versions there are."""
    versions = desk.registry.versions()
    says = (
        f"{count(len(versions), 'version')} of {desk.registry.name}" if versions else "No model yet"
    )
    return [ok("Registry", f"{says}.")]


def experiment(desk: Desk) -> list[Finding]:
    """Whether models can be published at all."""
    desk.registry.require_experiment()
    return [ok("Experiment", "Is not deleted in MLflow.")]


def numbers(desk: Desk) -> list[Finding]:
    """Whether MLflow would give a new version a number that is already on record."""
    with desk.store.read() as work:
        newest = next((p.version for p in work.promotions.latest(1)), 0)
    return [doctor_rules.version_numbers(desk.registry.name, newest, desk.registry.counted())]


def model_files(desk: Desk) -> list[Finding]:
    """Whether the live, the previous and the newest registered versions have their files."""
    with desk.store.read() as work:
        live, before = work.promotions.live(), rollback_target(work)
    wanted = {p.version for p in (live, before) if p}
    there = [v.version for v in desk.registry.versions()]
    looked = sorted(wanted & set(there) | set(there[:_FILES_LOOKED_AT]))
    lost = [version for version in looked if not desk.registry.has_file(version)]
    return [doctor_rules.model_files(looked, lost, live.version if live else None)]


def artifacts(desk: Desk) -> list[Finding]:
    """Whether files can be stored."""
    try:
        desk.registry.try_artifacts()
    except Missing:  # as in containers, where the console looks and workers store
        says = "Nothing was stored: this MLflow user may only read. That of workers must write."
        return [ok("Artifacts", says)]
    return [ok("Artifacts", "A file was stored and removed again.")]


def live(desk: Desk) -> list[Finding]:
    """Whether MLflow, the record and every replica agree on the live version."""
    versions = desk.registry.versions()
    alias = next((v.version for v in versions if v.is_champion), None)
    with desk.store.read() as work:
        decided = work.promotions.live_version()
    deviation = difference(desk.registry.name, alias, decided, [v.version for v in versions])
    served: Mapping[str, int | None] = {
        url: desk.serving.model(url).get("version") for url in desk.serving.urls
    }
    return [doctor_rules.live(decided, deviation, served)]
