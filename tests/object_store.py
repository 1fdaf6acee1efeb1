"""An S3-compatible server on a free loopback port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from moto.server import ThreadedMotoServer

BUCKET = "desk"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Serve one empty bucket in a thread; yields the environment that reaches it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        requests.put(f"{url}/{BUCKET}", timeout=10).raise_for_status()
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "a-worker",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-object-store",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.stop()
