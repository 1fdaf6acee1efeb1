"""A whole of throwaway children: `python -m tests.local.whole SPEC.json`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from compose.local import gates
from compose.local.__main__ import start
from compose.local.children import CannotStart, Child, Port, read_surroundings
from compose.local.life import Timing


def child(folder: Path, spec: dict[str, Any]) -> Child:
    ready = folder / "ready" / str(spec["name"])
    port = Port(spec["port"], "SOME_PORT") if "port" in spec else None
    if port:
        gate: gates.Gate | None = gates.http_ok(f"{port.url}/")
    else:
        gate = None if spec.get("once") else gates.file_touched(ready)
    return Child(
        name=spec["name"],
        command=tuple(spec["command"]),
        after=tuple(spec.get("after", [])),
        env={"READY_FILE": str(ready)},
        gate=gate,
        ports=(port,) if port else (),
        seconds=spec.get("seconds", 20),
    )


def main() -> int:
    spec = json.loads(Path(sys.argv[1]).read_text())
    gates.PROBE_SECONDS = 0.2
    folder = Path(spec["data_dir"])
    around = read_surroundings(os.environ, folder / "no.env", folder)
    try:
        return start(
            around,
            [child(folder, one) for one in spec["children"]],
            time.monotonic(),
            Timing(**{"look": 0.02, "again": 0.05} | spec.get("timing", {})),
        )
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
