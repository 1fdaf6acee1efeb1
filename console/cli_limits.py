"""`driftdesk limits …`: the limits by which drift is judged, what others would have said."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import typer

from console import actions, drifts, words
from console.desk import Desk
from console.terminal import Actor, AsJson, Reason, at_desk, tell, who
from core.dataset import STATISTICS
from core.errors import BadInput
from core.limits import Key
from core.records import Reference

app = typer.Typer(no_args_is_help=True, help="The limits by which drift is judged.")

Names = Annotated[
    list[str],
    typer.Argument(help="A statistic such as price_mean, a column such as price, or all."),
]


def _keys(desk: Desk, names: list[str]) -> list[Key]:
    """What names stand for: one limit, those of a column, or every one."""
    columns = [c.name for c in desk.dataset.compared]
    every = list(product(columns, STATISTICS))
    named = {f"{c}_{s}": [(c, s)] for c, s in every}
    named |= {c: [(c, s) for s in STATISTICS] for c in columns} | {"all": every}
    unknown = [name for name in names if name not in named]
    if unknown:
        raise BadInput(
            f"There is no limit {', '.join(unknown)}. Columns: {', '.join(columns)}; a statistic "
            f"is one of {', '.join(f'{columns[0]}_{s}' for s in STATISTICS)}, and so on."
        )
    return list(dict.fromkeys(key for name in names for key in named[name]))


def _lines(found: drifts.InForce) -> list[str]:
    lines = []
    for (column, statistic), limit in found.limits.items():
        here = "" if (column, statistic) not in found.set_here else "  set here"
        lines.append(f"{column}_{statistic:<6} {words.percent(limit):>8}{here}")
    return lines


def _document(found: drifts.InForce) -> dict[str, Any]:
    return {
        f"{c}_{s}": {
            "limit": limit,
            "dataset": found.files[c, s],
            "set_here": (c, s) in found.set_here,
        }
        for (c, s), limit in found.limits.items()
    }


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every limit in force, and whether it was set here."""
    with at_desk() as desk:
        found = drifts.limits(desk)
        tell(_document(found), as_json=as_json, lines=lambda: _lines(found))


@app.command("set")
def set_(
    percent: Annotated[float, typer.Argument(help="The limit in per cent, such as 20.")],
    names: Names,
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="Change nothing; say what it would have said.")
    ] = False,
    reason: Reason = "",
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Set limits from now on; needs a reason."""
    with at_desk(actor) as desk:
        wanted = dict.fromkeys(_keys(desk, names), round(percent / 100, 9))
        if preview:
            _preview(desk, wanted, as_json=as_json)
            return
        actions.set_limits(desk, who(desk, actor), dict(wanted), reason=reason)
        found = drifts.limits(desk)
        tell(_document(found), as_json=as_json, lines=lambda: _lines(found))


@app.command()
def reset(names: Names, *, reason: Reason = "", as_json: AsJson = False, actor: Actor = "") -> None:
    """Go back to the dataset file's limits; needs a reason."""
    with at_desk(actor) as desk:
        actions.set_limits(desk, who(desk, actor), dict.fromkeys(_keys(desk, names)), reason=reason)
        found = drifts.limits(desk)
        tell(_document(found), as_json=as_json, lines=lambda: _lines(found))


def _preview(desk: Desk, wanted: dict[Key, float], *, as_json: bool) -> None:
    limits = drifts.limits(desk).limits | wanted
    seen = drifts.would_have_said(drifts.history(desk, Reference.PREVIOUS), limits)
    others = [p for p in seen if p.changes]
    head = f"{len(others)} of {len(seen)} stored batches would have had another verdict."
    tell(
        others,
        as_json=as_json,
        lines=lambda: [
            head,
            *(
                f"epoch {p.epoch}, batch {p.batch_number}: {p.breaches} above, "
                f"{p.would_breach} with these limits"
                for p in others
            ),
        ],
    )
