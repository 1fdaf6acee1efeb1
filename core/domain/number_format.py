"""Number formats of sentences and pages."""

from __future__ import annotations

_WHOLE = 1000
_LONG = 1e15
_FAR = 10_000


def figure(value: float) -> str:
    """A number: without decimals from 1,000 on, four significant digits below.

    From 1e15 on in exponent notation.
    """
    return f"{value:,.0f}" if _WHOLE <= abs(value) < _LONG else f"{value:.4g}"


def percent(ratio: float) -> str:
    """A relative change, such as "21.3 %"."""
    return f"{ratio * 100:z,.1f} %" if ratio < _FAR else f"more than {_FAR * 100:,} %"


def signed_percent(ratio: float) -> str:
    """A relative change with its sign, such as "+21.3 %"; "0 %" if it rounds to zero."""
    text = f"{100 * ratio:+,.1f}"
    return f"{text} %" if float(text.replace(",", "")) else "0 %"
