"""What the facts about this machine, its models and jobs mean: ok, a warning or bad. Pure."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from packaging.version import InvalidVersion, Version

from console.text import formatting
from core.domain.batches import Batch
from core.domain.jobs import Job, JobState
from core.domain.placeholder_secrets import is_placeholder
from core.rules.data.batch_ledger import is_stuck
from core.rules.model.alias_repair import Difference

FLOORS = {
    "mlflow": "3.17.2",
    "mlflow-skinny": "3.17.2",
    "starlette": "1.3.1",
    "python-multipart": "0.0.27",
    "skops": "0.12",
}
"""Oldest releases of libraries without a known advisory that affects driftdesk."""

PYTHON = (3, 11)

_LITTLE_DISK, _NO_DISK = 5_000_000_000, 500_000_000
_LARGE_SPOOL = 2_000_000_000
_LATE = timedelta(minutes=10)
_SHORTEST_SECRET = 16

_MAKE_ROOM = "Free some space: jobs fail and batches cannot be received until a file fits."
_GRANT = "Give the user who runs driftdesk the right to write there, or set DATA_DIR."
_CHECK_DISK = "Check the disk, or set DATA_DIR."
_REMEDIES = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EACCES: _GRANT,
    errno.EPERM: _GRANT,
    errno.EROFS: "Mount it for writing, or set DATA_DIR.",
    errno.ENOENT: "Make the folder, or set DATA_DIR.",
    errno.ENOTDIR: "Set DATA_DIR to a folder.",
}
"""What to do when the data folder takes no file, by the error's number."""

_NAMED = 5
LOOPBACK = {"127.0.0.1", "localhost", "::1", ""}


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do if it is not ok."""

    name: str
    state: State
    says: str
    todo: str = ""


def ok(name: str, says: str) -> Finding:
    """A check that passed."""
    return Finding(name, State.OK, says)


def warn(name: str, says: str, todo: str) -> Finding:
    """A check that needs attention."""
    return Finding(name, State.WARN, says, todo)


def bad(name: str, says: str, todo: str) -> Finding:
    """A check that failed: something stops or endangers the work."""
    return Finding(name, State.BAD, says, todo)


def is_below(version: str, floor: str) -> bool:
    """Whether a version is older than a floor; False if it cannot be parsed."""
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
    """The installed libraries that have a floor."""
    old = [
        f"{name} {version} (needs {FLOORS[name]})"
        for name, version in installed.items()
        if is_below(version, FLOORS[name])
    ]
    if old:
        return warn("Libraries", ", ".join(old), "Run make again: it installs what uv.lock names.")
    return ok("Libraries", ", ".join(f"{n} {v}" for n, v in installed.items()) or "None has one.")


def folder(free: int, refused: OSError | None) -> list[Finding]:
    """Whether the data folder takes a file, and the free disk space in bytes."""
    writable = ok("Data folder", "Takes files.")
    if refused:
        says = f"{refused.filename or 'It'} takes no file ({refused.strerror})."
        writable = bad("Data folder", says, _REMEDIES.get(refused.errno or 0, _CHECK_DISK))
    says = f"{free / 1e9:,.1f} GB free"
    disk = ok("Free disk", says)
    if free < _NO_DISK:
        disk = bad("Free disk", says, "Make room now: batches can no longer be received.")
    elif free < _LITTLE_DISK:
        todo = "Make room, or set RETAIN_PREDICTIONS_DAYS and RETAIN_SPOOL_DAYS."
        disk = warn("Free disk", says, todo)
    return [writable, disk]


def spool(count: int, size: int, where: str = "") -> Finding:
    """Answers of the source that were not read yet, or cannot be read; `where` is their URL."""
    says = f"{formatting.count(count, 'file')}, {size / 1e6:,.1f} MB"
    if where:
        says += f"; {where} takes files and returns them"
    if size > _LARGE_SPOOL:
        todo = "See the ledger for what could not be read; set RETAIN_SPOOL_DAYS."
        return warn("Spool", says, todo)
    return ok("Spool", says)


def live(
    decided: int | None, apart: Difference | None, served: Mapping[str, int | None]
) -> Finding:
    """Whether the alias, the decisions and every replica name the same version."""
    name = "Live version"
    if apart:
        return bad(name, apart.says, apart.todo)
    other = [f"{url} answers with {v}" for url, v in served.items() if v != decided]
    if other:
        says = f"The champion is {decided}; {', '.join(other)}."
        return bad(name, says, "See the log of serving: it says why it does not take the champion.")
    return ok(name, f"Version {decided}, everywhere." if decided else "None yet.")


def version_numbers(name: str, recorded: int, counted: int | None) -> Finding:
    """Whether MLflow numbers new versions above those on record (`recorded` is the highest, or 0).

    `counted` is the highest number that MLflow has given out, None without a model.
    """
    check = "Version numbers"
    if (counted or 0) >= recorded:
        return ok(check, f"MLflow has counted to {counted or 0}, {recorded} is on record.")
    if not counted:
        return bad(
            check,
            f"MLflow counts the versions of {name} from 1, but versions up to {recorded} are on "
            "record: the registered model was renamed, deleted or replaced.",
            "Give it its old name back, or restore MLflow's database. If its versions are lost "
            "for good: driftdesk continue-numbers --reason …",
        )
    return warn(
        check,
        f"MLflow shows versions of {name} up to {counted}, and {recorded} is on record.",
        "Nothing, if the newest were deleted there. If MLflow was put back to an older state, "
        "training will refuse, and say what to do.",
    )


def model_files(looked: Sequence[int], lost: Sequence[int], live: int | None) -> Finding:
    """Whether MLflow's artifact store has the model files of the checked versions."""
    name = "Model files"
    if not lost:
        return ok(name, f"{formatting.count(len(looked), 'version')} checked; none lacks its file.")
    says = f"MLflow has no model file of version {named(lost)}."
    if live in lost:
        says += f" Version {live} is live: serving keeps it as long as its own disk does."
    todo = "Restore them from a backup of the artifact store, or train a new version."
    return bad(name, says, todo)


def jobs(waiting: Sequence[Job], overdue: Sequence[Job], now: datetime) -> Finding:
    """Open jobs: none may have lost its worker, or wait for long."""
    late = [
        j.id for j in waiting if j.state is not JobState.RUNNING and j.requested_at < now - _LATE
    ]
    if overdue:
        says = f"Jobs {named([j.id for j in overdue])} run without a worker."
        return warn("Jobs", says, "If it stays so: python -m workers reconcile takes them over.")
    if late:
        says = f"Jobs {named(late)} wait for more than ten minutes."
        return warn("Jobs", says, "Start a worker for each queue, or cancel them.")
    return ok("Jobs", f"{len(waiting)} not over, none left behind.")


def batches(waiting: Sequence[Batch], closed: Sequence[Batch]) -> Finding:
    """Batches that block the queue, and those of the current epoch that were closed."""
    name = "Batches"
    stuck = [b for b in waiting if is_stuck(b)]
    if stuck:
        first = stuck[0]
        says = f"Entry {first.id} of the ledger was not stored in {first.tries} tries; it is first."
        todo = (
            "Run `driftdesk ingest` to try again (after the last try it is closed and the next "
            f"goes on), or `driftdesk batch skip {first.id} --reason …`."
        )
        return warn(name, says, todo)
    if closed:
        ids = [b.id for b in closed]
        one = len(ids) == 1
        says = (
            f"{'Entry' if one else 'Entries'} {named(ids)} of the ledger could not be stored and "
            f"{'is' if one else 'are'} closed."
        )
        todo = (
            f"See the ledger for the reason. `driftdesk batch retry {ids[0]}` reads one again, "
            f"`driftdesk batch skip {ids[0]} --reason …` settles it."
        )
        return warn(name, says, todo)
    return ok(name, f"{len(waiting)} wait, none was given up.")


def named(ids: Sequence[int]) -> str:
    """The first few numbers of a list, and how many more there are."""
    more = len(ids) - _NAMED
    return ", ".join(map(str, ids[:_NAMED])) + (f" and {more} more" if more > 0 else "")


def secret(name: str, value: str) -> Finding | None:
    """Whether a secret is a strong one; None if it is not set."""
    if not value:
        return None
    if is_placeholder(value) or len(set(value)) < _SHORTEST_SECRET // 2:
        todo = "Set it to the output of: openssl rand -base64 32"
        return bad(name, "Looks like a placeholder.", todo)
    if len(value) < _SHORTEST_SECRET:
        return warn(name, "Is short.", "Set it to the output of: openssl rand -base64 32")
    return ok(name, "Is set.")


def webhook(host: str, *, signed: bool) -> Finding:
    """Where notifications are posted."""
    name = "Notifications"
    if not host:
        return ok(name, "None are sent: WEBHOOK_URL is not set.")
    if not signed:
        return warn(name, f"Posted to {host}, unsigned.", "Set WEBHOOK_SECRET.")
    return ok(name, f"Posted to {host}, signed.")


def running(says: str, recorded: Mapping[str, str], settings: object) -> Finding:
    """Whether the settings name the system that `make run` recorded."""
    other = [n for n, value in recorded.items() if str(getattr(settings, n)) != value]
    if not other:
        return ok("make run", says)
    names = ", ".join(name.upper() for name in other)
    todo = "Unset them to use what make run started, or correct them in .env or the environment."
    return warn("make run", f"{says} The settings differ in {names}.", todo)


def serving_access(host: str, keys: str) -> Finding:
    """Whether serving accepts requests without a key from the network."""
    if host in LOOPBACK or keys:
        return ok("Serving's access", "Requires keys." if keys else "Open to this machine only.")
    todo = "Set SERVING_KEYS and make keys with `driftdesk keys add`."
    return warn("Serving's access", f"Listens on {host} and requires no key.", todo)
