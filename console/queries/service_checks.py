"""How the health of each service is checked, one at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from console.desk import Desk
from console.queries.workers import WORKER_STATES, state_of
from console.text.formatting import count
from core.adapters.rq_queue import QUEUES
from core.adapters.serving.replicas import probe
from core.adapters.spool import open_spool
from core.domain.basic_auth import Login
from core.domain.errors import DriftdeskError, Missing, QueueRefused, QueueUnavailable
from core.domain.jobs import JobKind, JobState
from core.domain.sources import DataApiSource, address, kind_of

QUEUE = "Queue (Redis)"
HANGS = 3.0
"""Seconds without an answer after which a service's previous answer is no longer shown."""

_RECONCILER_SILENT = timedelta(seconds=30)
_LOOKED_AT = 10
"""How many jobs are looked at for the newest that ended by itself."""
_REFUSED = ("HTTP 401", "HTTP 403")


@dataclass(frozen=True, slots=True)
class Service:
    """A service: whether it is healthy, how long its answer took, and what to do if it is not.

    `healthy` is None while it is unknown. In seconds: `age` since its last answer, `asking` since
    the running check began, `down_for` since somebody first saw it down.
    """

    name: str
    healthy: bool | None
    says: str
    milliseconds: float
    link: str
    advice: str
    version: str = ""
    asking: float = 0.0
    age: float | None = None
    down_for: float | None = None

    @property
    def is_silent(self) -> bool:
        """Whether a check has been running for longer than a healthy service takes."""
        return self.asking >= HANGS


@dataclass(frozen=True, slots=True)
class Check:
    """How to check one service: `ask` returns (healthy, its answer, its version).

    With `of_dataset` the answer is about one dataset, not about a service that all share.
    """

    name: str
    ask: Callable[[], tuple[bool, str, str]]
    link: str
    advice: str
    through_redis: bool = False
    of_dataset: bool = False

    def run(self) -> Service:
        """Check it; an exception becomes an answer, too."""
        start = time.perf_counter()
        try:
            healthy, says, version = self.ask()
        except QueueUnavailable as error:
            # Services that report through Redis are unknown, not unhealthy, while Redis is down.
            if self.through_redis:
                does = "refuses writes" if isinstance(error, QueueRefused) else "is away"
                return Service(self.name, None, f"Not known while Redis {does}.", 0.0, "", "")
            return Service(self.name, False, str(error), _since(start), self.link, "")
        except DriftdeskError as error:
            healthy, says, version = False, str(error), ""
        except Exception as error:  # noqa: BLE001 - a check that breaks is an answer, too
            healthy, says, version = False, f"The check broke ({type(error).__name__}).", ""
        took = _since(start)
        advice = "" if healthy else self.advice
        return Service(self.name, healthy, says, took, self.link, advice, version)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def checks(desk: Desk) -> list[Check]:
    """How to check each service."""
    s, replicas = desk.settings, desk.settings.serving_urls
    mlflow = s.mlflow_link or _reached(s.mlflow_tracking_uri)

    def replica(url: str) -> Check:
        name = "Serving" if len(replicas) == 1 else f"Serving at {urlsplit(url).netloc}"
        link = s.serving_link or _reached(url)
        ask = partial(_serving, desk, url)
        docs = f"{link}/docs" if link else ""
        return Check(name, ask, docs, "Start it: python -m serving.", of_dataset=True)

    return [
        Check("MLflow", partial(_mlflow, s.mlflow_tracking_uri.rstrip("/"), s.mlflow_login), mlflow,
              "Start MLflow or check MLFLOW_TRACKING_URI."),
        *map(replica, replicas),
        Check("Serving replicas", partial(_replicas, desk), "",
              "They report to the database every few seconds; see the log of serving.",
              of_dataset=True),
        _source(desk),
        Check(QUEUE, partial(_queue, desk), "", "Start Redis or check REDIS_URL."),
        Check("Database", partial(_database, desk), "", "Check DATABASE_URL, then migrate."),
        *_spool(desk),
        Check("Workers", partial(_workers, desk), "",
              "Start them: python -m workers run --queue work, and others with --queue train and "
              "--queue desk.",
              through_redis=True),
        Check("Reconciler", partial(_reconciler, desk), "",
              "Start one: python -m workers reconcile. Without it schedules, notifications and "
              "jobs that were left behind wait.", through_redis=True),
    ]  # fmt: skip


def own_checks(desk: Desk) -> list[Check]:
    """How to check what concerns this dataset alone: its source, and its model in serving."""
    return [check for check in checks(desk) if check.of_dataset]


def shared_checks(desk: Desk) -> list[Check]:
    """How to check each service that the datasets of a desk share."""
    shared = []
    for check in checks(desk):
        if check.name == "Database":
            shared.append(replace(check, ask=partial(_any_database, desk)))
        elif not check.of_dataset:
            shared.append(check)
    urls = desk.settings.serving_urls
    replicas = [c for c in checks(desk) if c.name.startswith("Serving")][: len(urls)]
    alive = [
        replace(check, ask=partial(_alive, url), of_dataset=False)
        for check, url in zip(replicas, urls, strict=True)
    ]
    return [shared[0], *alive, *shared[1:]]


def _spool(desk: Desk) -> list[Check]:
    """The spool, where it is a service: objects at a URL."""
    if desk.settings.spool_is_local:
        return []

    def ask() -> tuple[bool, str, str]:
        sizes = [file.size for file in open_spool(desk.settings).files()]
        return True, f"{count(len(sizes), 'file')}, {sum(sizes) / 1e6:,.1f} MB", ""

    return [Check("Spool", ask, "", "Check SPOOL_URL; `driftdesk doctor` tries to write there.")]


def _reached(url: str) -> str:
    """The address if a browser can reach it, else nothing.

    A bare name, such as a container's, resolves only inside our own network.
    """
    host = urlsplit(url).hostname or ""
    inside = host.endswith((".svc", ".svc.cluster.local")) or not (set(".:") & set(host))
    return "" if inside and host != "localhost" else url


def _source(desk: Desk) -> Check:
    """The source: a data API is asked; of others, which only workers reach, the last ingest tells.

    The address that is shown has no secret: a query names the setting that holds its URL.
    """
    s, source = desk.settings, desk.dataset.source
    if isinstance(source, DataApiSource):
        ask = partial(_data_api, f"{s.data_api_url.rstrip('/')}/health", proxied=s.outbound_proxies)
        link, advice = _reached(s.data_api_url), "Start the data API or check DATA_API_URL."
        return Check("Data API", ask, link, advice, of_dataset=True)
    advice = "Run `driftdesk source check` where the workers run."
    ask = partial(_last_ingest, desk)
    return Check(f"Source ({kind_of(source)})", ask, "", advice, of_dataset=True)


def _last_ingest(desk: Desk) -> tuple[bool, str, str]:
    """How the newest ingest that ended did."""
    where = address(desk.dataset.source)
    with desk.store.read() as work:
        newest = work.jobs.recent(_LOOKED_AT, JobKind.INGEST)
    ended = (job for job in newest if job.state in (JobState.SUCCEEDED, JobState.FAILED))
    job = next(ended, None)
    if job is None:
        return True, f"{where}; no ingest has ended yet", ""
    if job.state is JobState.FAILED:
        return False, f"{where}. The last ingest failed: {job.error}", ""
    return True, where, ""


def _data_api(url: str, *, proxied: bool) -> tuple[bool, str, str]:
    page = probe(url, proxied=proxied)
    return page.healthy, page.says, ""


def _mlflow(url: str, login: Login | None) -> tuple[bool, str, str]:
    """Healthy if it answers and accepts our login, which its health page does not ask for."""
    page = probe(f"{url}/health")
    if not page.healthy:
        return False, page.says, ""
    version = probe(f"{url}/version", login=login)
    if version.says in _REFUSED:
        return False, f"{version.says}: check MLFLOW_TRACKING_USERNAME and _PASSWORD", ""
    return True, page.says, version.body if version.healthy else ""


def _serving(desk: Desk, url: str) -> tuple[bool, str, str]:
    """A replica is healthy if it answers, with or without a model."""
    model = desk.serving.model(url)
    if not model:
        return True, "No model is live yet", ""
    says = f"Answers with version {model['version']}"
    if refused := model.get("refused"):
        says += f"; it refuses version {refused.get('version')}: {refused.get('reason')}"
    if notice := model.get("notice"):
        says += f". {notice}"
    return True, says, f"model {str(model.get('digest', ''))[:8]}" if model.get("digest") else ""


def _alive(url: str) -> tuple[bool, str, str]:
    """A replica is up if it answers, whichever models it has."""
    page = probe(f"{url}/health/live")
    return page.healthy, page.says, ""


def _replicas(desk: Desk) -> tuple[bool, str, str]:
    """The replicas that report to the database; healthy if all serve the same version."""
    with desk.store.read() as work:
        alive = work.replicas.alive()
    if not alive:
        raise Missing("None has reported recently.")
    counts = Counter(sorted((r.model_version for r in alive), key=str))
    says = ", ".join(
        f"{n} with {f'version {version}' if version else 'no model'}"
        for version, n in counts.items()
    )
    refused = next((r.refused for r in alive if r.refused), "")
    if refused:
        says += f"; one refuses {refused}"
    return len(counts) == 1 and not refused, says, ""


def _queue(desk: Desk) -> tuple[bool, str, str]:
    version = desk.queue.ping()
    desk.queue.try_write()
    waiting = [f"{n:,} in {name}" for name, n in sorted(desk.queue.lengths().items()) if n]
    return True, f"Waiting: {', '.join(waiting)}" if waiting else "No job waits", version


def _database(desk: Desk) -> tuple[bool, str, str]:
    with desk.store.read() as work:
        epoch = work.batches.epoch()
    return True, f"Epoch {epoch.number}" if epoch else "No batch yet", _database_version(desk)


def _any_database(desk: Desk) -> tuple[bool, str, str]:
    with desk.store.desk() as work:
        known = count(len(work.known()), "dataset")
    return True, f"{known} on record", _database_version(desk)


def _database_version(desk: Desk) -> str:
    dialect = desk.store.engine.dialect
    name = "MariaDB" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = ".".join(str(part) for part in getattr(dialect, "server_version_info", None) or ())
    return f"{name} {version}".strip()


def _workers(desk: Desk) -> tuple[bool, str, str]:
    desk.queue.try_write()  # without writes a worker's heartbeat fails, and it looks dead
    workers, now = desk.queue.workers(), datetime.now(UTC)
    if not workers:
        raise Missing("No worker has reported.")
    states = [state_of(w, now) for w in workers]
    served = {w.queue for w, state in zip(workers, states, strict=True) if state != "dead"}
    says = ", ".join(f"{states.count(s)} {s}" for s in WORKER_STATES if s in states)
    if unserved := sorted(set(QUEUES.values()) - served):
        return False, f"{says}. No worker is running for the queue {' or '.join(unserved)}.", ""
    return True, says, ""


def _reconciler(desk: Desk) -> tuple[bool, str, str]:
    desk.queue.try_write()
    since = datetime.now(UTC) - _RECONCILER_SILENT
    alive = [name for name, at in desk.queue.reconcilers().items() if at > since]
    if alive:
        return True, f"{len(alive)} running", ""
    raise Missing("None has reported recently.")
