"""Plotly figures of a classifier's dossier: confusion matrices, and curves of both models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.figures import style
from console.figures.dossier_charts import CANDIDATE, CHAMPION
from console.figures.prediction_charts import inert
from console.figures.style import GRID
from core.domain.dossier import ClassFigures, Curve

MOST_CELLS = 20
"""With more classes than this, cells of a confusion matrix have no numbers in them."""

_DIAGONAL = "rgba(128,128,128,0.9)"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_STRONG = 0.5
"""Cells with at least this share are dark, so their numbers are white."""

_SCALE = (
    (0.0, "rgba(15,139,141,0)"),
    (_STRONG - 1e-6, "rgba(15,139,141,0.28)"),
    (_STRONG, "rgba(8,95,97,0.8)"),
    (1.0, "rgba(8,95,97,0.95)"),
)
"""It steps at `_STRONG`, so that the numbers of cells on both sides can be read."""

_ROW, _FRAME = 34, 110
_HIGHEST = 640
_FITS, _TILTED = 20, 50
"""Labels of more characters in all are tilted, so that they do not overlap; that takes height."""


def confusion(figures: ClassFigures, classes: Sequence[str]) -> dict[str, Any]:
    """How many rows of each actual class got each answer; a cell's colour is its share of a row."""
    counts = [list(row) for row in figures.confusion]
    shares = [[n / (sum(row) or 1) for n in row] for row in counts]
    # Numeric positions, because shortened names may be equal.
    places = list(range(len(classes)))
    names = [inert(label, 16) for label in classes]
    hover = [
        [
            f"actual {inert(actual, 60)}, answered {inert(answered, 60)}: {n:,} rows, "
            f"{100 * share:.1f} % of the class"
            for answered, n, share in zip(classes, row, of, strict=True)
        ]
        for actual, row, of in zip(classes, counts, shares, strict=True)
    ]
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "colorscale": [list(stop) for stop in _SCALE],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertext": hover,
        "hoverinfo": "text",
    }
    data = [trace]
    if len(classes) <= MOST_CELLS:
        data += [_numbers(counts, shares, strong=strong) for strong in (True, False)]
    is_tilted = sum(map(len, names)) > _FITS
    axis = {"tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False}
    return {
        "data": data,
        "layout": style.layout(
            min(_FRAME + _ROW * len(classes), _HIGHEST) + (_TILTED if is_tilted else 0),
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
            showlegend=False,
            xaxis=axis
            | style.EVERY_TICK
            | {
                "title": style.title("answered"),
                "tickangle": -40 if is_tilted else 0,
            },
            yaxis=axis
            | style.EVERY_TICK
            | {"title": style.title("actual"), "autorange": "reversed"},
            **style.TRANSPARENT,
        ),
    }


def _numbers(
    counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]], *, strong: bool
) -> dict[str, Any]:
    """The counts as text: white on dark cells, the page's text colour on pale ones.

    The text of a Plotly heatmap has one colour for all cells.
    """
    cells = [
        (x, y, f"{n:,}")
        for y, (row, of) in enumerate(zip(counts, shares, strict=True))
        for x, (n, share) in enumerate(zip(row, of, strict=True))
        if (share >= _STRONG) is strong
    ]
    across, down, texts = zip(*cells, strict=True) if cells else ((), (), ())
    font = {"textfont": {"color": "white"}} if strong else {}
    return style.points("text", across, down, text=list(texts), hoverinfo="skip") | font


def roc(candidate: ClassFigures, champion: ClassFigures | None) -> dict[str, Any]:
    """ROC: the true positive rate by the false positive rate; the diagonal is chance."""
    return _curves(
        candidate.roc,
        champion.roc if champion else (),
        ("false positive rate", "true positive rate"),
        diagonal=True,
    )


def precision_recall(candidate: ClassFigures, champion: ClassFigures | None) -> dict[str, Any]:
    """Precision by recall."""
    of_champion = champion.precision_recall if champion else ()
    return _curves(candidate.precision_recall, of_champion, ("recall", "precision"))


def calibration(candidate: ClassFigures, champion: ClassFigures | None) -> dict[str, Any]:
    """Calibration: the share of rows of a class by its mean probability; ideal is the diagonal."""
    return _curves(
        candidate.calibration,
        champion.calibration if champion else (),
        ("mean probability", "share of rows"),
        diagonal=True,
        mode="lines+markers",
    )


def _curves(
    candidate: Sequence[Curve],
    champion: Sequence[Curve],
    titles: tuple[str, str],
    *,
    diagonal: bool = False,
    mode: str = "lines",
) -> dict[str, Any]:
    """Curves of both models: the colour stands for the model, the dashes for the class."""
    data: list[dict[str, Any]] = []
    if diagonal:
        line = {"color": _DIAGONAL, "dash": "dot", "width": 1.5}
        chance = style.points("lines", [0, 100], [0, 100], line=line)
        data.append(chance | {"hoverinfo": "skip", "showlegend": False})
    dashes = {of: _DASHES[n % len(_DASHES)] for n, of in enumerate(_classes(candidate, champion))}
    for name, curves, colour, symbol in (
        ("Champion", champion, CHAMPION, "circle-open"),
        ("Candidate", candidate, CANDIDATE, "diamond"),
    ):
        for curve in curves:
            trace_name = f"{name}, {inert(curve.of)}" if curve.of and len(dashes) > 1 else name
            data.append(
                style.points(
                    mode, style.per_cent(curve.x), style.per_cent(curve.y), name=trace_name
                )
                | {
                    "line": {"color": colour, "width": 2, "dash": dashes[curve.of]},
                    "marker": {"color": colour, "size": 7, "symbol": symbol},
                    "hovertemplate": "%{x:.1f} %, %{y:.1f} %<extra>" + trace_name + "</extra>",
                }
            )
    axis = style.PER_CENT | {"range": [-2, 102], "gridcolor": GRID, "nticks": 6}
    return {
        "data": data,
        "layout": style.layout(
            380,
            margin={"l": 8, "r": 8, "t": 8, "b": 40},
            showlegend=True,
            legend={"orientation": "h", "y": -0.22, "x": 0},
            xaxis=axis | {"title": style.title(titles[0]), "automargin": True},
            yaxis=axis | {"title": style.title(titles[1]), "automargin": True},
            **style.TRANSPARENT,
        ),
    }


def _classes(*models: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.of for curves in models for curve in curves))
