"""The queries of a browser session, and their caches, which all sessions share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

import streamlit as st

from console.desk import Desk
from console.queries import local_logs
from console.queries.background import Answer, Questions
from console.web import page_state, session
from console.web.metrics import metrics
from console.web.page_text import plain
from core.domain.errors import DriftdeskError, Missing

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds that a page waits for another service, which answers in a few hundredths."""

_PAUSE = 0.05
"""Seconds after which a waiting page looks whether something was clicked."""

_KEPT, _KEPT_ERROR = 15.0, 30.0
"""Seconds for which an answer, or an error, is shown while the next answer is awaited."""

_MOST_CACHED = 1_000
"""The most results of `query_cached` that are kept; those that are asked for soon come back."""


def query(question: Callable[..., T], *args: Any, silent: bool = False, **kwargs: Any) -> T | None:
    """Query the stores; if one is unavailable, show why on the page and return None.

    With `silent` nothing is shown: another part of the page runs the same query.
    """
    return _answer(lambda: question(session.desk(), *args, **kwargs), silent=silent)


def _answer(ask: Callable[[], T], *, silent: bool = False) -> T | None:
    try:
        return ask()
    except DriftdeskError as error:
        metrics().unanswered(error)
        if not silent:
            says = local_logs.with_remedy(session.any_desk, error)
            st.error(plain(says), icon=":material/cloud_off:")
        return None


def query_shared(
    question: Callable[..., T], *args: Any, silent: bool = False, **kwargs: Any
) -> T | None:
    """Like `query`, for what datasets share: it needs no dataset in the address."""
    return _answer(lambda: question(session.any_desk(), *args, **kwargs), silent=silent)


def query_or_none(question: Callable[..., T], *args: Any) -> T | None:
    """Like `query`, but return None without a message where the thing does not exist."""

    def existing(desk: Desk) -> T | None:
        with suppress(Missing):
            return question(desk, *args)
        return None

    return query(existing)


def query_fleet(
    question: Callable[..., T], *args: Any, ttl: float = 0.0, **kwargs: Any
) -> T | None:
    """Ask about the datasets that this session may see; as `query` and `query_cached`.

    `question` gets the fleet and their names before the arguments.
    """

    def ask() -> T:
        fleet, names = session.fleet(), tuple(session.visible())
        key = (names, question.__module__, question.__qualname__, args, *sorted(kwargs.items()))
        return _cached(ttl, key, lambda: question(fleet, names, *args, **kwargs))

    return _answer(ask)


@st.cache_resource(show_spinner=False)
def _cache() -> dict[Any, tuple[float, Any]]:
    """Results of `query_cached` with the time of each, shared by all sessions."""
    return {}


def query_cached(
    ttl: float, question: Callable[..., T], *args: Any, silent: bool = False
) -> T | None:
    """Like `query`, with results cached for `ttl` seconds and shared by all sessions.

    For queries that cost much, so that many tabs do not repeat them. Errors are not cached.
    """
    key = (session.desk().dataset.name, question.__module__, question.__qualname__, args)
    return _cached(ttl, key, lambda: query(question, *args, silent=silent))


def _cached(ttl: float, key: Any, ask: Callable[[], T]) -> T:
    cache = _cache()
    cached_at, cached = cache.get(key, (-math.inf, None))
    if time.monotonic() - cached_at < ttl:
        return cached  # type: ignore[no-any-return]
    result = ask()
    if result is not None and ttl:
        if len(cache) >= _MOST_CACHED:
            cache.clear()
        cache[key] = (time.monotonic(), result)
    return result


class Told(NamedTuple, Generic[T]):
    """What another service told: `value`, which is None if it failed or while it `is_awaited`."""

    value: T | None = None
    is_awaited: bool = False


@st.cache_resource(show_spinner=False)
def _questions() -> Questions:
    """What other services are asked, for all sessions."""
    return Questions()


def neighbour(
    question: Callable[..., T],
    *args: Any,
    ttl: float = 0.0,
    shared: bool = False,
    silent: bool = False,
) -> Told[T]:
    """Ask another service in the background; the page waits a moment for the answer, not longer.

    Answers are shared by all sessions for `ttl` seconds. If the service fails, why is shown on the
    page, unless `silent`. With `shared` the question is about what datasets share.
    """

    def ask() -> Told[T]:
        desk = session.any_desk() if shared else session.desk()
        name = "" if shared else desk.dataset.name
        key = (name, question.__module__, question.__qualname__, args)
        asked = _questions()
        asked.ask(question.__name__, key, lambda: question(desk, *args), ttl)
        while (asking := asked.answer(key).asking) is not None and asking < _PATIENCE:
            asked.wait([key], _PAUSE)
            page_state.give_way()
        return _told(asked.answer(key))

    return _answer(ask, silent=silent) or Told()


def _told(answer: Answer) -> Told[Any]:
    kept = _KEPT if answer.error is None else _KEPT_ERROR
    if answer.age is None or answer.age > kept:
        return Told(is_awaited=True)
    if answer.error is not None:
        raise answer.error
    return Told(answer.value)


def clear_cache() -> None:
    """Drop the results of `query_cached` and `neighbour`, after a change."""
    _cache().clear()
    _questions().forget()


def deferred_query(question: Callable[..., T], *args: Any, **kwargs: Any) -> Callable[[], T]:
    """A query for a download button, run on download, outside any session."""
    desk, require_login = session.desk(), session.still_logged_in()

    def run() -> T:
        require_login()
        return question(desk, *args, **kwargs)

    return run


@st.cache_resource(max_entries=100, show_spinner=False)
def _memo(_make: Callable[[], Any], *key: Any) -> Any:  # noqa: ARG001 - Streamlit hashes it
    return _make()


def memo(make: Callable[[], T], *key: Any) -> T:
    """Memoise `make()` under this key, for all sessions; the shared result must not be changed.

    The key must name everything that the result depends on, besides the dataset.
    """
    return _memo(make, session.desk().dataset.name, *key)  # type: ignore[no-any-return]
