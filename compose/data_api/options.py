"""What the stand-in can be told at its start.

Every option is a command-line flag, and an environment variable of the same name: `--bad-rows`
is `DATA_API_BAD_ROWS`. A flag wins over a variable.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "DATA_API_"
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Options:
    """How the service behaves; the defaults are the newest known term at a twentieth of its size.

    Invariants: `scale` in (0, 1], `bad_rows` in [0, 1], `seed` at least 0, `port` 0 to 65535
    (0 lets the system choose). With `folder`, the options of the generator (`scale`, `nulls`,
    `outliers`) have no effect.

    Raises:
        ValueError: an option is out of its range; the message names it.
    """

    rows: Literal["objects", "lists"] = "objects"
    spelling: Literal["minima", "mínima"] = "minima"
    restart_answer: Literal["object", "list"] = "object"
    day: bool = False
    stray_space: bool = False
    scale: float = 0.05
    seed: int = 0
    nulls: bool = False
    outliers: bool = False
    bad_rows: float = 0.0
    folder: Path | None = None
    faults: bool = False
    state: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8010

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not (math.isfinite(self.scale) and 0 < self.scale <= 1):
            raise ValueError("--scale must be above 0 and at most 1")
        if not 0 <= self.bad_rows <= 1:
            raise ValueError("--bad-rows is a share, from 0 to 1")
        if self.seed < 0:
            raise ValueError("--seed must be 0 or above")
        if not 0 <= self.port <= _LAST_PORT:
            raise ValueError(f"--port must be from 0 to {_LAST_PORT}")


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Read the options from flags and `DATA_API_*` variables.

    Raises:
        SystemExit: an option is unknown or out of range (a sentence stands on stderr), or
            help was asked for.
    """
    parser = _parser()
    try:
        given = vars(parser.parse_args([*_flags(environment), *arguments]))
        return Options(**given)
    except ValueError as error:
        parser.error(str(error))


def _flags(environment: Mapping[str, str]) -> list[str]:
    flags = []
    for field in fields(Options):
        variable = PREFIX + field.name.upper()
        value = environment.get(variable, "").strip()
        name = field.name.replace("_", "-")
        if isinstance(field.default, bool):
            if value.lower() not in _TRUE | _FALSE:
                raise ValueError(f"{variable} must be 1 or 0")
            if value:
                flags.append(f"--{name}" if value.lower() in _TRUE else f"--no-{name}")
        elif value:
            flags.append(f"--{name}={value}")
    return flags


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m compose.data_api",
        description="A stand-in for the course's data API, with made-up rows.",
        epilog="Each flag can be given as an environment variable: --bad-rows as "
        f"{PREFIX}BAD_ROWS.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    switch = argparse.BooleanOptionalAction
    wire = parser.add_argument_group("the protocol")
    wire.add_argument(
        "--rows",
        choices=("objects", "lists"),
        help="lists: as an older service, in column order and with strings for numbers",
    )
    wire.add_argument(
        "--spelling",
        choices=("minima", "mínima"),
        help="how the end of the data is spelled",
    )
    wire.add_argument(
        "--restart-answer",
        choices=("object", "list"),
        help='{"ok": true}, or ["ok"]',
    )
    wire.add_argument("--day", action=switch, help="require ?day= and send it back")
    wire.add_argument("--stray-space", action=switch, help='send the first key as " brokered_by"')
    data = parser.add_argument_group("the data")
    data.add_argument("--scale", type=float, help="share of the real sizes (0.05; 1 = real)")
    data.add_argument("--seed", type=int, help="another seed gives other rows (0)")
    data.add_argument("--nulls", action=switch, help="null shares of the wider data set")
    data.add_argument("--outliers", action=switch, help="the extreme values of the real batches")
    data.add_argument("--bad-rows", type=float, metavar="SHARE", help="share of broken rows (0)")
    data.add_argument(
        "--folder", type=Path, metavar="DIR", help="serve batch_0.csv, batch_1.csv... of DIR"
    )
    server = parser.add_argument_group("the server")
    server.add_argument("--faults", action=switch, help="open POST, GET and DELETE /faults")
    server.add_argument("--state", type=Path, metavar="FILE", help="keep the cursors in FILE")
    server.add_argument("--host", help="address to listen on (127.0.0.1)")
    server.add_argument("--port", type=int, help="port to listen on (8010)")
    return parser
