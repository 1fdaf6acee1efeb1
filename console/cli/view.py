"""What the actor of a command may see of this desk, and which dataset the command is about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from console.cli.printing import about
from console.fleet import Fleet
from core.domain.errors import BadInput, DatasetError
from core.rules.access.roles import Actor, Right

if TYPE_CHECKING:
    from console.desk import Desk
    from core.adapters.store.timeouts import Timeouts
    from core.platform.settings import Settings


@dataclass(frozen=True)
class View:
    """The datasets of this desk, as far as one person may see them; `named` is the name given."""

    fleet: Fleet
    named: str = ""

    @classmethod
    def opened(cls, settings: Settings, named: str = "", timeouts: Timeouts | None = None) -> View:
        """The view of the person with that name, else of the setting ACTOR.

        Raises:
            NotAllowed: this person may see nothing here.
            BadInput, SettingsError: as `identity.command_line_actor`.
        """
        view = cls(Fleet.make(settings, timeouts), named)
        if not view.names:
            view.actor().demand(Right.SEE, settings.auth_contact)
        return view

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.fleet.settings

    def actor(self, dataset: str = "") -> Actor:
        """Who acts, with the role for a dataset; "" is the whole desk."""
        from console.identity import command_line_actor

        return command_line_actor(self.settings, self.named, dataset)

    @cached_property
    def names(self) -> list[str]:
        """The datasets that can be used and that this person may see."""
        from console.identity import visible_on_command_line

        usable = self.fleet.datasets().usable
        return visible_on_command_line(self.settings, self.named, usable)

    @cached_property
    def problems(self) -> dict[str, str]:
        """Why each other file cannot be used, for who may see every dataset.

        A file that cannot be read names no dataset, so no role for one dataset covers it.
        """
        return dict(self.fleet.datasets().problems) if self.actor().may(Right.SEE) else {}

    @property
    def is_several(self) -> bool:
        """Whether a command must name its dataset."""
        return len(self.names) > 1

    def only(self, dataset: str) -> list[str]:
        """The dataset of that name, or all that this person may see.

        Raises:
            BadInput: there is none of that name that this person may see.
            DatasetError: its file cannot be used.
        """
        return [self.choose(dataset)] if dataset else self.names

    def choose(self, dataset: str = "") -> str:
        """The dataset of that name; without one the only one, else DEFAULT_DATASET.

        The message of an error names only what this person may see.

        Raises:
            BadInput: there is none of that name, or several and none is named.
            DatasetError: its file cannot be used, or no file can.
        """
        if dataset and (problem := self.problems.get(f"{dataset}.toml")):
            raise DatasetError(problem)
        if not self.names:
            raise self._none_usable()
        default = self.settings.default_dataset if self.is_several else self.names[0]
        wanted = dataset or default
        if wanted in self.names:
            return wanted
        listed = ", ".join(self.names)
        if dataset:
            raise BadInput(
                f"There is no dataset {dataset!r:.60} that you may see. Datasets: {listed}."
            )
        raise BadInput(
            f"This desk has several datasets: {listed}. Name one with --dataset, or set "
            "DRIFTDESK_DATASET."
        )

    def desk(self, dataset: str = "") -> Desk:
        """The desk of a dataset, chosen as by `choose`; what is printed is about it from now on.

        Raises:
            BadInput, DatasetError: as `choose`.
        """
        name = self.choose(dataset)
        about.set(name if self.is_several else "")
        return self.fleet.desk(name)

    def any_desk(self) -> Desk:
        """The desk of the first dataset, for what concerns the whole desk.

        Raises:
            DatasetError: no dataset can be used.
        """
        return self.fleet.desk(self.names[0]) if self.names else self.desk()

    def _none_usable(self) -> DatasetError:
        found = self.fleet.datasets()
        why = found.problem or next(iter(found.problems.values()), "")
        return DatasetError(why or "The folder of DATASETS has no dataset file yet.")

    def close(self) -> None:
        """Close every connection to the database."""
        self.fleet.close()
