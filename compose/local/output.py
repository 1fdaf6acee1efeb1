"""What the operator sees, and the log that each child leaves."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92)
_OWN = "driftdesk"
_LOG_BYTES = 5_000_000
_LAST_LINES = 12
_LONGEST_LINE = 64 * 1024
_OUR_PROBES = re.compile(r'"GET /(_stcore/)?health(/live)? HTTP/1\.\d" 200')
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Lines of many programs on one screen: each after its name, in its colour where it may be."""

    def __init__(self, stream: TextIO, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not environ.get("NO_COLOR")
        self._width = max(map(len, [_OWN, *names]))
        self._colours = {n: _COLOURS[i % len(_COLOURS)] for i, n in enumerate(names)}

    def show(self, name: str, line: str) -> None:
        """A line of a child."""
        self._write(name, line if self._coloured else _ESCAPES.sub("", line), self._colours[name])

    def say(self, sentence: str) -> None:
        """A sentence of our own."""
        for line in sentence.splitlines():
            self._write(_OWN, line, 1)

    def _write(self, name: str, line: str, colour: int) -> None:
        prefix = f"{name:<{self._width}} |"
        if self._coloured:
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        try:
            self._stream.write(f"{prefix} {line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more (`make run | head`): the system runs on, the logs too


class Log:
    """What one child has said: in a file that is bounded, and its last lines at hand."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._file = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=2, errors="replace")
        if path.stat().st_size:
            self._file.doRollover()  # each start of the whole has its own file

    def add(self, line: str) -> None:
        """Keep a line."""
        plain = _ESCAPES.sub("", line)
        self.last.append(plain)
        self._file.emit(LogRecord("", 0, "", 0, plain, None, None))

    def close(self) -> None:
        """No line follows."""
        self._file.close()


async def relay(read_end: int, name: str, terminal: Terminal, log: Log) -> None:
    """Pass on what comes through a pipe, line by line, until its last writer is gone.

    The pipe is ours and not asyncio's: there, a process has not ended while one of its own
    children holds its output.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    rest = b""
    try:
        while chunk := await reader.read(_LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                _pass_on(line, name, terminal, log)
        if rest:
            _pass_on(rest, name, terminal, log)
    finally:
        transport.close()


def _pass_on(line: bytes, name: str, terminal: Terminal, log: Log) -> None:
    text = line.decode(errors="replace").rstrip("\r")
    if _OUR_PROBES.search(text):
        return
    log.add(text)
    terminal.show(name, text)


def columns(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, for people."""
    width = max((len(first) for first, _ in rows), default=0)
    return "\n".join(f"  {first:<{width}}  {second}" for first, second in rows)
