"""The HTTP side of streamed batches: spool the request, stream the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import structlog
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from serving.http.answers import AnswerLog
from serving.http.body import Disconnected, spool_body
from serving.http.scope import asked
from serving.http.stream import Format, stream_answers
from serving.model.live_model import LiveModel

_READ_SECONDS = 120.0
"""Seconds that a client may take to read one piece of the response."""

log = structlog.get_logger()


async def stream_response(
    request: Request,
    format_: Format,
    answer_log: AnswerLog,
    live_model: LiveModel,
    *,
    folder: Path,
    largest: int,
    release: Callable[[], None],
) -> Response:
    """Spool the request into `folder` and answer it; `release` is called when the stream ends.

    Raises:
        Problem: no model is live, a flag or the header of a CSV file is invalid, the body breaks a
            limit, or the disk is full.
        Disconnected: the client has gone.
    """
    with ExitStack() as open_:  # also a cancelled request must give back its slot and its file
        open_.callback(release)
        wanted = asked(request)
        file = await spool_body(request.scope, request.receive, folder, largest)
        open_.enter_context(file)
        model = live_model.require()
        answers = await run_in_threadpool(stream_answers, model, answer_log, file, format_, wanted)
        return _StreamResponse(answers, open_.pop_all().close, format_)


class _StreamResponse(StreamingResponse):
    """A streamed response that calls `close` however it ends.

    A client that reads nothing for `_READ_SECONDS` is disconnected, because the number of
    concurrent batches is limited.
    """

    def __init__(self, content: Iterator[bytes], close: Callable[[], None], kind: str) -> None:
        super().__init__(content, media_type=kind)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_timeout(message: Message) -> None:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    await send(message)
            except TimeoutError:
                log.warning("client does not read the streamed response; disconnecting")
                raise Disconnected from None

        try:
            await super().__call__(scope, receive, send_with_timeout)
        finally:
            self._close()
