"""What the facts about a neighbour mean: well, doubtful or bad, and what to do. Pure judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from core.placeholder import is_placeholder
from core.queue import QueueFacts
from core.records import Job, JobState
from core.store.facts import DatabaseFacts
from core.store.revision import HEAD, Standing, advice, standing

FLOORS = {
    "mlflow": "3.17.2",
    "mlflow-skinny": "3.17.2",
    "starlette": "1.3.1",
    "python-multipart": "0.0.27",
    "skops": "0.12",
}
"""Oldest releases of libraries without a known advisory that touches us."""

SERVER_FLOORS = {"Redis": "7.2.11", "Valkey": "8.1.4"}
PYTHON = (3, 11)

_LITTLE_DISK, _NO_DISK = 5_000_000_000, 500_000_000
_LARGE_SPOOL = 2_000_000_000
_CLOCK_OFF, _CLOCK_WRONG = 2.0, 30.0
_LATE = timedelta(minutes=10)
_SHORTEST_SECRET = 16
_NAMED = 5
_LOOPBACK = {"127.0.0.1", "localhost", "::1", ""}


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is, and what to do where it is not well."""

    name: str
    state: State
    says: str
    todo: str = ""


def ok(name: str, says: str) -> Finding:
    """A check that found everything well."""
    return Finding(name, State.OK, says)


def warn(name: str, says: str, todo: str) -> Finding:
    """A check that found something to see to."""
    return Finding(name, State.WARN, says, todo)


def bad(name: str, says: str, todo: str) -> Finding:
    """A check that found what stops or endangers the work."""
    return Finding(name, State.BAD, says, todo)


def is_below(version: str, floor: str) -> bool:
    """Whether a version is older than a floor; one that cannot be read is not said to be."""
    try:
        return Version(version) < Version(floor)
    except InvalidVersion:
        return False


def python(version: tuple[int, ...]) -> Finding:
    """The interpreter."""
    says = ".".join(map(str, version[:3]))
    if version[:2] < PYTHON:
        needed = ".".join(map(str, PYTHON))
        return bad("Python", says, f"Install Python {needed} or newer, then run make again.")
    return ok("Python", says)


def libraries(installed: Mapping[str, str]) -> Finding:
    """The libraries that have a floor, as far as they are installed here."""
    old = [
        f"{name} {version} (needs {FLOORS[name]})"
        for name, version in installed.items()
        if is_below(version, FLOORS[name])
    ]
    if old:
        return warn("Libraries", ", ".join(old), "Run make again: it installs what uv.lock names.")
    return ok("Libraries", ", ".join(f"{n} {v}" for n, v in installed.items()) or "None has one.")


def folder(free: int, *, refused: str) -> list[Finding]:
    """The data folder: whether it takes a file, and the room that is left, in bytes."""
    name, disk = "Data folder", "Free disk"
    first = (
        bad(name, refused, "Give the user who runs driftdesk the folder, or set DATA_DIR.")
        if refused
        else ok(name, "Takes files.")
    )
    says = f"{free / 1e9:,.1f} GB free"
    if free < _NO_DISK:
        return [first, bad(disk, says, "Make room now: batches can no longer be received.")]
    if free < _LITTLE_DISK:
        todo = "Make room, or set RETAIN_PREDICTIONS_DAYS and RETAIN_SPOOL_DAYS."
        return [first, warn(disk, says, todo)]
    return [first, ok(disk, says)]


def spool(count: int, size: int) -> Finding:
    """Answers of the data API that lie on disk, not yet read or not readable."""
    says = f"{count:,} files, {size / 1e6:,.1f} MB"
    if size > _LARGE_SPOOL:
        return warn(
            "Spool", says, "See the ledger for what could not be read; set RETAIN_SPOOL_DAYS."
        )
    return ok("Spool", says)


def clock(name: str, ahead: float) -> Finding:
    """How far a neighbour's clock is from ours, in seconds."""
    says = f"{abs(ahead):,.1f} s {'before' if ahead > 0 else 'behind'} this machine"
    todo = "Set both machines' clocks by NTP: leases and schedules go by them."
    if abs(ahead) > _CLOCK_WRONG:
        return bad(name, says, todo)
    return warn(name, says, todo) if abs(ahead) > _CLOCK_OFF else ok(name, says)


def database(facts: DatabaseFacts) -> list[Finding]:
    """Kind, migrations, rights, character set, fast loading and clock of the database."""
    found = [ok("Database", f"{facts.kind} {facts.version}"), migrations(facts.revision)]
    if facts.refused:
        says = "; ".join(f"{right}: {said}" for right, said in facts.refused)
        rights = ", ".join(right for right, _ in facts.refused)
        todo = f"Give the database's user these rights: {rights}."
        if facts.kind == "SQLite":
            todo = "Let the user who runs driftdesk write to the file and its folder."
        found.append(bad("Database rights", says, todo))
    else:
        found.append(ok("Database rights", "May create, alter, read and write."))
    if facts.kind == "SQLite":
        return found
    if facts.charset == "utf8mb4":
        found.append(ok("Character set", facts.charset))
    else:
        todo = "ALTER DATABASE … CHARACTER SET utf8mb4, before the tables are made."
        found.append(bad("Character set", facts.charset, todo))
    if facts.local_infile:
        found.append(ok("LOAD DATA LOCAL", "Is allowed."))
    else:
        todo = "Set local_infile = ON in the server; without it loading a batch takes longer."
        found.append(warn("LOAD DATA LOCAL", "Is switched off.", todo))
    return [*found, clock("Database clock", facts.ahead)]


def migrations(revision: str) -> Finding:
    """Where the database stands, seen from this version."""
    name, there = "Migrations", standing(revision)
    if there is Standing.FITS:
        return ok(name, f"At {HEAD}, as this version needs.")
    todo = advice(revision).partition(". ")[2] if there is not Standing.AHEAD else ""
    says = f"{there.value.capitalize()}: at {revision or 'no revision'}, needed is {HEAD}."
    return bad(name, says, todo or advice(revision))


def queue(facts: QueueFacts, url: str) -> list[Finding]:
    """Version, journal, password, memory policy and clock of the queue's server."""
    name = f"{facts.kind} {facts.version}"
    floor = SERVER_FLOORS[facts.kind]
    found = [ok("Queue (Redis)", name)]
    if is_below(facts.version, floor):
        todo = f"Upgrade to {facts.kind} {floor} or newer: older ones have known advisories."
        found = [warn("Queue (Redis)", name, todo)]
    if facts.journal:
        found.append(ok("Queue journal", "appendonly is on."))
    else:
        todo = "Set appendonly yes. Nothing is lost without it: jobs are queued again from the"
        found.append(warn("Queue journal", "appendonly is off.", f"{todo} database."))
    told = urlsplit(url)
    if told.password or (told.hostname or "") in _LOOPBACK:
        found.append(ok("Queue password", "Set." if told.password else "On this machine alone."))
    else:
        todo = "Set requirepass in the server and put the password into REDIS_URL."
        found.append(bad("Queue password", f"{told.hostname} is asked without one.", todo))
    if facts.policy in ("noeviction", ""):
        found.append(ok("Queue memory policy", facts.policy or "Not told."))
    else:
        todo = "Set maxmemory-policy noeviction: others throw queue entries away."
        found.append(bad("Queue memory policy", facts.policy, todo))
    return [*found, clock("Queue clock", facts.ahead)]


def mlflow_version(version: str) -> Finding:
    """The MLflow server's version."""
    floor = FLOORS["mlflow"]
    if is_below(version, floor):
        todo = f"Upgrade the server to {floor} or newer: older ones have known advisories."
        return warn("MLflow version", version, todo)
    return ok("MLflow version", version or "Not told.")


def live(alias: int | None, decided: int | None, served: Mapping[str, int | None]) -> Finding:
    """Whether the alias, the decisions and every replica name the same version."""
    name = "Live version"
    if alias != decided:
        says = f"The alias champion names {alias}, the decisions say {decided}."
        return bad(name, says, "Start the reconciler; if it stays, roll back or force a version.")
    other = [f"{url} answers with {version}" for url, version in served.items() if version != alias]
    if other:
        says = f"The champion is {alias}; {', '.join(other)}."
        return bad(name, says, "See the log of serving: it says why it does not take the champion.")
    return ok(name, f"Version {alias}, everywhere." if alias else "None yet.")


def jobs(waiting: Sequence[Job], overdue: Sequence[Job], now: datetime) -> Finding:
    """Jobs that are not over: none may be left behind, or wait for long."""
    late = [
        j.id for j in waiting if j.state is not JobState.RUNNING and j.requested_at < now - _LATE
    ]
    if overdue:
        says = f"Jobs {_named([j.id for j in overdue])} run without a worker."
        return warn("Jobs", says, "If it stays so: python -m workers reconcile takes them over.")
    if late:
        says = f"Jobs {_named(late)} wait for more than ten minutes."
        return warn("Jobs", says, "Start a worker for each queue, or cancel them.")
    return ok("Jobs", f"{len(waiting)} not over, none left behind.")


def _named(ids: Sequence[int]) -> str:
    more = len(ids) - _NAMED
    return ", ".join(map(str, ids[:_NAMED])) + (f" and {more} more" if more > 0 else "")


def secret(name: str, value: str) -> Finding | None:
    """A secret that is set must be one; None where none is set."""
    if not value:
        return None
    if is_placeholder(value) or len(set(value)) < _SHORTEST_SECRET // 2:
        todo = "Set it to the output of: openssl rand -base64 32"
        return bad(name, "Looks like a placeholder.", todo)
    if len(value) < _SHORTEST_SECRET:
        return warn(name, "Is short.", "Set it to the output of: openssl rand -base64 32")
    return ok(name, "Is set.")


def database_password(user: str, password: str, host: str) -> Finding:
    """Who we are to the database."""
    name = "Database password"
    if host in _LOOPBACK:
        return ok(name, "On this machine alone.")
    if not password:
        return bad(name, f"{host} is asked without one.", "Set one, and put it into DATABASE_URL.")
    if judged := secret(name, password):
        if judged.state is State.BAD:
            return judged
        if user == "root":
            todo = "Make a user that may use driftdesk's database alone."
            return warn(name, "We are root there.", todo)
    return ok(name, "Is set.")


def webhook(host: str, *, signed: bool) -> Finding:
    """Where people are told of what happens."""
    name = "Notifications"
    if not host:
        return ok(name, "None are sent: WEBHOOK_URL is not set.")
    if not signed:
        return warn(name, f"Posted to {host}, unsigned.", "Set WEBHOOK_SECRET.")
    return ok(name, f"Posted to {host}, signed.")


def door(host: str, keys: str) -> Finding:
    """Whether serving lets in everybody on the network."""
    if host in _LOOPBACK or keys:
        return ok("Serving's door", "Asks for keys." if keys else "Open to this machine alone.")
    todo = "Set SERVING_KEYS and make keys with `driftdesk keys add`."
    return warn("Serving's door", f"Listens on {host} and asks for no key.", todo)
