"""The time limits of a database that is a source: a silent server must not hold a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import sqlalchemy as sa

T = TypeVar("T")

MOST_SECONDS = 330.0
"""For connecting, and for the first answer to a query, with any driver: more than those below."""

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 300
"""For each piece of an answer, where the driver can limit it."""


class DeadlineError(Exception):
    """A call did not end in time."""


def within(seconds: float, call: Callable[[], T], late: Callable[[Future[T]], object]) -> T:
    """What `call` returns or raises, if it ends in time.

    It runs in a thread of its own, which is left behind otherwise: no driver can be made to give up
    from outside. Should the call end after all, `late` cleans up; else the process's end does.

    Raises:
        DeadlineError: it did not end in time.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            future.set_exception(error)

    threading.Thread(target=run, name="deadline", daemon=True).start()
    ended = wait([future], seconds).done
    if not ended:
        future.add_done_callback(late)
        raise DeadlineError
    return future.result()


def driver_limits(url: sa.URL) -> dict[str, int | str]:
    """The limits that a driver keeps by itself."""
    driver = url.get_driver_name()
    if driver in ("pymysql", "mysqldb"):
        return {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _ANSWER_SECONDS}
    if driver in ("psycopg", "psycopg2"):
        statement = f"-c statement_timeout={_ANSWER_SECONDS * 1000}"
        return {"connect_timeout": _CONNECT_SECONDS, "options": statement}
    return {}


def close_late(connected: Future[sa.Connection]) -> None:
    """Close a connection that nobody waits for any more."""
    if connected.exception() is None:
        connected.result().close()
