"""The source that a dataset names, with the settings that it needs."""

from __future__ import annotations

from core.domain.sources import DataApiSource, FilesSource, Source, SqlSource
from core.platform.settings import Settings
from workers.sources import port


def make_source(source: Source, settings: Settings) -> port.Source:
    """Build a source; nothing is asked yet.

    Raises:
        SourceRefused: a package or a setting that it needs is missing.
    """
    # Imported where they are needed: most workers use one of them.
    match source:
        case DataApiSource():
            return _data_api(source, settings)
        case FilesSource():
            from workers.sources.files import Files  # noqa: PLC0415

            return Files(source)
        case SqlSource():
            from workers.sources.sql import Query  # noqa: PLC0415

            return Query.of(source)
        case _:
            from workers.sources.upload import Uploads  # noqa: PLC0415

            return Uploads()


def _data_api(source: DataApiSource, settings: Settings) -> port.Source:
    from workers.sources.data_api import DataApi  # noqa: PLC0415
    from workers.sources.http_exchange import Limits  # noqa: PLC0415

    return DataApi(
        settings.data_api_url,
        settings.data_api_group,
        settings.data_api_day,
        Limits(
            size=settings.data_api_max_mb * 1_000_000,
            seconds=settings.data_api_max_seconds,
            silence=settings.data_api_timeout,
            rate=settings.data_api_min_rate * 1000,
        ),
        source,
        proxied=settings.outbound_proxies,
    )
