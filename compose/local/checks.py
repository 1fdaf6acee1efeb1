"""What must hold before anything is started; each failure is one sentence.

Raises:
    CannotStart: by every check, with what is wrong and what to do.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from compose.local.children import Child, Surroundings
from compose.local.errors import CannotStart
from compose.local.gates import PROBE_SECONDS, ping
from compose.local.remains import RunFile, end, family, mark
from core.addresses import check_redis

_DEFAULT_PORTS = {"http": 80, "https": 443, "mysql+pymysql": 3306}
_LEFTOVERS_SECONDS = 10.0


def may_write(data_dir: Path) -> None:
    """The data folder is there, or can be made, and can be written to."""
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
def alone(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process; the system lets go of it however we end."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise CannotStart(
                f"driftdesk is already running on {data_dir} (pid {lock.read().strip() or '?'}): "
                "use that one, stop it, or name another folder with --data-dir."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def leftovers(data_dir: Path) -> set[int]:
    """Processes that an earlier run on this folder has left; call it under `alone` only."""
    roots = RunFile(data_dir / "run.json").roots(mark(data_dir))
    return family(mark(data_dir), roots)


def clear_leftovers(data_dir: Path) -> int:
    """End what an earlier run has left; returns how many processes that were."""
    count = len(leftovers(data_dir))
    if count and not end(lambda: leftovers(data_dir), _LEFTOVERS_SECONDS):
        left = ", ".join(map(str, sorted(leftovers(data_dir))))
        raise CannotStart(f"An earlier run has left processes that cannot be ended: {left}.")
    return count


def ports_are_free(children: Sequence[Child]) -> None:
    """No port that a child needs is taken, by another program or by another child."""
    problems: list[str] = []
    users: dict[int, str] = {}
    wanted = [(c, port) for c in children for port in (c.port, c.metrics) if port]
    for child, port in wanted:
        if other := users.get(port.number):
            problems.append(
                f"{other} and {child.name} both want port {port.number}: "
                f"set {port.variable} to another."
            )
        elif _taken(port.number):
            problems.append(
                f"Port {port.number} is taken, and {child.name} needs it: "
                f"set {port.variable} to a free one, or stop what listens there."
            )
        users[port.number] = child.name
    if problems:
        raise CannotStart("\n".join(problems))


def _taken(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        # Where somebody listens on all addresses, some systems still let one be bound.
        if asking.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket() as binding:
        binding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            binding.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def neighbours_answer(around: Surroundings) -> list[str]:
    """Each neighbour that was given can be reached; returns what is worth a warning."""
    if "REDIS_URL" in around.given:
        _redis_answers(around.env["REDIS_URL"])
    for variable, what in (("MLFLOW_TRACKING_URI", "MLflow"), ("DATABASE_URL", "The database")):
        if variable in around.given:
            _reachable(around.env[variable], variable, what)
    try:
        if "DATA_API_URL" in around.given:
            _reachable(around.env["DATA_API_URL"], "DATA_API_URL", "The data API")
    except CannotStart as error:
        return [f"{error} Everything else starts; ingesting will wait for it."]
    return []


def _redis_answers(url: str) -> None:
    where = _without_secrets(url)
    try:
        check_redis(url)
    except ValueError as error:
        raise CannotStart(f"REDIS_URL {error}") from error
    try:
        answer = ping(url)
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"Redis does not answer at {where} ({error}): start it, correct REDIS_URL, or unset "
            "REDIS_URL to have one started here."
        ) from error
    if answer.startswith(("-NOAUTH", "-WRONGPASS", "-ERR AUTH")):
        raise CannotStart(f"Redis at {where} refuses the password: correct it in REDIS_URL.")
    if not answer.startswith(("+PONG", "-LOADING")):
        raise CannotStart(f"What answers at {where} is no Redis: correct REDIS_URL.")


def _reachable(url: str, variable: str, what: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or "unix_socket" in parse_qs(parts.query):
        return  # a file or a socket of this machine: its user says more than we could
    if not parts.hostname or _through_proxy(parts.scheme, parts.hostname):
        return
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        socket.create_connection((parts.hostname, port), PROBE_SECONDS).close()
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"{what} cannot be reached at {_without_secrets(url)} ({error}): start it, correct "
            f"{variable}, or unset it to have a local one."
        ) from error


def _through_proxy(scheme: str, host: str) -> bool:
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
