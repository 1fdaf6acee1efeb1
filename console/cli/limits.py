"""`driftdesk limits …`: the drift limits in force, and a preview of others."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli.shared import Commands, Output, Reason
from console.desk import Desk
from console.text import formatting
from console.text import measures as measure_text
from core.domain.dataset import STATISTICS
from core.domain.drift import Reference
from core.domain.errors import BadInput
from core.rules.access.roles import Actor
from core.rules.drift.thresholds import of_measures

if TYPE_CHECKING:
    from console.cli import answers
    from core.rules.drift.thresholds import Key

app = Commands(no_args_is_help=True, help="The drift limits: list, set, reset.")

Names = Annotated[
    list[str],
    typer.Argument(help="A statistic such as price_mean, a column such as price, or all."),
]


def _keys(desk: Desk, names: list[str]) -> list[Key]:
    """The limits that names select: one, those of a column, or all."""
    columns = [c.name for c in desk.dataset.compared]
    every = list(product(columns, STATISTICS))
    named = {f"{c}_{s}": [(c, s)] for c, s in every}
    named |= {c: [(c, s) for s in STATISTICS] for c in columns} | {"all": every}
    unknown = [name for name in names if name not in named]
    measures = {f"{c}_{m.value}" for c, m in of_measures(desk.dataset)}
    if fixed := [name for name in unknown if name in measures]:
        raise BadInput(f"{fixed[0]} cannot be set here. {measure_text.WHERE}")
    if unknown:
        raise BadInput(
            f"There is no limit {', '.join(unknown)}. Columns: {', '.join(columns)}; a statistic "
            f"is one of {', '.join(f'{columns[0]}_{s}' for s in STATISTICS)}, and so on."
        )
    return list(dict.fromkeys(key for name in names for key in named[name]))


def _shown(desk: Desk) -> Output[answers.Limits]:
    """The limits in force, and the dataset file's where they differ."""
    current = queries.drift.limits(desk)
    limits = {f"{c}_{s}": ((c, s), limit) for (c, s), limit in current.limits.items()}
    measures = {f"{c}_{m.value}": (m, limit) for (c, m), limit in current.measures.items()}
    width = max(map(len, [*limits, *measures]), default=0)
    content: dict[str, answers.LimitInForce] = {
        name: {"limit": limit, "dataset": current.files[key], "set_here": key in current.set_here}
        for name, (key, limit) in limits.items()
    }
    content |= {
        name: {"limit": limit, "dataset": limit, "set_here": False}
        for name, (_, limit) in measures.items()
    }
    lines = [
        f"{name:<{width}}  {formatting.percent(limit):>8}"
        + ("  set here" if key in current.set_here else "")
        for name, (key, limit) in limits.items()
    ]
    if measures:
        lines.append(measure_text.WHERE)
    lines += [
        f"{name:<{width}}  {measure_text.value(m, limit):>8}"
        for name, (m, limit) in measures.items()
    ]
    return Output(content, lines)


@app.command("list")
def list_(desk: Desk) -> Output[answers.Limits]:
    """Every limit in force, whether it overrides the dataset file, and those of the measures."""
    return _shown(desk)


@app.command("set")
def set_(
    desk: Desk,
    actor: Actor,
    percent: Annotated[float, typer.Argument(help="The limit in per cent, such as 20.")],
    names: Names,
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="Change nothing; show which verdicts would differ.")
    ] = False,
    reason: Reason = "",
) -> Output[answers.Limits]:
    """Set limits; needs a reason."""
    wanted = dict.fromkeys(_keys(desk, names), round(percent / 100, 9))
    if preview:
        return _preview(desk, wanted)
    actions.limits.set_limits(desk, actor, dict(wanted), reason=reason)
    return _shown(desk)


@app.command()
def reset(desk: Desk, actor: Actor, names: Names, *, reason: Reason = "") -> Output[answers.Limits]:
    """Reset limits to the dataset file's; needs a reason."""
    actions.limits.set_limits(desk, actor, dict.fromkeys(_keys(desk, names)), reason=reason)
    return _shown(desk)


def _preview(desk: Desk, wanted: dict[Key, float]) -> Output[answers.Limits]:
    limits = queries.drift.limits(desk).limits | wanted
    history = queries.drift.history(desk, Reference.PREVIOUS)
    previews = queries.drift.would_have_said(history, limits)
    changed = [p for p in previews if p.changes]
    lines = [
        f"epoch {p.epoch}, batch {p.batch_number}: {p.breaches} above, {p.would_breach} with these "
        "limits"
        for p in changed
    ]
    head = f"{len(changed)} of {len(previews)} compared batches would have had another verdict."
    return Output(changed, [head, *lines])
