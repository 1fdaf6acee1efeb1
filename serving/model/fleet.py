"""Every dataset that this process serves, as the dataset files are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from core.domain.dataset import Dataset
from core.domain.errors import DriftdeskError, SettingsError
from core.domain.promotions import PromotionState
from core.platform.dataset_folder import DatasetFile, DatasetFolder, Datasets
from serving.memory import release_memory
from serving.model.followers import MOST_THREADS, Followers
from serving.model.live_model import LiveModel

log = structlog.get_logger()


@dataclass(eq=False)
class Served:
    """One dataset and its live model.

    `problem` says why its file cannot be used now; the model goes on answering.
    """

    dataset: Dataset
    path: Path
    live: LiveModel
    fleet: Fleet
    problem: str = ""

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def is_told(self) -> bool:
        """Whether it answers, or is known why it does not: registry and record were asked."""
        return self.live.current is not None or self.live.settled

    @property
    def classes(self) -> tuple[bool, tuple[str, ...]]:
        """Whether feedback is a label, and the known labels; of the live model, or the dataset."""
        live = self.live.current
        if live is None:
            return self.dataset.task.is_classifier, ()
        contract = live.runtime.contract
        return contract.task.is_classifier, contract.classes

    def refresh(self) -> None:
        """Follow the registry and the record."""
        before = (self.live.current, self.live.refused)
        try:
            self.live.refresh()
        finally:
            if (self.live.current, self.live.refused) != before:
                self.fleet.swapped()

    def seconds(self) -> float:
        """Many models take turns, unless a version of this one is on its way."""
        fleet = self.fleet
        turns = 1.0 if self.name in fleet.in_flight else len(fleet.served) / MOST_THREADS
        return fleet.poll * max(turns, 1.0)

    def look_now(self) -> None:
        """Follow without waiting for the next interval."""
        self.live.retry_failed()
        self.fleet.followers.hurry(self)


@dataclass(eq=False)
class Fleet:
    """The served datasets by name; follows the dataset files.

    `served` is replaced as a whole, so that a reader sees one state. `problems` says why other
    files are not served, by the file's name. `default` is the dataset that requests mean that name
    none. `changed` are called when datasets come, go or get a problem; `swapped` when a model does.
    """

    folder: DatasetFolder
    make: Callable[[Dataset, bool], LiveModel]
    followers: Followers
    poll: float
    default: str = ""
    swapped: Callable[[], None] = lambda: None
    changed: list[Callable[[], None]] = field(default_factory=list)
    served: Mapping[str, Served] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    in_flight: frozenset[str] = frozenset()
    name: str = ""

    @property
    def has_several(self) -> bool:
        """Whether this desk may have several datasets."""
        return self.folder.is_folder

    @property
    def main(self) -> Served | None:
        """The dataset of requests that name none: the only one, else the default."""
        served = self.served
        if len(served) == 1:
            return next(iter(served.values()))
        return served.get(self.default)

    @property
    def first(self) -> str:
        """The dataset of records that name none: those from before there were several."""
        main = self.main
        return main.name if main else next(iter(self.served), "")

    def open(self) -> None:
        """Read the dataset files for the first time.

        Raises:
            DatasetError: the only file cannot be used.
            SettingsError: the folder cannot be read, or MODEL_NAME is set for several datasets.
        """
        found = self.folder.read()
        if found.problem:
            raise SettingsError(found.problem)
        if not self.has_several:
            found.choose()
        several = len(found.usable) > 1
        self.served = {
            file.dataset.name: self._new(file, file.dataset, several=several)
            for file in _in_order(found)
            if file.dataset
        }
        self.problems = found.problems
        self._tell(found.problems)

    def refresh(self) -> None:
        """Follow the dataset files: new ones are served, removed ones are not any more.

        The model of a file that became wrong goes on answering.
        """
        found, before = self.folder.read(), self.served
        after: dict[str, Served] = {}
        problems = dict(found.problems)
        several = len(found.usable) > 1
        for file in _in_order(found):
            if file.dataset is None:
                continue
            served = before.get(file.dataset.name)
            try:
                served = served or self._new(file, file.dataset, several=several)
            except DriftdeskError as error:
                problems[file.path.name] = str(error)
                continue
            served.dataset, served.path, served.problem = file.dataset, file.path, ""
            after[served.name] = served
        for file in found.files:
            kept = next((s for s in before.values() if s.path == file.path), None)
            if kept and file.problem and kept.name not in after:
                kept.problem = file.problem
                after[kept.name] = kept
        after = dict(sorted(after.items()))
        is_new = after != before or problems != self.problems
        self._tell({name: why for name, why in problems.items() if why != self.problems.get(name)})
        self.served, self.problems = after, problems
        if is_new:
            self._follow(before)

    def _follow(self, before: Mapping[str, Served]) -> None:
        for name, served in before.items():
            if name not in self.served:
                log.warning("dataset is not served any more", dataset=name)
                self.followers.remove(served)
        for name, served in self.served.items():
            if name not in before:
                log.info("dataset is served", dataset=name)
                served.live.warm_start()
                self.followers.add(served)
        for call in (*self.changed, self.swapped):
            call()

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name, why in problems.items():
            log.error("dataset file cannot be used", file=name, reason=why)

    def _new(self, file: DatasetFile, dataset: Dataset, *, several: bool) -> Served:
        return Served(dataset, file.path, self.make(dataset, several), self)

    def seconds(self) -> float:
        """Seconds until the next look at the dataset files."""
        return self.poll

    def warm_start(self) -> None:
        """Serve the cached models until registry and record have been asked."""
        models = [served.live for served in self.served.values()]
        with ThreadPoolExecutor(MOST_THREADS, "warm-start") as pool:
            list(pool.map(LiveModel.warm_start, models))
        release_memory()

    def start(self) -> None:
        """Start to follow everything."""
        for served in self.served.values():
            self.followers.add(served)
        self.followers.add(self)
        if self.has_several:
            self.followers.add(RecordWatch(self))
        self.followers.start()


@dataclass(eq=False)
class RecordWatch:
    """Sees decisions at once where there are too many models to follow each every time."""

    fleet: Fleet
    name: str = ""
    _known: Mapping[str, frozenset[tuple[int, str]]] = field(default_factory=dict)

    def refresh(self) -> None:
        """Ask the record once for all datasets; where it changed, that model follows at once."""
        fleet = self.fleet
        record = next((s.live.record for s in fleet.served.values()), None)
        if record is None or len(fleet.served) <= MOST_THREADS:
            return
        decided = record.decided()
        approved = PromotionState.APPROVED
        fleet.in_flight = frozenset(
            name for name, of in decided.items() if any(state == approved for _, state in of)
        )
        for name, served in fleet.served.items():
            if self._known and decided.get(name) != self._known.get(name):
                fleet.followers.hurry(served)
        self._known = decided

    def seconds(self) -> float:
        """Seconds until the next look."""
        return self.fleet.poll


def _in_order(found: Datasets) -> list[DatasetFile]:
    """The usable files, by the names of their datasets."""
    return sorted(
        (file for file in found.files if file.dataset),
        key=lambda file: file.dataset.name if file.dataset else "",
    )
