"""A click is not lost when the look of its button changes under it.

Streamlit identifies a button without a key by its label, icon, help and type. A click that arrives
after the page has drawn the button with another type belongs to no widget and is dropped.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

_CONSOLE = Path(__file__).parents[2] / "console"
_BUTTONS = {"button", "form_submit_button"}
_LOOK = {"icon", "type", "help", "width", "shortcut"}


def _buttons() -> list[tuple[str, ast.Call]]:
    """Each call that makes a button with Streamlit's own method, and where it is."""
    return [
        (f"{file.relative_to(_CONSOLE)}:{call.lineno}", call)
        for file in _CONSOLE.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in _BUTTONS
        and ast.unparse(call.func) != "widgets.button"  # has its label as its key
    ]


def _may_change(call: ast.Call) -> bool:
    """Whether the look comes from anything but constants."""
    return any(
        k.arg is None or (k.arg in _LOOK and not isinstance(k.value, ast.Constant))
        for k in call.keywords
    )


def _loses_clicks(call: ast.Call) -> bool:
    return _may_change(call) and not any(k.arg == "key" for k in call.keywords)


def test_a_button_whose_look_may_change_has_a_key() -> None:
    buttons = _buttons()
    assert len(buttons) > 20
    keyless = [place for place, call in buttons if _loses_clicks(call)]
    assert keyless == [], "these buttons lose a click when their look changes"


@pytest.mark.parametrize(
    ("code", "is_wrong"),
    [
        ("st.button('Train', type=kind)", True),
        ("st.button('Train', **look)", True),
        ("st.button('Train', type='primary')", False),
        ("st.button('Train', key='train', **look)", False),
    ],
)
def test_the_rule_sees_a_planted_button(code: str, is_wrong: bool) -> None:  # noqa: FBT001
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert _loses_clicks(call) is is_wrong


def _choice() -> None:
    """A page whose choice may lose an option between two runs."""
    import streamlit as st

    from console.web import widgets

    gone = st.session_state.get("gone", False)
    options = {"One": "1"} if gone else {"One": "1", "Two": "2"}
    st.markdown(widgets.choice(st, "Against", options, "One", "against", has_steps=False))


def test_a_choice_that_has_left_its_list_is_no_error() -> None:
    app = AppTest.from_function(_choice).run()
    app.session_state["gone"] = True
    app.run()
    chosen = app.selectbox(key="against")
    chosen.options.append("Two")  # what the browser still shows
    chosen.set_value("Two").run()
    assert not app.exception, app.exception
    assert "against" not in app.query_params
