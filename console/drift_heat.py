"""The drift history as a heat map: how far each statistic was from its limit, time after time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console.charts import LIMIT, TITLES
from console.words import percent
from core.dataset import STATISTICS
from core.limits import Cell
from core.records import Finding

STEPS = [
    (0.25, "#2166ac", "under ¼ of the limit"),
    (0.5, "#67a9cf", "¼ to ½"),
    (1.0, "#d1e5f0", "½ to the limit"),
    (2.0, "#fddbc7", "up to 2 times the limit"),
    (10.0, "#ef8a62", "2 to 10 times"),
    (float("inf"), "#b2182b", "over 10 times"),
]
"""Shades of ratio / limit: blue within and red beyond, a pair that no colour blindness joins."""

BATCH, WINDOW = "batch", "window"

_TEXT_UP_TO = 12


def shade(cell: Cell) -> int | None:
    """Which of `STEPS` a cell has; None where its ratio is undefined. The limit is no breach."""
    if cell.ratio is None:
        return None
    times = cell.ratio / cell.limit
    return next(n for n, (top, _, _) in enumerate(STEPS) if times <= top)


def worst(cells: Sequence[Cell], rows: int) -> list[Cell]:
    """One cell a batch and column, the statistic nearest to or furthest beyond its limit.

    Of many columns the `rows` that ever went furthest are kept.
    """
    found: dict[tuple[int, str], Cell] = {}
    peak: dict[str, float] = {}
    for c in cells:
        times = _times(c)
        peak[c.column] = max(peak.get(c.column, -1.0), times)
        kept = found.get((c.batch_id, c.column))
        if kept is None or times > _times(kept):
            found[c.batch_id, c.column] = c
    most = set(sorted(peak, key=lambda column: -peak[column])[:rows])
    return [c for c in found.values() if c.column in most]


def _times(cell: Cell) -> float:
    return -1.0 if cell.ratio is None else cell.ratio / cell.limit


def heat(
    cells: Sequence[Cell],
    labels: Mapping[str, str],
    chosen: int,
    *,
    by_column: bool,
    of: str = BATCH,
) -> dict[str, Any]:
    """Batches from left to right, statistics from top to bottom, ratio / limit as shades.

    `of` says what the cells' numbers count, where it is not batches.

    A cross marks a breach and a ring one that could be noise. Each cell carries its batch's id as
    `customdata[0]`; the marks lie over the shades because only they can be clicked. With
    `by_column` there is a row a column, and `cells` has one cell for each, as `worst` gives them.
    """
    batches = list(dict.fromkeys((c.batch_id, c.epoch, c.batch_number) for c in cells))
    epochs = len({epoch for _, epoch, _ in batches})
    columns = [f"{e}·{n}" if epochs > 1 else str(n) for _, e, n in batches]
    there = {(c.column, "" if by_column else c.statistic) for c in cells}
    every = [(c, s) for c in labels for s in (("",) if by_column else STATISTICS)]
    rows = [row for row in every if row in there]
    x_of = {batch_id: n for n, (batch_id, _, _) in enumerate(batches)}
    y_of = {row: n for n, row in enumerate(rows)}
    placed = [
        (x_of[c.batch_id], y_of[row], c)
        for c in cells
        if (row := (c.column, "" if by_column else c.statistic)) in y_of
    ]
    z: list[list[int | None]] = [[None] * len(batches) for _ in rows]
    for x, y, c in placed:
        z[y][x] = shade(c)
    names = [f"{labels[c]}, {TITLES[s].lower()}" if s else labels[c] for c, s in rows]
    few = len(batches) <= _TEXT_UP_TO
    data = [_shades(z), _marks(placed, labels, of, few=few)]
    layout: dict[str, Any] = {
        "height": 90 + 21 * len(rows),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 36},
        "showlegend": False,
        "clickmode": "event+select",
        "dragmode": False,
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(batches)))[:: max(len(batches) // 20, 1)],
            "ticktext": columns[:: max(len(batches) // 20, 1)],
            "range": [-0.5, len(batches) - 0.5],
            "title": {"text": "epoch·batch" if epochs > 1 else of, "font": {"size": 12}},
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(rows))),
            "ticktext": names,
            "range": [len(rows) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        "shapes": [_frame(x_of[chosen], len(rows))] if chosen in x_of else [],
    }
    return {"data": data, "layout": layout}


def _shades(z: list[list[int | None]]) -> dict[str, Any]:
    last = len(STEPS)
    scale = [[edge / last, colour] for n, (_, colour, _) in enumerate(STEPS) for edge in (n, n + 1)]
    return {
        "type": "heatmap",
        "z": z,
        "zmin": -0.5,
        "zmax": last - 0.5,
        "colorscale": scale,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hoverinfo": "skip",
    }


def _marks(
    placed: Sequence[tuple[int, int, Cell]], labels: Mapping[str, str], of: str, *, few: bool
) -> dict[str, Any]:
    shown = [c for _, _, c in placed]
    breach = [c.finding is Finding.BREACH for c in shown]
    noise = [
        b and c.band is not None and (c.ratio or 0) <= c.band
        for b, c in zip(breach, shown, strict=True)
    ]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+text" if few else "markers",
        "x": [x for x, _, _ in placed],
        "y": [y for _, y, _ in placed],
        "marker": {
            "symbol": [
                "circle-open" if n else "x-thin" if b else "square"
                for n, b in zip(noise, breach, strict=True)
            ],
            "size": 14 if few else 9,
            "color": "rgba(0,0,0,0.75)",
            "opacity": [0.0 if few or not b else 1.0 for b in breach],
            "line": {"width": 1.4, "color": "rgba(0,0,0,0.75)"},
        },
        "customdata": [
            [
                c.batch_id,
                _called(c, of),
                f"{labels[c.column]}, {TITLES[c.statistic].lower()}",
                percent(c.ratio),
                percent(c.limit),
                "breach that could be noise"
                if n
                else "breach"
                if b
                else ("undefined" if c.ratio is None else "within"),
            ]
            for c, b, n in zip(shown, breach, noise, strict=True)
        ],
        "hovertemplate": (
            "%{customdata[1]}<br>%{customdata[2]}: %{customdata[3]} (limit %{customdata[4]})"
            "<br>%{customdata[5]}<extra></extra>"
        ),
    }
    if not few:
        return trace
    trace["text"] = [
        "" if c.ratio is None else percent(c.ratio) + ("~" if n else "!" if b else "")
        for c, b, n in zip(shown, breach, noise, strict=True)
    ]
    dark = {0, len(STEPS) - 1}
    trace["textfont"] = {
        "size": 11,
        "color": ["#ffffff" if shade(c) in dark else "#1d2428" for c in shown],
    }
    return trace


def _called(cell: Cell, of: str) -> str:
    number = f"{of} {cell.batch_number}"
    return f"epoch {cell.epoch}, {number}" if of == BATCH else number


def _frame(x: int, rows: int) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": x - 0.5,
        "x1": x + 0.5,
        "y0": -0.5,
        "y1": rows - 0.5,
        "line": {"color": LIMIT, "width": 3},
        "layer": "above",
    }
