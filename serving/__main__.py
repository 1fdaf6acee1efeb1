"""The serving program: `python -m serving`."""

from __future__ import annotations

import sys

import uvicorn

from core.errors import DriftdeskError
from core.log import configure
from core.settings import read_settings
from serving.app import create_app


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    try:
        settings = read_settings()
        configure(settings.log_format, "serving")
        app = create_app(settings)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    uvicorn.run(
        app,
        host=settings.serving_host,
        port=settings.serving_port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
