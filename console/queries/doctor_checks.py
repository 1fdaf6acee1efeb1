"""The doctor's checks, one by one: what is asked, and how the answer is judged.

Only the data API's health is checked: a request for data would move its cursor.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from console.desk import Desk
from console.queries import doctor_models, doctor_rules, doctor_server_rules, service_checks
from console.queries.doctor_rules import Finding, bad, ok
from core.adapters.serving.replicas import probe
from core.adapters.spool import open_spool
from core.adapters.store.server_facts import look, rows_tables
from core.domain.batches import BatchState
from core.platform import running_system
from core.platform.database_url import read_database_url

LONGEST = 10.0
"""Seconds after which a check without an answer has failed."""

CHECK_DATABASE = "Check DATABASE_URL and the server."

_UNKNOWN, _FORBIDDEN = "HTTP 401", "HTTP 403"
_START_MLFLOW = "Start MLflow or check MLFLOW_TRACKING_URI."
_SERVE_ARTIFACTS = (
    "Start MLflow with --serve-artifacts and a folder or bucket that it may write to."
)


class Check(NamedTuple):
    """One check: its name, how to run it, and what to do if it gets no answer.

    With `of_dataset` its answer is about one dataset, not about what all share.
    """

    name: str
    run: Callable[[Desk], list[Finding]]
    todo: str
    of_dataset: bool = False


def surroundings() -> list[Finding]:
    """The checks that need no settings: the interpreter and the libraries."""
    installed = {}
    for name in doctor_rules.FLOORS:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return [doctor_rules.python(sys.version_info[:3]), doctor_rules.libraries(installed)]


# This machine


def _running(desk: Desk) -> list[Finding]:
    """The system that `make run` recorded in the data folder."""
    settings, where = desk.settings, desk.settings.data_dir.absolute()
    recorded = running_system.read(settings.data_dir)
    if not recorded:
        return [ok("make run", f"Runs nothing in {where}.")]
    console = recorded.get("console_link", "")
    says = f"Runs in {where}; the console is {console}."
    return [doctor_rules.running(says, recorded, settings)]


def _folder(desk: Desk) -> list[Finding]:
    folder, refused = desk.settings.data_dir.absolute(), None
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"driftdesk doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        refused = OSError(error.errno, error.strerror, str(folder))
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    return doctor_rules.folder(shutil.disk_usage(existing).free, refused)


def spool(desk: Desk) -> list[Finding]:
    """The spool's size, and whether it takes a file."""
    opened = open_spool(desk.settings)
    sizes = [file.size for file in opened.files()]
    opened.try_write()
    where = "" if desk.settings.spool_is_local else desk.settings.spool_url
    return [doctor_rules.spool(len(sizes), sum(sizes), where)]


def _secrets(desk: Desk) -> list[Finding]:
    s = desk.settings
    secrets = {
        "SERVING_PUSH_SECRET": s.serving_push_secret.get_secret_value(),
        "SERVING_KEY": s.serving_key.get_secret_value(),
        "EVENTS_SECRET": s.events_secret.get_secret_value(),
        "WEBHOOK_SECRET": s.webhook_secret.get_secret_value(),
        "Redis password": unquote(urlsplit(s.redis_url).password or ""),
    }
    findings = [doctor_rules.secret(name, value) for name, value in secrets.items()]
    database = read_database_url(s.database)
    if not database.is_sqlite:
        findings.append(doctor_server_rules.database_password(database))
    signed = bool(secrets["WEBHOOK_SECRET"])
    return [
        *filter(None, findings),
        doctor_rules.webhook(s.webhook_host, signed=signed),
        doctor_rules.serving_access(s.serving_host, s.serving_keys),
    ]


# The services


def of_service(check: service_checks.Check, _desk: Desk) -> list[Finding]:
    """A check of the Services page."""
    service = check.run()
    if service.healthy is None:
        return [doctor_rules.warn(check.name, service.says, "See to Redis first.")]
    if service.healthy:
        return [ok(check.name, service.says)]
    return [bad(check.name, service.says, service.advice)]


def _dataset(desk: Desk) -> list[Finding]:
    where = desk.settings.datasets or desk.settings.dataset_path
    return [ok("Dataset", f"{desk.dataset.title} ({where})")]


def _database(desk: Desk) -> list[Finding]:
    engine = desk.store.engine
    file = Path(engine.url.database or "").absolute()
    if engine.dialect.name == "sqlite" and not file.exists():
        return [doctor_server_rules.no_desk(str(file)), doctor_server_rules.migrations("")]
    return doctor_server_rules.database(look(engine))


def _tables(desk: Desk) -> list[Finding]:
    tables, several = rows_tables(desk.store.engine), bool(desk.settings.datasets)
    return [doctor_server_rules.dataset(desk.dataset, tables, several=several)]


def _jobs(desk: Desk) -> list[Finding]:
    with desk.store.read() as work:
        return [doctor_rules.jobs(work.jobs.open(), work.jobs.overdue(), work.now)]


def _batches(desk: Desk) -> list[Finding]:
    with desk.store.read() as work:
        epoch = work.batches.epoch()
        waiting = work.batches.in_state(BatchState.RECEIVED)
        closed = work.batches.in_state(BatchState.CLOSED, epoch.number) if epoch else []
    return [doctor_rules.batches(waiting, closed)]


def _queue(desk: Desk) -> list[Finding]:
    return doctor_server_rules.queue(desk.queue.facts(), desk.settings.redis_url)


def _queue_writes(desk: Desk) -> list[Finding]:
    desk.queue.try_write()
    return [ok("Queue writes", "A key was written, and goes away by itself.")]


def _mlflow(desk: Desk) -> list[Finding]:
    url, login = desk.settings.mlflow_tracking_uri.rstrip("/"), desk.settings.mlflow_login
    page = probe(f"{url}/health")
    if not page.healthy:
        return [bad("MLflow", f"{url}: {page.says}", _START_MLFLOW)]
    version = probe(f"{url}/version", LONGEST, login=login)
    if version.says == _UNKNOWN:
        todo = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        return [bad("MLflow", f"{url} does not take our login.", todo)]
    findings = [ok("MLflow", page.says), doctor_server_rules.mlflow_version(version.body)]
    # The health page answers to every host name; the API only to those that MLflow allows.
    api = probe(f"{url}/api/2.0/mlflow/experiments/search?max_results=1", login=login)
    name = "MLflow allowed hosts"
    if api.says == _FORBIDDEN:
        todo = f"Start it with --allowed-hosts naming {urlsplit(url).netloc}."
        return [*findings, bad(name, "It refuses the name it is called by.", todo)]
    return [*findings, ok(name, "It answers to the name it is called by.")]


CHECKS = [
    Check("Python", lambda _: surroundings(), ""),
    Check("Data folder", _folder, "Check DATA_DIR."),
    Check("Spool", spool, "Check DATA_DIR and SPOOL_URL."),
    Check("Secrets", _secrets, ""),
    Check("make run", _running, ""),
    Check("Dataset", _dataset, "", of_dataset=True),
    Check("Dataset and tables", _tables, CHECK_DATABASE, of_dataset=True),
    Check("Database", _database, CHECK_DATABASE),
    Check("Jobs", _jobs, CHECK_DATABASE, of_dataset=True),
    Check("Batches", _batches, CHECK_DATABASE, of_dataset=True),
    Check("Queue (Redis)", _queue, "Start Redis or check REDIS_URL."),
    Check("Queue writes", _queue_writes, "Do what it says of Redis; until then no job is queued."),
    Check("MLflow", _mlflow, _START_MLFLOW),
    Check(
        "Registry",
        doctor_models.registry,
        "Check MLFLOW_TRACKING_URI and MODEL_NAME.",
        of_dataset=True,
    ),
    Check(
        "Experiment",
        doctor_models.experiment,
        "Do what it says; until then training fails.",
        of_dataset=True,
    ),
    Check(
        "Version numbers",
        doctor_models.numbers,
        "See to MLflow and the database first.",
        of_dataset=True,
    ),
    Check(
        "Model files",
        doctor_models.model_files,
        "See to MLflow and the database first.",
        of_dataset=True,
    ),
    Check("Artifacts", doctor_models.artifacts, _SERVE_ARTIFACTS),
    Check(
        "Live version", doctor_models.live, "Start serving, or check SERVING_URL.", of_dataset=True
    ),
]
