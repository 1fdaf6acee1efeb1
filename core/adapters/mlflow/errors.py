"""MLflow's errors, each cause translated into a sentence that says what to do about it.

The chain of exceptions goes to the log; a page shows the sentence.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import structlog
import urllib3

from core.adapters.mlflow.rest import RETRIED, NotMlflow, Refusal, TooLong
from core.domain.errors import (
    DiskRefused,
    DriftdeskError,
    FileMissing,
    Missing,
    RegistryUnavailable,
)
from core.domain.registry_names import NOT_FOUND

log = structlog.get_logger()

_UNKNOWN_TO_IT = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}
_HIDDEN_CODE = "PERMISSION_DENIED"

_QUOTED = 200
_DEPTH = 8


_AGAIN_SECONDS = 60.0
_MOST_REASONS = 100
_logged: dict[tuple[str, str], float] = {}
"""When each failure was last logged, since a page retries every two seconds."""


def _log_once_a_minute(uri: str, reason: str, error: Exception) -> None:
    now = time.monotonic()
    if now - _logged.get((uri, reason), -_AGAIN_SECONDS) < _AGAIN_SECONDS:
        return
    if len(_logged) >= _MOST_REASONS:
        _logged.clear()
    _logged[uri, reason] = now
    log.warning("MLflow failed", uri=uri, reason=reason, causes=_ends(error))


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Translate and log whatever a call of MLflow raises in the block.

    Raises:
        Missing: MLflow does not have the named thing, or this user may not see it.
        DiskRefused: this machine's own disk is full, or not writable.
        RegistryUnavailable: anything else; the message names the cause.
    """
    try:
        yield
    except DriftdeskError:
        raise
    except Exception as error:
        translation = fault_of(error, uri)
        if not isinstance(translation, Missing):  # a missing alias is not a fault
            _log_once_a_minute(uri, str(translation), error)
        raise translation from error


def fault_of(error: Exception, uri: str) -> DriftdeskError:
    """The translation of what a call of MLflow raised."""
    if isinstance(error, Refusal):
        return _of_refusal(error, uri)
    if isinstance(error, NotMlflow):
        return RegistryUnavailable(f"MLflow at {uri} {_ELSEWHERE}. Check MLFLOW_TRACKING_URI.")
    if isinstance(error, TooLong):
        return RegistryUnavailable(f"MLflow at {uri} sent {error}. Look at its log and its load.")
    says = _unreached(_chain(error))
    if not says and isinstance(error, OSError):
        return DiskRefused(
            f"This machine's disk refused a file of MLflow's ({error.strerror or error}). Make "
            "room in the folder for temporary files, or name another one with TMPDIR."
        )
    return RegistryUnavailable(f"MLflow at {uri} {says or _unforeseen(error)}")


def _of_refusal(refusal: Refusal, uri: str) -> DriftdeskError:
    if refusal.status == HTTPStatus.FORBIDDEN or refusal.code == _HIDDEN_CODE:
        # MLflow answers 403 both for a missing model and for one this user may not see.
        return Missing(
            f"MLflow at {uri} shows us nothing of that name: it is not there, or the user of "
            "MLFLOW_TRACKING_USERNAME may not see or change it."
        )
    if refusal.code == NOT_FOUND and not refusal.of_files:
        return Missing(f"MLflow at {uri} has no such thing: {_quoted(refusal.message)}.")
    return RegistryUnavailable(f"MLflow at {uri} {_refused(refusal)}")


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and its causes, outermost first."""
    causes: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(causes) < _DEPTH:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or cause in causes:
            continue
        causes.append(cause)
        # urllib3 keeps the cause as an argument or as `reason`.
        waiting += [cause.__cause__ or cause.__context__, getattr(cause, "reason", None)]
        waiting += cause.args
    return causes


def _ends(error: BaseException) -> list[str]:
    """The outermost and the innermost exception, as text."""
    chain = _chain(error)
    ends = [chain[0], *chain[-1:]] if len(chain) > 1 else chain
    return [f"{type(cause).__name__}: {str(cause)[:500]}" for cause in ends]


_NO_ANSWER: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (socket.gaierror, urllib3.exceptions.NameResolutionError),
        "cannot be found: its name is not known here. Check MLFLOW_TRACKING_URI.",
    ),
    (
        (ssl.SSLError, urllib3.exceptions.SSLError),
        "has a certificate that is not accepted here. REQUESTS_CA_BUNDLE names trusted issuers.",
    ),
    (
        (urllib3.exceptions.ProxyError,),
        "cannot be reached through the proxy that HTTP_PROXY or HTTPS_PROXY names.",
    ),
    (
        (ConnectionRefusedError, urllib3.exceptions.NewConnectionError),
        "did not answer: nothing listens there. Check that it runs, and MLFLOW_TRACKING_URI.",
    ),
    (
        (urllib3.exceptions.TimeoutError, TimeoutError),
        "did not answer in time. Look at its log and its load; it may hang.",
    ),
    (
        (urllib3.exceptions.ProtocolError, ConnectionError),
        "broke the connection off. See its log.",
    ),
)
"""Exceptions without an answer, and their meaning. Order matters: the first match is taken, and
urllib3's `NewConnectionError` is also a timeout."""


def _unreached(causes: list[BaseException]) -> str:
    """Why there was no answer; empty if there was one."""
    return next(
        (says for kinds, says in _NO_ANSWER if any(isinstance(cause, kinds) for cause in causes)),
        "",
    )


_ELSEWHERE = (
    "is not what answers there: it sent no JSON, as MLflow would, but a page of a proxy, say"
)

_STATUSES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "refuses a file of this size ({}). Raise the limit of "
    "the proxy before it.",
    HTTPStatus.TOO_MANY_REQUESTS: "limits the rate of requests ({}). Try again later.",
    **dict.fromkeys(
        (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
        "is down or overloaded ({}); it says so itself, or a proxy before it. See MLflow's log.",
    ),
}


def _refused(refusal: Refusal) -> str:
    """The meaning of an answer with an error status."""
    status, code = refusal.status, f"HTTP {refusal.status}"
    if status == HTTPStatus.UNAUTHORIZED or refusal.code in _UNKNOWN_TO_IT:
        return (
            "does not take our name and password. Check MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    if refusal.code and status not in RETRIED and not refusal.of_files:
        return f"refused: {_quoted(refusal.message or refusal.code)}."
    if status in _STATUSES:
        return _STATUSES[HTTPStatus(status)].format(code)
    if refusal.of_files and status == HTTPStatus.NOT_FOUND:
        return f"has no such file ({code}). Restore its artifact store from a backup."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return (
            f"cannot store or read files ({code}): its artifact store is full, away or not "
            "writable. Check what --artifacts-destination names, and MLflow's log."
            if refusal.of_files
            else f"has an error of its own ({code}). See MLflow's log."
        )
    return f"{_ELSEWHERE} ({code}). Check MLFLOW_TRACKING_URI."


def _unforeseen(error: Exception) -> str:
    name, text = type(error).__name__, _quoted(str(error))
    return f"could not do it ({name}: {text}). The log has the details."


def _quoted(text: str) -> str:
    """A message on one line, without the error code before it."""
    return re.sub(r"^[A-Z_]+: ", "", " ".join(text.split()))[:_QUOTED].rstrip(". ")


def file_missing(name: str, version: int) -> FileMissing:
    """The error for a version without its model file."""
    return FileMissing(
        f"MLflow has no model file of version {version} of {name}: it is gone from the artifact "
        "store. Restore it from a backup of that store, or train a new version."
    )
