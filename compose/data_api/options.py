"""Options of the stand-in, from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Options:
    """Behaviour of the service; by default the latest known version at 5 % of the size.

    Port 0 is any free port. With `folder`, the options of the generator (`scale`, `nulls`) have no
    effect.

    Raises:
        ValueError: an option is out of its range; the message names it.
    """

    rows: Literal["objects", "lists"] = "objects"
    spelling: Literal["minima", "mínima"] = "minima"
    day: bool = False
    stray_space: bool = False
    scale: Annotated[float, Field(gt=0, le=1)] = 0.05
    seed: Annotated[int, Field(ge=0)] = 0
    nulls: bool = False
    bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.0
    folder: Path | None = None
    faults: bool = False
    state: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8010


def parse(arguments: Sequence[str]) -> Options:
    """Read the options; `arguments` are those after the program's name.

    Raises:
        SystemExit: an option is unknown or out of range (stderr has the reason), or help was
            requested.
    """
    parser = argparse.ArgumentParser(
        prog="python -m compose.data_api",
        description="A stand-in for the course's data API, with synthetic rows.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    older = "lists: as an older version, in column order and with numbers as strings"
    add("--rows", choices=("objects", "lists"), help=older)
    add("--spelling", choices=("minima", "mínima"), help="in the message at the end of the data")
    add("--day", action="store_true", help="require ?day= and return it")
    add("--stray-space", action="store_true", help='send the first key as " brokered_by"')
    add("--scale", type=float, help="share of the real row counts (0.05; 1 = all)")
    add("--seed", type=int, help="seed of the random rows (0)")
    add("--nulls", action="store_true", help="nulls, with the shares of the wider data set")
    add("--bad-rows", type=float, metavar="SHARE", help="share of invalid rows (0)")
    add("--folder", type=Path, metavar="DIR", help="serve batch_0.csv, batch_1.csv... of DIR")
    add("--faults", action="store_true", help="enable POST, GET and DELETE /faults")
    add("--state", type=Path, metavar="FILE", help="store the cursors in FILE")
    add("--host", help="address to listen on (127.0.0.1)")
    add("--port", type=int, help="port to listen on (8010)")
    try:
        return Options(**vars(parser.parse_args(arguments)))
    except ValidationError as error:
        wrong = error.errors()[0]
        parser.error(f"--{str(wrong['loc'][0]).replace('_', '-')}: {wrong['msg']}")
