"""The dataset files of this desk: the folder DATASETS, or the one file that DATASET names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

from core.domain.dataset import Dataset
from core.domain.errors import BadInput, DatasetError
from core.platform.dataset_file import parse_text
from core.platform.settings import Settings

_LARGEST_FILE = 4_000_000
"""Bytes of a dataset file; one with 2,000 columns has some 200,000."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A dataset file: its dataset, or why it cannot be used.

    `digest` is the SHA-256 of its bytes in hex, empty if it could not be read.
    """

    path: Path
    digest: str
    dataset: Dataset | None
    problem: str = ""


@dataclass(frozen=True)
class Datasets:
    """The datasets of a desk at one moment.

    `problem` says why the folder itself cannot be read; its datasets are those of the last time.
    """

    files: tuple[DatasetFile, ...]
    problem: str = ""

    @cached_property
    def usable(self) -> Mapping[str, Dataset]:
        """The datasets that can be used, by name, in the order of their names."""
        found = {f.dataset.name: f.dataset for f in self.files if f.dataset}
        return dict(sorted(found.items()))

    @cached_property
    def problems(self) -> Mapping[str, str]:
        """Why each of the other files cannot be used, by the file's name."""
        return {f.path.name: f.problem for f in self.files if f.problem}

    @property
    def why_none(self) -> str:
        """Why no dataset can be used, in the case that none can."""
        reasons = [self.problem] if self.problem else []
        reasons += self.problems.values()
        return " ".join(reasons) or "The folder of DATASETS has no dataset file in it. Add one."

    def choose(self, name: str = "", default: str = "") -> Dataset:
        """The dataset of this name; without a name the only one, else the default.

        Raises:
            BadInput: there is none of that name, or several and none is named.
            DatasetError: its file cannot be used, or no file can.
        """
        wanted = name or (default if len(self.usable) != 1 else "")
        if not wanted and len(self.usable) == 1:
            return next(iter(self.usable.values()))
        if wanted in self.usable:
            return self.usable[wanted]
        if problem := self.problems.get(f"{wanted}.toml"):
            raise DatasetError(problem)
        if not self.usable:
            raise DatasetError(self.why_none)
        names = ", ".join(self.usable)
        if wanted:
            raise BadInput(f"There is no dataset {wanted!r} on this desk. Its datasets: {names}.")
        raise BadInput(f"Name the dataset: this desk has several ({names}).")


@dataclass
class DatasetFolder:
    """Reads the dataset files again where they changed."""

    settings: Settings
    _known: dict[Path, tuple[_Stamp, DatasetFile]] = field(default_factory=dict)
    _last: Datasets = field(default_factory=lambda: Datasets(()))

    @property
    def is_folder(self) -> bool:
        """Whether this desk may have several datasets."""
        return bool(self.settings.datasets)

    def read(self) -> Datasets:
        """Every dataset file as it is now; a file that has not changed is not read again.

        Of two files with one name the first by file name counts, and the other is a problem.
        """
        try:
            paths = self._paths()
        except OSError as error:
            problem = f"The folder of DATASETS cannot be read: {error.strerror or error}."
            return replace(self._last, problem=problem)
        files, owners = [], dict[str, str]()
        for path in paths:
            file = self._file(path)
            owner = owners.setdefault(file.dataset.name, path.name) if file.dataset else path.name
            if owner != path.name:
                said = f"The dataset file {path.name} has the same name in it as {owner}. "
                said += "Give it another name."
                file = DatasetFile(path, file.digest, None, said)
            files.append(file)
        self._known = {path: self._known[path] for path in paths if path in self._known}
        self._last = Datasets(tuple(files))
        return self._last

    def _paths(self) -> list[Path]:
        if not self.is_folder:
            return [self.settings.dataset_path]
        folder = Path(self.settings.datasets)
        return sorted(p for p in folder.iterdir() if p.suffix == ".toml" and p.name[0] != ".")

    def _file(self, path: Path) -> DatasetFile:
        try:
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            known = self._known.get(path)
            if known and known[0] == stamp:
                return known[1]
            if not S_ISREG(about.st_mode):  # reading a pipe would wait for ever
                said = f"The dataset file {path.name} cannot be read: it is not a file."
                return DatasetFile(path, "", None, said)
            if about.st_size > _LARGEST_FILE:
                said = f"The dataset file {path.name} is larger than 4 MB."
                return DatasetFile(path, "", None, said)
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            file = _parsed(path, content, digest)
            self._known[path] = (stamp, file)
        except OSError as error:
            said = f"The dataset file {path.name} cannot be read: {error.strerror or error}."
            return DatasetFile(path, "", None, said)
        return file


def _parsed(path: Path, content: bytes, digest: str) -> DatasetFile:
    try:
        return DatasetFile(path, digest, parse_text(content.decode(), path.name))
    except UnicodeDecodeError as error:
        said = f"The dataset file {path.name} cannot be read: {error}."
        return DatasetFile(path, digest, None, said)
    except DatasetError as error:
        return DatasetFile(path, digest, None, str(error))
