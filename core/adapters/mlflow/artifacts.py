"""MLflow's artifact store, through MLflow's server (`--serve-artifacts`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from core.adapters.mlflow.rest import Rest, pieces
from core.domain.errors import RegistryUnavailable

_SCHEME = "mlflow-artifacts"
_FILE_BYTES = 2 * 1024**3
_FILE_SECONDS = 600.0
"""The maximum size of a file, and how long its transfer may take in all."""


class Artifacts:
    """Files by the URIs that MLflow names."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def read(self, uri: str, name: str) -> bytes:
        """A file in the folder of a URI."""
        return b"".join(self._pieces(f"{self._path(uri)}/{name}"))

    def names(self, uri: str) -> list[str]:
        """The names of files and folders at a URI, not recursive."""
        return sorted(name for name, _ in self._rest.listing(self._path(uri)))

    def download(self, uri: str, folder: Path) -> None:
        """Store all files at a URI in a folder, which may be there already."""
        self._download(self._path(uri), folder)

    def upload(self, folder: Path, uri: str, below: str = "") -> None:
        """Store all files of a folder at a URI, in its folder `below` if one is named."""
        where = self._path(uri) + (f"/{below}" if below else "")
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                with file.open("rb") as content:
                    path = f"{where}/{file.relative_to(folder).as_posix()}"
                    self._rest.put(path, content, file.stat().st_size)

    def write(self, uri: str, name: str, content: bytes) -> None:
        """Store one file in the folder of a URI."""
        self._rest.put(f"{self._path(uri)}/{name}", BytesIO(content), len(content))

    def probe(self) -> None:
        """Store a small file and delete it again."""
        folder = f"driftdesk-doctor-{uuid.uuid4().hex[:12]}"
        self.write(f"{_SCHEME}:/{folder}", "probe.txt", b"driftdesk doctor")
        self._rest.delete(folder)

    def _download(self, path: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, is_folder in self._rest.listing(path):
            if is_folder:
                self._download(f"{path}/{name}", folder / name)
                continue
            with (folder / name).open("wb") as file:
                for piece in self._pieces(f"{path}/{name}"):
                    file.write(piece)

    def _pieces(self, path: str) -> Iterator[bytes]:
        with self._rest.file(path) as response:
            yield from pieces(response, _FILE_BYTES, _FILE_SECONDS)

    def _path(self, uri: str) -> str:
        """The path below MLflow's address of artifacts."""
        parts = urlsplit(uri)
        if parts.scheme != _SCHEME:
            raise RegistryUnavailable(
                f"MLflow at {self._rest.uri} does not serve its files itself ({uri or 'no URI'}). "
                "Start it with --serve-artifacts."
            )
        return parts.path.strip("/")
