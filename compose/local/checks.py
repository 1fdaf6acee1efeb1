"""The checks before a start; each failure is one sentence.

Raises:
    CannotStart: by every check, with the cause and the remedy.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from compose.local.children import CannotStart, Child, Surroundings
from compose.local.gates import PROBE_SECONDS, ping
from compose.local.remains import end, family, mark, recorded_roots
from core.domain.errors import QueueUnavailable, SettingsError
from core.platform.database_url import read_database_url
from core.rules.access.setting_urls import check_redis

_DEFAULT_PORTS = {"http": 80, "https": 443, "mysql+pymysql": 3306}
_LEFTOVERS_SECONDS = 10.0


def may_write(data_dir: Path) -> None:
    """The data folder exists or can be created, and is writable."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise CannotStart(
            f"Cannot write to {data_dir} ({error.strerror}): make it writable, or name another "
            "folder with DATA_DIR or --data-dir."
        ) from error


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Lock the data folder for this process; the operating system releases the lock at its end."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise CannotStart(
                f"driftdesk is already running on {data_dir} (pid {lock.read().strip() or '?'}): "
                "use that one, stop it, or name another folder with DATA_DIR or --data-dir."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def leftovers(data_dir: Path) -> set[int]:
    """Processes left by an earlier run on this folder; call it under `exclusive` only."""
    marked = mark(data_dir)
    return family(marked, recorded_roots(data_dir / "run.json", marked))


def clear_leftovers(data_dir: Path) -> int:
    """End the processes left by an earlier run; returns their number."""
    count = len(leftovers(data_dir))
    if count and not end(lambda: leftovers(data_dir), _LEFTOVERS_SECONDS):
        left = ", ".join(map(str, sorted(leftovers(data_dir))))
        raise CannotStart(f"An earlier run has left processes that cannot be ended: {left}.")
    return count


def ports_are_free(children: Sequence[Child]) -> None:
    """No port of a child is in use by another program or another child."""
    problems: list[str] = []
    users: dict[int, str] = {}
    for name, port in [(child.name, port) for child in children for port in child.ports]:
        number, variable = port.number, port.variable
        if other := users.get(number):
            problems.append(
                f"{other} and {name} both want port {number}: set {variable} to another."
            )
        elif _taken(number):
            problems.append(
                f"Port {number} is taken, and {name} needs it: set {variable} to a free one, or "
                "stop what listens there."
            )
        users[number] = name
    if problems:
        raise CannotStart("\n".join(problems))


def _taken(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        # Where a program listens on all addresses, some systems still let one be bound.
        if asking.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket() as binding:
        binding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            binding.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def given_services_answer(around: Surroundings) -> list[str]:
    """Each service whose URL was given can be reached; returns warnings."""
    given = {name: around.env[name] for name in around.given}
    if url := given.get("REDIS_URL"):
        _redis_answers(url)
    if url := given.get("DATABASE_URL"):
        _database_answers(url)
    if url := given.get("MLFLOW_TRACKING_URI"):
        _reachable(url, "MLFLOW_TRACKING_URI", "MLflow")
    try:
        if url := given.get("DATA_API_URL"):
            _reachable(url, "DATA_API_URL", "The data API")
    except CannotStart as error:
        return [f"{error} Everything else starts; ingesting will wait for it."]
    return []


def _redis_answers(url: str) -> None:
    try:
        check_redis(url)
    except ValueError as error:
        raise CannotStart(f"REDIS_URL {error}") from error
    try:
        ping(url)
    except ValueError:  # its message may quote a part of the password
        raise CannotStart("REDIS_URL cannot be read: check its port and its options.") from None
    except QueueUnavailable as error:
        raise CannotStart(f"{error} Without REDIS_URL, one is started here.") from error


def _database_answers(url: str) -> None:
    try:
        read = read_database_url(url)
    except SettingsError as error:
        raise CannotStart(f"DATABASE_URL {error}.") from error
    if not read.is_sqlite and not read.unix_socket:
        address = (read.host or "localhost", read.port or _DEFAULT_PORTS[read.scheme])
        _connects(address, read.shown, "DATABASE_URL", "The database")


def _reachable(url: str, variable: str, what: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return  # only the proxy can tell
    where = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise CannotStart(f"{variable} names no port ({error}): correct it.") from error
    _connects((parts.hostname, port), where, variable, what)


def _connects(address: tuple[str, int], where: str, variable: str, what: str) -> None:
    try:
        socket.create_connection(address, PROBE_SECONDS).close()
    except OSError as error:
        raise CannotStart(
            f"{what} cannot be reached at {where} ({error}): start it, correct {variable}, or "
            "unset it to have a local one."
        ) from error
