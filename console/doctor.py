"""The doctor: everything that driftdesk needs, asked at once, and each answer judged.

Every check has a thread of its own and all together have `PATIENCE`: what has not answered by
then is found bad, and nobody waits for it. The data API is asked for its health alone: asking it
for data would move its cursor.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from console import diagnosis, health
from console.desk import Desk
from console.diagnosis import Finding, State, bad, ok
from core.errors import DatasetError, DriftdeskError, Missing
from core.login import Login
from core.remote import probe
from core.settings import Settings
from core.store.facts import look

PATIENCE = 10.0
"""Seconds after which a check that has not answered is found bad."""

_UNKNOWN, _FORBIDDEN = "HTTP 401", "HTTP 403"


@dataclass(frozen=True, slots=True)
class Check:
    """How to look at one thing, and what to do when it does not even answer."""

    name: str
    ask: Callable[[], list[Finding]]
    todo: str


def examine(desk: Desk, patience: float = PATIENCE) -> list[Finding]:
    """Every check's findings, in a fixed order; takes `patience` seconds at most."""
    checks = [*_here(desk.settings), *_neighbours(desk)]
    found: dict[str, list[Finding]] = {}

    def run(check: Check) -> None:
        try:
            found[check.name] = check.ask()
        except DriftdeskError as error:
            found[check.name] = [bad(check.name, str(error), check.todo)]
        except Exception as error:  # noqa: BLE001 - a check that breaks is an answer, too
            says = f"The check broke ({type(error).__name__}: {error})."
            found[check.name] = [bad(check.name, says, check.todo)]

    threads = [Thread(target=run, args=(check,), daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = f"No answer within {patience:g} s."
    return [
        finding
        for check in checks
        for finding in found.get(check.name) or [bad(check.name, late, check.todo)]
    ]


def surroundings() -> list[Finding]:
    """What can be said before any setting was read: the interpreter and the libraries."""
    installed = {}
    for name in diagnosis.FLOORS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return [diagnosis.python(sys.version_info[:3]), diagnosis.libraries(installed)]


def unreadable(error: DriftdeskError) -> list[Finding]:
    """What is left to say when the settings or the dataset file cannot be read."""
    if isinstance(error, DatasetError):
        return [*surroundings(), bad("Dataset", str(error), "Correct the file, or set DATASET.")]
    return [*surroundings(), bad("Settings", str(error), "Correct it in .env or the environment.")]


def is_bad(findings: list[Finding]) -> bool:
    """Whether any check found what stops or endangers the work."""
    return any(f.state is State.BAD for f in findings)


def lines(findings: list[Finding]) -> list[str]:
    """The findings for a terminal, and a line that sums them up."""
    width = max(len(f.name) for f in findings)
    said = []
    for f in findings:
        said.append(f"{f.state.value:<4}  {f.name:<{width}}  {f.says}")
        if f.todo:
            said.append(f"{'':<4}  {'':<{width}}  -> {f.todo}")
    counts = [sum(f.state is state for f in findings) for state in State]
    return [*said, "", "{} ok, {} to see to, {} bad.".format(*counts)]


# What is looked at on this machine


def _here(settings: Settings) -> list[Check]:
    return [
        Check("Python", surroundings, ""),
        Check("Data folder", lambda: _folder(settings.data_dir), "Check DATA_DIR."),
        Check("Spool", lambda: _spool(settings.spool), "Check DATA_DIR."),
        Check("Secrets", lambda: _secrets(settings), ""),
    ]


def _folder(folder: Path) -> list[Finding]:
    refused = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"driftdesk doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        refused = f"{folder} takes no file ({error.strerror})."
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return diagnosis.folder(shutil.disk_usage(there).free, refused=refused)


def _spool(folder: Path) -> list[Finding]:
    sizes = [file.stat().st_size for file in folder.glob("*") if file.is_file()]
    return [diagnosis.spool(len(sizes), sum(sizes))]


def _secrets(settings: Settings) -> list[Finding]:
    named = {
        "SERVING_PUSH_SECRET": settings.serving_push_secret,
        "SERVING_KEY": settings.serving_key,
        "WEBHOOK_SECRET": settings.webhook_secret,
    }
    judged = [diagnosis.secret(name, s.get_secret_value()) for name, s in named.items()]
    found = [finding for finding in judged if finding]
    redis = urlsplit(settings.redis_url).password
    if redis and (finding := diagnosis.secret("Redis password", unquote(redis))):
        found.append(finding)
    if not settings.database.startswith("sqlite"):
        told = urlsplit(settings.database)
        password = unquote(told.password or "")
        found.append(
            diagnosis.database_password(told.username or "", password, told.hostname or "")
        )
    signed = bool(settings.webhook_secret.get_secret_value())
    return [
        *found,
        diagnosis.webhook(settings.webhook_host, signed=signed),
        diagnosis.door(settings.serving_host, settings.serving_keys),
    ]


# Whom we ask


def _neighbours(desk: Desk) -> list[Check]:
    s = desk.settings
    return [
        Check("Dataset", lambda: [ok("Dataset", f"{desk.dataset.title} ({s.dataset_path})")], ""),
        Check("Database", lambda: _database(desk), "Check DATABASE_URL and the server."),
        Check("Jobs", lambda: _jobs(desk), "Check DATABASE_URL and the server."),
        Check(
            "Queue (Redis)",
            lambda: diagnosis.queue(desk.queue.facts(), s.redis_url),
            "Start Redis or check REDIS_URL.",
        ),
        Check(
            "MLflow",
            lambda: _mlflow(s.mlflow_tracking_uri.rstrip("/"), s.mlflow_login),
            "Start MLflow or check MLFLOW_TRACKING_URI.",
        ),
        Check("Registry", lambda: _registry(desk), "Check MLFLOW_TRACKING_URI and MODEL_NAME."),
        Check(
            "Artifacts",
            lambda: _artifacts(desk),
            "Start MLflow with --serve-artifacts and a folder or bucket that it may write to.",
        ),
        Check("Live version", lambda: _live(desk), "Start serving, or check SERVING_URL."),
        *(Check(c.name, partial(_asked, c), c.advice) for c in health.checks(desk) if _wanted(c)),
    ]


def _wanted(check: health.Check) -> bool:
    """What the Services page asks in the same way; the rest is looked at more closely here."""
    return check.name not in ("MLflow", "Queue (Redis)", "Database")


def _asked(check: health.Check) -> list[Finding]:
    service = check.run()
    if service.healthy is None:
        return [diagnosis.warn(check.name, service.says, "Start Redis first.")]
    if service.healthy:
        return [ok(check.name, service.says)]
    return [bad(check.name, service.says, service.advice)]


def _database(desk: Desk) -> list[Finding]:
    engine = desk.store.engine
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return [diagnosis.migrations("")]
    return diagnosis.database(look(engine))


def _jobs(desk: Desk) -> list[Finding]:
    with desk.store.read() as work:
        return [diagnosis.jobs(work.jobs.open(), work.jobs.overdue(), work.now)]


def _mlflow(url: str, login: Login | None) -> list[Finding]:
    seen = probe(f"{url}/health")
    if not seen.healthy:
        todo = "Start MLflow or check MLFLOW_TRACKING_URI."
        return [bad("MLflow", f"{url}: {seen.says}", todo)]
    version = probe(f"{url}/version", login=login)
    if version.says == _UNKNOWN:
        todo = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        return [bad("MLflow", f"{url} does not take our login.", todo)]
    found = [ok("MLflow", seen.says), diagnosis.mlflow_version(version.body)]
    # Its health page answers to every name; the rest only to those that it was told.
    asked = probe(f"{url}/api/2.0/mlflow/experiments/search?max_results=1", login=login)
    if asked.says == _FORBIDDEN:
        todo = f"Start it with --allowed-hosts naming {urlsplit(url).netloc}."
        return [*found, bad("MLflow allowed hosts", "It refuses the name it is called by.", todo)]
    return [*found, ok("MLflow allowed hosts", "It answers to the name it is called by.")]


def _registry(desk: Desk) -> list[Finding]:
    versions = desk.registry.versions()
    says = f"{len(versions)} versions of {desk.registry.name}" if versions else "No model yet"
    return [ok("Registry", f"{says}.")]


def _artifacts(desk: Desk) -> list[Finding]:
    try:
        desk.registry.try_artifacts()
    except Missing:  # as in containers, where the console looks and workers store
        says = "Nothing was stored: our user of MLflow may only read. That of workers must write."
        return [ok("Artifacts", says)]
    return [ok("Artifacts", "A file was stored and taken away again.")]


def _live(desk: Desk) -> list[Finding]:
    alias = desk.registry.champion()
    with desk.store.read() as work:
        decided = work.promotions.live()
    served: Mapping[str, int | None] = {
        url: desk.serving.model(url).get("version") for url in desk.serving.urls
    }
    return [diagnosis.live(alias, decided.version if decided else None, served)]
