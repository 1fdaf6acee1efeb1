"""Ends what a supervisor has started when the supervisor is gone, however it went.

The supervisor holds the other end of our standard input and never writes: that end closes with
it, even by SIGKILL. Started as `python -m compose.local.warden MARK RUN_FILE GRACE`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from compose.local.remains import RunFile, end, family


def main() -> None:
    """Wait for the end of the supervisor, then see that nothing of it is left."""
    marked, run_file, grace = sys.argv[1], RunFile(Path(sys.argv[2])), float(sys.argv[3])
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # they are meant for the supervisor
    sys.stdin.buffer.read()
    roots = run_file.roots(marked)
    end(lambda: family(marked, roots), grace)


if __name__ == "__main__":
    main()
