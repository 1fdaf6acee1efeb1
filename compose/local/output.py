"""The operator's terminal, and the log file of each child."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO, TextIO

_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92)
_OWN = "driftdesk"
_LOG_BYTES = 5_000_000
_LAST_LINES = 12
_LONGEST_LINE = 64 * 1024
_OUR_PROBES = re.compile(r'"GET /(_stcore/)?health(/live)? HTTP/1\.\d" 200')
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Lines of many programs on one screen: each after its name, coloured on a terminal."""

    def __init__(self, stream: TextIO, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._coloured = stream.isatty() and not environ.get("NO_COLOR")
        self._width = max(map(len, [_OWN, *names]))
        self._colours = {n: _COLOURS[i % len(_COLOURS)] for i, n in enumerate(names)}

    def say(self, sentences: str) -> None:
        """Show sentences of our own."""
        for line in sentences.splitlines():
            self.show(_OWN, line)

    def show(self, name: str, line: str) -> None:
        """Show a line of a child."""
        prefix = f"{name:<{self._width}} |"
        if self._coloured:
            text = f"\x1b[{self._colours.get(name, 1)}m{prefix}\x1b[0m {line}\n"
        else:
            text = f"{prefix} {_ESCAPES.sub('', line)}\n"
        try:
            with self._lock:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader is gone (`make run | head`): the system runs on, the logs too


class Log:
    """The output of one child: a bounded file, and the last lines in memory."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._file = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=2, errors="replace")
        if path.stat().st_size:
            self._file.doRollover()  # each run has its own file

    def add(self, line: str) -> None:
        """Keep a line."""
        plain = _ESCAPES.sub("", line)
        self.last.append(plain)
        self._file.handle(LogRecord("", 0, "", 0, plain, None, None))

    def close(self) -> None:
        """No line follows."""
        self._file.close()


def relay(pipe: BinaryIO, name: str, terminal: Terminal, log: Log) -> None:
    """Show and log the lines from a pipe until its last writer is gone."""
    with pipe:
        for line in iter(lambda: pipe.readline(_LONGEST_LINE), b""):
            text = line.decode(errors="replace").rstrip("\r\n")
            if not _OUR_PROBES.search(text):
                log.add(text)
                terminal.show(name, text)


def columns(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, for people."""
    width = max((len(first) for first, _ in rows), default=0)
    return "\n".join(f"  {first:<{width}}  {second}" for first, second in rows)
