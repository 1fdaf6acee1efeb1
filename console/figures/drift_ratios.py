"""Plotly figures of drift ratios, as dictionaries: Plotly Express takes five times as long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from console.figures import style
from console.text.formatting import percent, short_change, signed_percent
from core.domain.drift import Finding, StatChange, distorts
from core.domain.number_format import figure
from core.rules.drift.compare import WORDS

COLOURS = {Finding.WITHIN: "#5b8fa8", Finding.BREACH: "#d1495b", Finding.UNDEFINED: "#9a9a9a"}
NOISE = "#b08ea2"
BAND = "rgba(128,128,128,0.28)"
TITLES = {statistic: name[0].upper() + name[1:] for statistic, name in WORDS.items()}

_WHOLE, _MILLION = 100, 1_000_000
_PATTERNS = {Finding.WITHIN: "", Finding.BREACH: "/", Finding.UNDEFINED: "x"}
_FURTHEST = 4.0
"""Bars end at this multiple of their limit; the label has the figure."""

_NARROWEST = 165
"""The pixels of a chart's axis where it is narrowest, in a row of four at 1,400 pixels."""

_LETTER = 6.3
"""The pixels of a letter of a label, at most."""

_MOST_ROOM = 0.6
"""The most of the axis that the labels take."""


def ratios(
    shown: Sequence[StatChange],
    names: Sequence[str],
    title: str,
    *,
    among: Sequence[StatChange],
    far: Collection[str] = (),
) -> dict[str, Any]:
    """Drift ratios as bars in multiples of their limits, with noise bands; a bar for each name.

    The axis is linear and equal for charts that are `among` the same changes; bars beyond
    `_FURTHEST` limits are cut. Breaches are also hatched, and those that could be noise dotted, so
    that colour is not the only sign. `far` has the columns with values far outside the former
    range, which are no noise.
    """
    noise = [c.could_be_noise and not distorts(c, far) for c in shown]
    end = min(max(1.0, *(times(c.ratio, c.limit) for c in among)), _FURTHEST)
    longest = max(len(part) for c in among for part in _label(c, end, is_noise=True).split("<br>"))
    room = min((longest * _LETTER + 8) / _NARROWEST, _MOST_ROOM)
    axis = {
        "range": [0, end / (1 - room)],
        "tickvals": [tick for tick in (0, 1, 2, 3, 4) if tick <= end],
        "title": style.title("Times the limit", 11),
        "tickangle": 0,
        "gridcolor": style.GRID,
        "zeroline": True,
    }
    layout = style.layout(
        84 + 40 * max(len(shown), 4), top=36, bottom=42,
        title=style.title(title, 14) | {"x": 0.02, "y": 0.98}, bargap=0.35, barmode="overlay",
        xaxis=axis, yaxis=style.EVERY_NAME | {"autorange": "reversed"},
    )  # fmt: skip
    data = [
        _bands(shown, names, end),
        _bars(shown, names, end, noise),
        _limits(shown, names),
        _labels(shown, names, end, noise),
    ]
    return {"data": data, "layout": layout}


def times(ratio: float | None, limit: float) -> float:
    """A ratio as a multiple of its limit; 0 where it is undefined."""
    return (ratio or 0.0) / limit if limit else 0.0


def _bands(shown: Sequence[StatChange], names: Sequence[str], end: float) -> dict[str, Any]:
    return style.bars([min(times(c.band, c.limit), end) for c in shown], names) | {
        "width": [0.95] * len(shown),
        "marker": {"color": BAND, "line": {"width": 1, "color": "rgba(128,128,128,0.7)"}},
        "customdata": [percent(c.band) if c.band is not None else "unknown" for c in shown],
        "hovertemplate": "noise band up to %{customdata}<extra></extra>",
    }


def _bars(
    shown: Sequence[StatChange], names: Sequence[str], end: float, noise: Sequence[bool]
) -> dict[str, Any]:
    return style.bars([min(times(c.ratio, c.limit), end) for c in shown], names) | {
        "width": [0.55] * len(shown),
        "marker": {
            "color": [
                NOISE if is_noise else COLOURS[c.finding]
                for c, is_noise in zip(shown, noise, strict=True)
            ],
            "pattern": {
                "shape": [
                    "." if is_noise else _PATTERNS[c.finding]
                    for c, is_noise in zip(shown, noise, strict=True)
                ],
                **style.HATCH,
            },
        },
        "customdata": [
            [
                c.name,
                signed_change(c),
                _number(c.reference),
                _number(c.current),
                percent(c.limit),
                percent(c.band) if c.band is not None else "unknown",
                "<br>could be noise" if is_noise else "",
            ]
            for c, is_noise in zip(shown, noise, strict=True)
        ],
        "hovertemplate": (
            "%{customdata[0]}: %{customdata[1]} (limit %{customdata[4]})"
            "<br>%{customdata[2]} → %{customdata[3]}"
            "<br>noise band up to %{customdata[5]}%{customdata[6]}<extra></extra>"
        ),
    }


def _labels(
    shown: Sequence[StatChange], names: Sequence[str], end: float, noise: Sequence[bool]
) -> dict[str, Any]:
    """Each signed change as text, to the right of its bar, band and limit."""
    ends = [max(times(c.ratio, c.limit), times(c.band, c.limit), 1.0) for c in shown]
    x = [min(at, end) + end / 30 for at in ends]
    return style.points("text", x, names) | {
        "text": [
            _label(c, end, is_noise=is_noise) for c, is_noise in zip(shown, noise, strict=True)
        ],
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _label(change: StatChange, end: float, *, is_noise: bool) -> str:
    """The signed change, as short as it can be read; a cut bar says below how long it would be."""
    by = times(change.ratio, change.limit)
    cut = f"<br>{_factor(by)} times" if by > end else ""
    return (
        short_change(change.ratio, rose=change.rose)
        + (" ~" if is_noise and change.could_be_noise else "")
        + cut
    )


def _factor(by: float) -> str:
    """A factor, such as "6.45", "2,310" or "8 million"."""
    if by >= _MILLION:
        return f"{by / _MILLION:,.0f} million" if by < 1000 * _MILLION else "over a billion"
    return f"{by:,.0f}" if by >= _WHOLE else f"{by:.3g}"


def _limits(shown: Sequence[StatChange], names: Sequence[str]) -> dict[str, Any]:
    mark = {"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": style.LIMIT}
    return style.points("markers", [1.0] * len(shown), names, marker=mark) | {
        "customdata": [percent(c.limit) for c in shown],
        "hovertemplate": "limit %{customdata}<extra></extra>",
    }


def signed_change(change: StatChange) -> str:
    """The change with the sign of its direction, such as "+21.3 %"; "undefined" without a ratio."""
    return signed_percent(change.ratio, rose=change.rose)


def _number(value: float | None) -> str:
    return "none" if value is None else figure(value)
