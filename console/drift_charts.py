"""The Drift page's other figures: history as a heat map, distributions overlaid, errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.charts import GRID, LIMIT, TITLES
from console.words import percent
from core.advice import BatchScore
from core.dataset import STATISTICS
from core.limits import Cell
from core.records import Finding, figure
from core.shape import Overlay

REFERENCE, CURRENT = "#8c8c8c", "#0b7a75"

STEPS = [
    (0.25, "#2166ac", "under ¼ of the limit"),
    (0.5, "#67a9cf", "¼ to ½"),
    (1.0, "#d1e5f0", "½ to the limit"),
    (2.0, "#fddbc7", "up to 2 times the limit"),
    (10.0, "#ef8a62", "2 to 10 times"),
    (float("inf"), "#b2182b", "over 10 times"),
]
"""Shades of ratio / limit: blue within and red beyond, a pair that no colour blindness joins."""

_TEXT_UP_TO = 12


def shade(cell: Cell) -> int | None:
    """Which of `STEPS` a cell has; None where its ratio is undefined. The limit is no breach."""
    if cell.ratio is None:
        return None
    times = cell.ratio / cell.limit
    return next(n for n, (top, _, _) in enumerate(STEPS) if times <= top)


def heat(cells: Sequence[Cell], labels: dict[str, str], chosen: int) -> dict[str, Any]:
    """Batches from left to right, statistics from top to bottom, ratio / limit as shades.

    A cross marks a breach and a ring one that could be noise. Each cell carries its batch's id as
    `customdata[0]`; the marks lie over the shades because only they can be clicked.
    """
    batches = list(dict.fromkeys((c.batch_id, c.epoch, c.batch_number) for c in cells))
    epochs = len({epoch for _, epoch, _ in batches})
    columns = [f"{e}·{n}" if epochs > 1 else str(n) for _, e, n in batches]
    rows = [(c, s) for c in labels for s in STATISTICS if any(x.column == c for x in cells)]
    x_of = {batch_id: n for n, (batch_id, _, _) in enumerate(batches)}
    y_of = {row: n for n, row in enumerate(rows)}
    z: list[list[int | None]] = [[None] * len(batches) for _ in rows]
    shown = [c for c in cells if (c.column, c.statistic) in y_of]
    for c in shown:
        z[y_of[c.column, c.statistic]][x_of[c.batch_id]] = shade(c)
    few = len(batches) <= _TEXT_UP_TO
    names = [f"{labels[c]}, {TITLES[s].lower()}" for c, s in rows]
    data = [_shades(z), _marks(shown, x_of, y_of, labels, few=few)]
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
            "title": {"text": "epoch·batch" if epochs > 1 else "batch", "font": {"size": 12}},
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
    shown: Sequence[Cell],
    x_of: dict[int, int],
    y_of: dict[tuple[str, str], int],
    labels: dict[str, str],
    *,
    few: bool,
) -> dict[str, Any]:
    breach = [c.finding is Finding.BREACH for c in shown]
    noise = [
        b and c.band is not None and (c.ratio or 0) <= c.band
        for b, c in zip(breach, shown, strict=True)
    ]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+text" if few else "markers",
        "x": [x_of[c.batch_id] for c in shown],
        "y": [y_of[c.column, c.statistic] for c in shown],
        "marker": {
            "symbol": [
                "circle-open" if n else "x-thin" if b else "square"
                for n, b in zip(noise, breach, strict=True)
            ],
            "size": 14 if few else 9,
            "color": "rgba(0,0,0,0.75)" if not few else "rgba(0,0,0,0.4)",
            "opacity": [0.0 if few or not b else 1.0 for b in breach],
            "line": {"width": 1.4, "color": "rgba(0,0,0,0.75)"},
        },
        "unselected": {"marker": {"opacity": 0.0 if few else 0.6}},
        "customdata": [
            [
                c.batch_id,
                f"epoch {c.epoch}, batch {c.batch_number}",
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
        # Unmarked cells stay as they are when one is clicked.
        del trace["unselected"]
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


def distribution(
    seen: Overlay, names: tuple[str, str], unit: str, *, logarithmic: bool
) -> dict[str, Any]:
    """Two shapes over each other: the reference as an area, the current as a line."""
    axis: dict[str, Any] = {
        "title": {"text": unit, "font": {"size": 12}},
        "type": "log" if logarithmic else "linear",
        "gridcolor": GRID,
    }
    if seen.values and not logarithmic:
        data = [
            _columns(seen.values, seen.reference, names[0], REFERENCE, ""),
            _columns(seen.values, seen.current, names[1], CURRENT, "/"),
        ]
    else:
        data = [
            _stairs(seen.edges, seen.reference, names[0], REFERENCE, fill=True),
            _stairs(seen.edges, seen.current, names[1], CURRENT, fill=False),
        ]
    return {
        "data": data,
        "layout": {
            "height": 340,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 40},
            "barmode": "group",
            "bargap": 0.2,
            "legend": {"orientation": "h", "y": 1.08, "x": 0},
            "xaxis": axis,
            "yaxis": {
                "tickformat": ".0%",
                "title": {"text": "share of rows", "font": {"size": 12}},
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
        },
    }


def _columns(
    values: Sequence[float], shares: Sequence[float], name: str, colour: str, pattern: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": list(values),
        "y": list(shares),
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern}},
        "hovertemplate": "%{x:,}: %{y:.1%}<extra>" + name + "</extra>",
    }


def _stairs(
    edges: Sequence[float], shares: Sequence[float], name: str, colour: str, *, fill: bool
) -> dict[str, Any]:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(edges),
        "y": [*shares, shares[-1]],
        "name": name,
        "line": {"shape": "hv", "color": colour, "width": 1 if fill else 2.5},
        "hovertemplate": "from %{x:,.4g}: %{y:.1%}<extra>" + name + "</extra>",
    }
    if fill:
        trace |= {"fill": "tozeroy", "fillcolor": "rgba(140,140,140,0.35)"}
    return trace


def errors(found: Sequence[tuple[int, BatchScore]], chosen: int, unit: str) -> dict[str, Any]:
    """One version's mean absolute error by batch, with two standard errors either way."""
    known = [(n, s) for n, s in found if "mae" in s.metrics]
    names = [f"batch {n}" for n, _ in known]
    return {
        "data": [
            {
                "type": "bar",
                "x": names,
                "y": [s.metrics["mae"] for _, s in known],
                "error_y": {
                    "type": "data",
                    "array": [2 * s.spread / s.rows**0.5 for _, s in known],
                    "color": "#777777",
                },
                "marker": {
                    "color": [CURRENT if s.batch_id == chosen else REFERENCE for _, s in known],
                    "pattern": {"shape": ["/" if s.batch_id == chosen else "" for _, s in known]},
                },
                "customdata": [[f"{s.rows:,}", figure(s.metrics["mae"])] for _, s in known],
                "hovertemplate": (
                    "%{x}: %{customdata[1]} on %{customdata[0]} held-out rows<extra></extra>"
                ),
            }
        ],
        "layout": {
            "height": 260,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 30},
            "showlegend": False,
            "xaxis": {"type": "category"},
            "yaxis": {
                "title": {"text": f"mean absolute error{f' ({unit})' if unit else ''}"},
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
        },
    }
