"""The serving program: `python -m serving`."""

from __future__ import annotations

import gc
import signal
import sys

import uvicorn

from core import trace
from core.errors import DriftdeskError
from core.log import configure
from core.settings import read_settings
from serving.app import create_app
from serving.guard import forbid_pickle

_SWITCH_SECONDS = 0.001
"""How long another thread may hold up the event loop; Python's own five milliseconds show."""

_COLLECT = (10_000, 20, 20)
"""How seldom the collector looks: counting references leaves it next to nothing here."""


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    # uvicorn answers what it accepted and then raises the signal anew: a stop that went well is 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    forbid_pickle()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        settings = read_settings()
        configure(settings.log_format, "serving", settings.secrets)
        trace.start(settings.otel_exporter_otlp_endpoint, "serving")
        app = create_app(settings)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    uvicorn.run(
        app,
        host=settings.serving_host,
        port=settings.serving_port,
        access_log=False,
        log_config=None,  # its lines go the way of all others
        log_level="warning",
        http="httptools",
        loop="uvloop",
        ws="none",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
