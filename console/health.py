"""Who is well: every neighbour asked at once, and nobody waited for longer than is bearable."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Condition, Thread
from urllib.parse import urlsplit

from console.desk import Desk
from core.addresses import Destination
from core.errors import DriftdeskError, Missing, QueueUnavailable
from core.login import Login
from core.queue import QUEUES, WorkerInfo
from core.remote import probe

_REST = 1.0
"""Seconds for which an answer is fresh enough, however many tabs ask."""

_SILENT = timedelta(seconds=45)
"""A worker is heard every 15 s while it is idle and every 5 s while it works."""

_RECONCILER_SILENT = timedelta(seconds=30)

_REFUSED = ("HTTP 401", "HTTP 403")


@dataclass(frozen=True, slots=True)
class Service:
    """A neighbour: is it well, how long did it take to say so, and what to do if it is not.

    `healthy` is None while that is not known; `asking` says for how many seconds an answer
    has been out.
    """

    name: str
    healthy: bool | None
    says: str
    milliseconds: float
    link: str
    advice: str
    version: str = ""
    asking: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """How to ask one neighbour: `ask` says (healthy, what it says, its version)."""

    name: str
    ask: Callable[[], tuple[bool, str, str]]
    link: str
    advice: str
    through_redis: bool = False

    def run(self) -> Service:
        """Ask, and make an answer of whatever happens."""
        start = time.perf_counter()
        try:
            healthy, says, version = self.ask()
        except QueueUnavailable as error:
            # Who is known through Redis alone is not known to be ill while Redis is.
            if self.through_redis:
                return Service(self.name, None, "Not known while Redis is away.", 0.0, "", "")
            healthy, says, version = False, str(error), ""
        except DriftdeskError as error:
            healthy, says, version = False, str(error), ""
        except Exception as error:  # noqa: BLE001 - a check that breaks is an answer, too
            healthy, says, version = False, f"The check broke ({type(error).__name__}).", ""
        took = (time.perf_counter() - start) * 1000
        advice = "" if healthy else self.advice
        return Service(self.name, healthy, says, took, self.link, advice, version)


def look(desk: Desk) -> list[Service]:
    """Ask every neighbour how it is, all at once; takes as long as the slowest."""
    asked = checks(desk)
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(Check.run, asked))


class Watch:
    """What is known of every neighbour, kept fresh by threads of its own.

    A neighbour that hangs keeps one thread and is not asked again until that one is back.
    """

    def __init__(self, desk: Desk) -> None:
        self._checks = checks(desk)
        self._known: dict[str, tuple[float, Service]] = {}
        self._asking: dict[str, float] = {}
        self._changed = Condition()

    def look(self, patience: float) -> list[Service]:
        """Everything that is known after at most `patience` seconds; asks whom it is time to."""
        deadline = time.monotonic() + patience
        with self._changed:
            for check in self._checks:
                self._ask(check)
            self._changed.wait_for(lambda: not self._asking, max(deadline - time.monotonic(), 0))
            return [self._service(check) for check in self._checks]

    def _ask(self, check: Check) -> None:
        now = time.monotonic()
        at, _ = self._known.get(check.name, (now - 2 * _REST, None))
        if check.name in self._asking or now - at < _REST:
            return
        self._asking[check.name] = now
        Thread(target=self._run, args=(check,), name=f"ask {check.name}", daemon=True).start()

    def _run(self, check: Check) -> None:
        service = check.run()
        with self._changed:
            self._known[check.name] = (time.monotonic(), service)
            del self._asking[check.name]
            self._changed.notify_all()

    def _service(self, check: Check) -> Service:
        started = self._asking.get(check.name)
        asking = time.monotonic() - started if started is not None else 0.0
        if check.name in self._known:
            return replace(self._known[check.name][1], asking=asking)
        return Service(check.name, None, "", 0.0, check.link, "", asking=asking)


def checks(desk: Desk) -> list[Check]:
    """How to ask each neighbour."""
    s = desk.settings
    replicas = s.serving_urls
    return [
        Check(
            "MLflow",
            lambda: _mlflow(s.mlflow_tracking_uri.rstrip("/"), s.mlflow_login),
            s.mlflow_link or _reached(s.mlflow_tracking_uri),
            "Start MLflow or check MLFLOW_TRACKING_URI.",
        ),
        *(
            Check(
                "Serving" if len(replicas) == 1 else f"Serving at {urlsplit(url).netloc}",
                lambda url=url: _serving(desk, url),  # type: ignore[misc]
                f"{link}/docs" if (link := s.serving_link or _reached(url)) else "",
                "Start it: python -m serving.",
            )
            for url in replicas
        ),
        Check(
            "Serving replicas",
            lambda: _replicas(desk),
            "",
            "They report to the database every few seconds; see what the log of serving says.",
        ),
        Check(
            "Data API",
            lambda: _data_api(f"{s.data_api_url.rstrip('/')}/health", s.data_api_destination),
            _reached(s.data_api_url),
            "Start the data API or check DATA_API_URL.",
        ),
        Check("Queue (Redis)", lambda: _queue(desk), "", "Start Redis or check REDIS_URL."),
        Check("Database", lambda: _database(desk), "", "Check DATABASE_URL, then migrate."),
        Check(
            "Workers",
            lambda: _workers(desk),
            "",
            "Start them: python -m workers run --queue work, and another with --queue desk.",
            through_redis=True,
        ),
        Check(
            "Reconciler",
            lambda: _reconciler(desk),
            "",
            "Start one: python -m workers reconcile. Without it schedules, notifications and "
            "jobs that were left behind wait.",
            through_redis=True,
        ),
    ]


def _reached(url: str) -> str:
    """The address where a browser can be expected to reach it, or nothing.

    A bare name, such as a container's, is one of the network that we are in ourselves.
    """
    host = urlsplit(url).hostname or ""
    inside = host.endswith((".svc", ".svc.cluster.local")) or not (set(".:") & set(host))
    return "" if inside and host != "localhost" else url


def _data_api(url: str, to: Destination) -> tuple[bool, str, str]:
    seen = probe(url, to=to)
    return seen.healthy, seen.says, ""


def _mlflow(url: str, login: Login | None) -> tuple[bool, str, str]:
    """It is well when it answers and takes our login, which its health page never asks for."""
    seen = probe(f"{url}/health")
    if not seen.healthy:
        return False, seen.says, ""
    version = probe(f"{url}/version", login=login)
    if version.says in _REFUSED:
        return False, f"{version.says}: check MLFLOW_TRACKING_USERNAME and _PASSWORD", ""
    return True, seen.says, version.body if version.healthy else ""


def _serving(desk: Desk, url: str) -> tuple[bool, str, str]:
    """A replica is well when it answers, with or without a model."""
    model = desk.serving.model(url)
    if not model:
        return True, "No model is live yet", ""
    says = f"Answers with version {model['version']}"
    if refused := model.get("refused"):
        says += f"; it refuses version {refused.get('version')}: {refused.get('reason')}"
    return True, says, f"model {str(model.get('digest', ''))[:8]}" if model.get("digest") else ""


def _replicas(desk: Desk) -> tuple[bool, str, str]:
    """Who says that it serves, wherever it runs; well when all serve the same."""
    with desk.store.read() as work:
        alive = work.replicas.alive()
    if not alive:
        raise Missing("None has reported lately.")
    versions = [replica.model_version for replica in alive]
    counts = {version: versions.count(version) for version in sorted(set(versions), key=str)}
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
    waiting = ", ".join(f"{n} in {name}" for name, n in sorted(desk.queue.lengths().items()))
    return True, f"Waiting: {waiting}", version


def _database(desk: Desk) -> tuple[bool, str, str]:
    with desk.store.read() as work:
        epoch = work.batches.epoch()
    dialect = desk.store.engine.dialect
    name = "MariaDB" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = ".".join(str(part) for part in getattr(dialect, "server_version_info", None) or ())
    return True, f"Epoch {epoch.number}" if epoch else "No batch yet", f"{name} {version}".strip()


def _workers(desk: Desk) -> tuple[bool, str, str]:
    found = desk.queue.workers()
    if not found:
        raise Missing("No worker has reported.")
    now = datetime.now(UTC)
    serving = {w.queue for w in found if state_of(w, now) != "dead"}
    states = [state_of(w, now) for w in found]
    said = ", ".join(f"{states.count(s)} {s}" for s in ("busy", "idle", "dead") if s in states)
    if unserved := sorted(set(QUEUES.values()) - serving):
        return False, f"{said}. Nobody serves the queue {' or '.join(unserved)}.", ""
    return True, said, ""


def _reconciler(desk: Desk) -> tuple[bool, str, str]:
    beats = desk.queue.reconcilers()
    now = datetime.now(UTC)
    alive = [name for name, at in beats.items() if now - at < _RECONCILER_SILENT]
    if not alive:
        raise Missing("None has reported lately.")
    return True, f"{len(alive)} running", ""


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker by name: busy, idle or dead; `entry` is what it works on."""

    name: str
    state: str
    entry: str
    heard: datetime | None
    born: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One queue: what it is for, how much waits, and who works it off."""

    name: str
    kinds: str
    length: int
    hands: list[Hand]

    @property
    def is_served(self) -> bool:
        """Whether anybody who is alive works it off."""
        return any(hand.state != "dead" for hand in self.hands)


def crew(desk: Desk) -> list[Line]:
    """Every queue with its workers.

    Raises:
        QueueUnavailable: Redis is away.
    """
    now = datetime.now(UTC)
    workers = sorted(desk.queue.workers(), key=lambda w: w.name)
    return [
        Line(
            name,
            ", ".join(kind.value for kind, queue in QUEUES.items() if queue == name),
            length,
            [
                Hand(w.name, state_of(w, now), w.entry, w.heartbeat, w.born)
                for w in workers
                if name in w.queue.split(",")
            ],
        )
        for name, length in sorted(desk.queue.lengths().items(), reverse=True)
    ]


def state_of(worker: WorkerInfo, now: datetime) -> str:
    """Busy, idle, or dead: not heard for much longer than a living one ever is silent."""
    if worker.heartbeat is None or now - worker.heartbeat > _SILENT:
        return "dead"
    return "busy" if worker.state == "busy" else "idle"
