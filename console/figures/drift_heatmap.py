"""The drift history as a heat map of ratio / limit, by statistic and batch or window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from console.figures import style
from console.figures.drift_ratios import TITLES
from console.text.formatting import percent, short_change, signed_percent
from core.domain.dataset import STATISTICS
from core.domain.drift import Finding
from core.rules.drift.thresholds import Cell

STEPS = [
    (0.25, "rgba(128,128,128,0.07)", "under ¼ of the limit"),
    (0.5, "rgba(128,128,128,0.16)", "¼ to ½"),
    (1.0, "rgba(128,128,128,0.22)", "½ to the limit"),
    (2.0, "#f9cfa6", "up to 2 times the limit"),
    (10.0, "#ef8a62", "2 to 10 times"),
    (float("inf"), "#b2182b", "over 10 times"),
]
"""Shades of ratio / limit: quiet grey within the limit, warm above, so that breaches stand out."""

_LOUD = 3
"""The first step above the limit."""

BATCH, WINDOW = "batch", "window"

_TEXT_UP_TO = 12
_DARK = "rgba(0,0,0,0.75)"
_SYMBOLS = {"": "square", "!": "x-thin", "~": "circle-open"}
_WORDS = {"!": "breach", "~": "breach that could be noise"}


def shade(cell: Cell) -> int | None:
    """The index in `STEPS` of a cell; None if its ratio is undefined. At the limit is within."""
    if cell.ratio is None:
        return None
    times = cell.ratio / cell.limit
    return next(n for n, (top, _, _) in enumerate(STEPS) if times <= top)


def worst(cells: Sequence[Cell], rows: int) -> list[Cell]:
    """For each batch and column the cell with the largest ratio / limit.

    Keeps the `rows` columns with the largest peaks.
    """
    largest: dict[tuple[int, str], Cell] = {}
    peak: dict[str, float] = {}
    for c in cells:
        times = _times(c)
        peak[c.column] = max(peak.get(c.column, -1.0), times)
        kept = largest.get((c.batch_id, c.column))
        if kept is None or times > _times(kept):
            largest[c.batch_id, c.column] = c
    most = set(sorted(peak, key=lambda column: -peak[column])[:rows])
    return [c for c in largest.values() if c.column in most]


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
    """A heat map of ratio / limit: batches (or windows, by `of`) in columns, statistics in rows.

    Columns with a breach come first, the largest on top. A cross marks a breach, a ring a breach
    that could be noise. The marks lie over the shades because only they can be clicked;
    `customdata[0]` is the batch's id. With `by_column` there is one row for each column of the
    dataset, and `cells` comes from `worst`.
    """
    batches = list(dict.fromkeys((c.batch_id, c.epoch, c.batch_number) for c in cells))
    epochs = len({epoch for _, epoch, _ in batches})
    columns = [f"{e}·{n}" if epochs > 1 else str(n) for _, e, n in batches]
    present = {(c.column, "" if by_column else c.statistic) for c in cells}
    every = [
        (c, s) for c in _breaches_first(labels, cells) for s in (("",) if by_column else STATISTICS)
    ]
    rows = [row for row in every if row in present]
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
    data += _texts(placed) if few else []
    every_nth = max(len(batches) // 20, 1)
    plain = {"tickmode": "array", "showgrid": False, "zeroline": False}
    layout = style.layout(90 + 21 * len(rows), bottom=36) | {
        "clickmode": "event+select",
        "dragmode": False,
        "xaxis": plain
        | {
            "tickvals": list(range(len(batches)))[::every_nth],
            "ticktext": columns[::every_nth],
            "range": [-0.5, len(batches) - 0.5],
            "title": style.title("epoch·batch" if epochs > 1 else of),
        },
        "yaxis": plain
        | {
            "tickvals": list(range(len(rows))),
            "ticktext": names,
            "range": [len(rows) - 0.5, -0.5],
            **style.EVERY_TICK,
        },
        "shapes": [_frame(x_of[chosen], len(rows))] if chosen in x_of else [],
    }
    return {"data": data, "layout": layout}


def _breaches_first(columns: Iterable[str], cells: Sequence[Cell]) -> list[str]:
    """The columns with a breach by the largest one, then the others in their order."""
    peak: dict[str, float] = {}
    for cell in cells:
        if cell.finding is Finding.BREACH:
            peak[cell.column] = max(peak.get(cell.column, 0.0), _times(cell))
    return sorted(columns, key=lambda column: -peak.get(column, 0.0))


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
    signs = [_sign(c) for c in shown]
    at = ([x for x, _, _ in placed], [y for _, y, _ in placed])
    return style.points("markers", *at) | {
        "marker": {
            "symbol": [_SYMBOLS[sign] for sign in signs],
            "size": 14 if few else 9,
            "color": _DARK,
            "opacity": [1.0 if sign and not few else 0.0 for sign in signs],
            "line": {"width": 1.4, "color": _DARK},
        },
        "customdata": [
            [
                c.batch_id,
                _called(c, of),
                f"{labels[c.column]}, {TITLES[c.statistic].lower()}",
                signed_percent(c.ratio, rose=c.rose),
                percent(c.limit),
                _WORDS[sign] if sign else "undefined" if c.ratio is None else "within",
            ]
            for c, sign in zip(shown, signs, strict=True)
        ],
        "hovertemplate": (
            "%{customdata[1]}<br>%{customdata[2]}: %{customdata[3]} (limit %{customdata[4]})"
            "<br>%{customdata[5]}<extra></extra>"
        ),
    }


def _texts(placed: Sequence[tuple[int, int, Cell]]) -> list[dict[str, Any]]:
    """The ratios as text: in the theme's colour on quiet shades, in an own one on warm ones."""
    known = [(x, y, c, step) for x, y, c in placed if (step := shade(c)) is not None]
    traces = []
    for is_loud in (False, True):
        cells = [entry for entry in known if (entry[3] >= _LOUD) is is_loud]
        font: dict[str, Any] = {"size": 11}
        if is_loud:
            last = len(STEPS) - 1
            font["color"] = ["#ffffff" if step == last else "#1d2428" for *_, step in cells]
        trace = style.points("text", [x for x, *_ in cells], [y for _, y, *_ in cells])
        text = [short_change(c.ratio, rose=c.rose) + _sign(c) for *_, c, _ in cells]
        traces.append(trace | {"text": text, "textfont": font, "hoverinfo": "skip"})
    return traces


def _sign(cell: Cell) -> str:
    """The sign of a breach: "~" if it could be noise, else "!"; empty within the limit."""
    if cell.finding is not Finding.BREACH:
        return ""
    return "~" if cell.could_be_noise else "!"


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
        "line": {"color": style.LIMIT, "width": 3},
        "layer": "above",
    }
