"""The Drift page's comparison of any two batches, or of a batch and any version's rows."""

from __future__ import annotations

import streamlit as st

from console.queries import comparison as comparisons
from console.web import page_state, reading, session, widgets
from console.web.panels.drift import comparison, profiles
from core.rules.data.far_values import far_values

REFERENCE, CURRENT = "Reference", "Current"


def on_demand() -> None:
    """Two choices, which stay in the address, and their comparison."""
    sides = reading.query(comparisons.sides)
    if sides is None:
        return
    if len(sides) < 2:  # noqa: PLR2004 - a comparison has two sides
        st.info(
            "A comparison needs two stored batches, or a batch and a version. Ingest batches on "
            "the **Pipeline** page.",
            icon=":material/flag:",
        )
        widgets.page_link("pipeline")
        return
    left, right = st.columns(2)
    current = _choose(right, CURRENT, sides, sides[0].address)
    other = next(s.address for s in sides if s.address != current)
    reference = _choose(left, REFERENCE, sides, other)
    found = reading.query(comparisons.compare, reference, current)
    if found:
        _show(found)


def _choose(
    where: st.delta_generator.DeltaGenerator, label: str, sides: list[comparisons.Side], first: str
) -> str:
    addresses = {side.name: side.address for side in sides}
    wanted = page_state.address(label.lower()) or first
    if wanted not in addresses.values():  # older than those that are offered, or mistyped
        addresses[wanted] = wanted
    shown = next(name for name, address in addresses.items() if address == wanted)
    key = f"compare-{label.lower()}"
    return addresses[widgets.choice(where, label, addresses, shown, key, has_steps=False)]


def _show(found: comparisons.Comparison) -> None:
    st.caption(
        f"{found.current.name.capitalize()} against {found.reference.name}, with the limits in "
        "force. It is not stored, and no verdict follows from it."
    )
    comparison.verdict(found.report, "Drift:")
    far = far_values(found.then.values(), found.now.values(), session.desk().dataset)
    comparison.far_values(far)
    names = (found.reference.name, found.current.name)
    file = f"{found.reference.address}-to-{found.current.address}".replace("/", "-").replace(
        ":", "-"
    )
    comparison.ratios(found.report, comparison.BY_STATISTIC, file, far)
    shapes, quality = st.tabs(
        ["Distributions", "Data quality"], key="compare-look", bind="query-params"
    )
    if shapes.open:
        with shapes:
            profiles.distributions(found.then, found.now, names, file, place="compare-")
    if quality.open:
        with quality:
            profiles.data_quality(found.then, found.now, found.reference.name)
