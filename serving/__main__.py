"""The serving program: `python -m serving`."""

from __future__ import annotations

import gc
import signal
import sys

import uvicorn

from core.domain.errors import DriftdeskError
from core.platform import tracing
from core.platform.log import configure
from core.platform.settings import read_settings
from serving.http.app import create_app
from serving.http.head_limits import HeadLimits, bounded
from serving.memory import limit_arenas

_SWITCH_SECONDS = 0.001
"""Longest time that another thread blocks the event loop; Python's 5 ms are noticeable."""

_GC_THRESHOLDS = (10_000, 20, 20)
"""Rare collections: requests create hardly any reference cycles."""


def forbid_pickle() -> None:
    """Make unpickling any class raise RuntimeError, for the rest of the process.

    A pickle can execute code. Models are ONNX, which holds numbers and operators only; this stops
    a library that would load a pickle all the same.
    """

    def refuse(event: str, _arguments: tuple[object, ...]) -> None:
        if event == "pickle.find_class":
            raise RuntimeError("Serving loads no pickles.")

    sys.addaudithook(refuse)


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    # uvicorn finishes open requests and then raises the signal again: exit with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    forbid_pickle()
    limit_arenas()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        settings = read_settings()
        configure(settings.log_format, "serving", settings.secrets)
        tracing.start(settings.otel_exporter_otlp_endpoint, "serving")
        app = create_app(settings)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator reads it
        return 1
    uvicorn.run(
        app,
        host=settings.serving_host,
        port=settings.serving_port,
        access_log=False,
        log_config=None,  # logs go through structlog
        log_level="warning",
        http=bounded(HeadLimits()),
        loop="uvloop",
        ws="none",
        server_header=False,
        date_header=False,
        # Reading X-Forwarded-For costs 4% of a response, so only if the client address is used.
        proxy_headers=bool(
            settings.serving_proxies and (settings.serving_keys or settings.serving_rate)
        ),
        forwarded_allow_ips=settings.serving_proxies,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
