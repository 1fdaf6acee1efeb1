"""Settings of the serving API."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from core.platform.settings.checks import check_shown, valid


def _check_networks(networks: str) -> None:
    for network in filter(None, map(str.strip, networks.split(","))):
        try:
            ip_network(network)
        except ValueError:
            raise ValueError("must list addresses or networks, such as 10.0.0.0/8") from None


class ServingSettings(BaseSettings):
    """Where serving listens, who may call it, and its bounds."""

    serving_url: Annotated[str, valid(check_shown)] = "http://127.0.0.1:8000"
    """The serving API; several replicas are separated by commas."""
    serving_host: str = "127.0.0.1"
    """The address that serving listens on."""
    serving_port: int = 8000
    """The port that serving listens on."""
    serving_poll: float = Field(1.0, gt=0)
    """Seconds between two checks of the registry's alias."""
    serving_advertise: str = ""
    """The address at which the promote job reaches this replica of serving; empty means
    SERVING_HOST and SERVING_PORT."""
    serving_push_secret: SecretStr = SecretStr("")
    """Signs the promote job's request to serving to check the alias now; empty leaves it at
    SERVING_POLL."""
    serving_keys: str = ""
    """File of hashed API keys, made by `driftdesk keys add`; empty asks for none."""
    serving_key: SecretStr = SecretStr("")
    """The API key that console, command line and workers send."""
    serving_waiting: int = Field(256, ge=1)
    """Predictions that may wait at once; beyond, the answer is 503."""
    serving_streams: int = Field(2, ge=1)
    """Batches that may be processed at once; beyond, the answer is 503."""
    serving_stream_mb: int = Field(512, ge=1)
    """The largest streamed batch that serving accepts, in megabytes."""
    serving_rate: float = Field(0.0, ge=0)
    """Requests per second that one caller may make; 0 is no limit."""
    serving_proxies: Annotated[str, valid(_check_networks)] = "127.0.0.1,::1"
    """Addresses or networks of the proxies in front of serving, separated by commas: their
    X-Forwarded-For names the caller. Empty trusts no proxy."""
    serving_spool_mb: int = Field(256, ge=1)
    """Disk space for prediction records while the database is unavailable, in megabytes;
    beyond, they are dropped and counted."""
    serving_origins: str = ""
    """Web origins that may call serving from a browser, separated by commas."""
    serving_seconds: float = Field(60.0, gt=0)
    """Seconds that serving has to answer with a promoted version."""
    serving_link: str = ""
    """Serving's address for a browser, where it differs."""
    live_window: int = Field(500, ge=30)
    """Predictions in a window of live traffic that is checked for drift."""

    @property
    def serving_urls(self) -> tuple[str, ...]:
        """Every serving replica."""
        return tuple(url.strip().rstrip("/") for url in self.serving_url.split(",") if url.strip())
