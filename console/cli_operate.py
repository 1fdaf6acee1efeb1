"""The commands for whoever runs driftdesk: the doctor."""

from __future__ import annotations

import typer

from console import doctor as doctors
from console.desk import Desk
from console.terminal import AsJson, tell
from core.errors import DriftdeskError
from core.log import configure
from core.settings import read_settings


def doctor(*, as_json: AsJson = False) -> None:
    """Check everything that driftdesk needs, and say what to do; exit code 1 if anything is bad."""
    try:
        settings = read_settings()
        configure(settings.log_format, "cli")
        found = doctors.examine(Desk.make(settings))
    except DriftdeskError as error:
        found = doctors.unreadable(error)
    tell(found, as_json=as_json, lines=lambda: doctors.lines(found))
    if doctors.is_bad(found):
        raise typer.Exit(1)


COMMANDS = (doctor,)
