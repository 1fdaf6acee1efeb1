"""Widgets shared by several pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.figures import style
from console.text import formatting
from console.text.csv_output import inert_csv
from console.web import acting, addresses, page_state, session
from console.web.page_text import plain as plain  # noqa: PLC0414 - pages use it from here
from console.web.page_text import with_dataset as with_dataset  # noqa: PLC0414
from console.web.sorted_cells import as_grid
from core.rules.access.roles import Right

P = ParamSpec("P")

PAGES = {
    "overview": ":material/home:",
    "pipeline": ":material/conveyor_belt:",
    "drift": ":material/stacked_line_chart:",
    "promotion": ":material/approval:",
    "predict": ":material/calculate:",
    "audit": ":material/history_edu:",
    "services": ":material/dns:",
    "search": ":material/search:",
    "fleet": ":material/dashboard:",
}
"""Each page's icon, in the order of the navigation."""

_STYLE = Path(__file__).parent / "style.css"


def load_style() -> None:
    """Load the shared style sheet."""
    st.html(_STYLE)


def only(right: Right, *, disabled: bool = False, help: str | None = None) -> dict[str, Any]:  # noqa: A002 - Streamlit's word
    """Arguments for a button that needs a right: disabled, with the reason, without it."""
    if why := session.why_not(right):
        return {"disabled": True, "help": plain(why)}
    return {"disabled": disabled, "help": help}


def badge(state: str) -> str:
    """A state as a coloured badge, in Streamlit's markdown."""
    colour, word = formatting.STATES.get(state, ("gray", str(state).lower()))
    return f":{colour}-badge[{word}]"


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


def act_button(
    where: DeltaGenerator | ModuleType,
    label: str,
    key: str | None,
    done: str,
    action: Callable[..., Any],
    *args: Any,
    **look: Any,
) -> None:
    """A button that acts at once and shows `done` on success.

    Its key, by default its label, keeps a click when the look changes: without a key Streamlit
    identifies a button by its look as well, and drops a click on the one that was there before.
    """
    where.button(label, key=key or label, on_click=acting.act, args=(done, action, *args), **look)


def choice(
    where: DeltaGenerator | ModuleType,
    label: str,
    addresses: Mapping[str, str],
    shown: str,
    key: str,
    *,
    has_steps: bool = True,
) -> str:
    """A select box whose choice is kept in the page's address, in the parameter named `label`.

    `addresses` maps each option to its value in the address, newest first; `shown` is the selected
    option. `has_steps` adds the buttons to its neighbours, once on a page for their shortcuts.
    """
    page_state.set_state(key, shown)

    def note() -> None:
        if to := addresses.get(page_state.get_state(key)):  # it may have left the list meanwhile
            page_state.note_address(label.lower(), to)

    row = where.container(horizontal=True, vertical_alignment="bottom", gap="small")
    chosen = row.selectbox(label, list(addresses), key=key, on_change=note)
    if has_steps:
        steps(row, label.lower(), list(addresses.values()), addresses[shown])
    return str(chosen)


def go_button(where: Any, label: str, key: str, go: Callable[..., None], *args: Any) -> None:
    """A button to another part of this page; `go` changes the address.

    Unlike a callback it works in a fragment, too, whose own rerun would not draw that part.
    """
    if where.button(label, key=key, type="tertiary", icon=":material/arrow_forward:"):
        go(*args)
        st.rerun()


def steps(row: DeltaGenerator, parameter: str, values: Sequence[str], shown: str) -> None:
    """Buttons with shortcuts to the newer and the older neighbour of what is shown.

    `values` are those of the address's parameter, newest first.
    """
    at = values.index(shown)
    for label, shortcut, to in (("Newer", "K", at - 1), ("Older", "J", at + 1)):
        there = 0 <= to < len(values)
        row.button(
            label, key=f"{parameter}-{label.lower()}", type="tertiary", shortcut=shortcut,
            disabled=not there, on_click=page_state.note_address,
            args=(parameter, values[to] if there else ""),
        )  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]], **look: Any) -> None:
    """Rows as a table of the full width; their cells may be `Shown`."""
    st.dataframe(as_grid(rows), hide_index=True, width="stretch", **look)


def download_csv(label: str, rows: Sequence[Mapping[str, object]], file: str, **look: Any) -> None:
    """A button that downloads rows as CSV with escaped formulas."""
    look = {"icon": ":material/download:", "on_click": "ignore"} | look
    st.download_button(label, inert_csv(rows).encode("utf-8-sig"), file, "text/csv", **look)


def chart(figure: dict[str, Any], key: str, file: str, alt: str, **look: Any) -> None:
    """A chart of the full width with a button that saves it as PNG; `alt` is for screen readers."""
    config = style.png(file)
    st.plotly_chart(figure, key=key, width="stretch", config=config, alt=alt, **look)


def page_link(page: str, label: str = "", query: dict[str, str] | None = None) -> None:
    """A link to a page of the console, with parameters of its address."""
    label = label or f"Go to {page.capitalize()}"
    icon, told = PAGES[page], addresses.query(query)
    st.page_link(f"views/{page}.py", label=label, icon=icon, query_params=told)


def evidence_link(version: int, label: str = "Open evidence report") -> None:
    """A link to a version's evidence on the Promotion page."""
    page, query = "views/promotion.py", addresses.query({"version": str(version)})
    st.page_link(page, label=label, icon=":material/fact_check:",
                 query_params=query)  # fmt: skip


def button(
    where: DeltaGenerator | ModuleType,
    label: str,
    icon: str,
    right: Right,
    *,
    disabled: bool = False,
    help: str | None = None,  # noqa: A002 - Streamlit's word
    **look: Any,
) -> bool:
    """A button for those who have a right; returns whether it was pressed."""
    look = {"key": label, "icon": icon} | look | only(right, disabled=disabled, help=help)
    return where.button(label, key=look.pop("key"), **look)


def dialog(title: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A dialog that stays open while the page behind it refreshes, so that no input is lost."""

    def decorate(content: Callable[P, None]) -> Callable[P, None]:
        @st.dialog(title, width="medium", on_dismiss=page_state.dialog_closed)
        @wraps(content)
        def shown(*args: P.args, **kwargs: P.kwargs) -> None:
            page_state.dialog_opened()
            content(*args, **kwargs)

        return shown

    return decorate


def confirm(label: str, decide: Callable[[], None], *, disabled: bool = False) -> None:
    """A dialog's confirm button: closes the dialog, or shows in it why the action failed."""
    if st.button(label, key=f"confirm {label}", type="primary", on_click=decide, disabled=disabled):
        if acting.failed():
            acting.show_message()
        else:
            page_state.dialog_closed()
            st.rerun()


def reason(key: str, label: str = "Reason") -> None:
    """The field for an action's reason; read it with `page_state.get_state(key)`."""
    st.text_area(f"{label}, for the record", key=key)


def confirm_with_reason(
    label: str, key: str, done: str, action: Callable[..., Any], *args: Any, **options: Any
) -> None:
    """The end of a dialog whose action needs a reason: its field, and the confirm button.

    `key` is the field's, `done` is shown on success. The option `prompt` labels the field, the
    others go to the action.
    """
    reason(key, options.pop("prompt", "Reason"))

    def decide() -> None:
        acting.act(done, action, *args, reason=page_state.get_state(key), **options)

    confirm(label, decide)


def when(then: datetime | None) -> str:
    """A relative time."""
    return formatting.ago(then, now())


def exact(then: datetime | None) -> str:
    """A time to the second, for tooltips."""
    return f"{then:%Y-%m-%d %H:%M:%S} UTC" if then else "never"
