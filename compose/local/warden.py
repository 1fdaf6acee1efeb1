"""Ends the processes of a supervisor when the supervisor has ended, even by SIGKILL.

The supervisor holds the other end of our standard input, which closes with it.
Started as `python -m compose.local.warden MARK RUN_FILE`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from compose.local.remains import end, family, recorded_roots

_GRACE_SECONDS = 3.0
"""Children are stopped in no order, so some wait for one another."""


def main() -> None:
    """Wait for the end of the supervisor, then end its processes."""
    marked, run_file = sys.argv[1:]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # they are meant for the supervisor
    sys.stdin.buffer.read()
    roots = recorded_roots(Path(run_file), marked)
    end(lambda: family(marked, roots), _GRACE_SECONDS)


if __name__ == "__main__":
    main()
