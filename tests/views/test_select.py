"""A choice whose label changes while it is shown stays the same choice."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from console.web.select import chosen_in, select

    def note() -> None:
        st.session_state["noted"] = chosen_in("which")

    state = st.session_state.setdefault("state", "proposed")
    options = st.session_state.setdefault("options", [3, 2, 1])
    names = {n: f"Version {n} · {state}" for n in options}
    st.session_state["picked"] = select(st, "Version", names, "which", on_change=note)


def send(app: AppTest, label: str) -> AppTest:
    """A browser that still shows former labels sends the choice as one of them."""
    box = app.selectbox(key="which")
    box.options.append(label)
    return box.set_value(label).run()


def test_a_former_label_names_its_option() -> None:
    app = AppTest.from_function(script).run()
    app.selectbox(key="which").select("Version 2 · proposed").run()
    assert (app.session_state["picked"], app.session_state["noted"]) == (2, 2)
    app.session_state["state"] = "live"
    app.run()
    assert app.session_state["picked"] == 2
    assert app.selectbox(key="which").value == 2
    send(app, "Version 1 · proposed")
    assert (app.session_state["picked"], app.session_state["noted"]) == (1, 1)
    assert not app.exception


def test_an_option_that_left_the_list_is_no_longer_chosen() -> None:
    app = AppTest.from_function(script).run()
    app.selectbox(key="which").select("Version 2 · proposed").run()
    app.session_state["options"] = [3, 1]
    app.run()
    assert app.session_state["picked"] == 3
    send(app, "Version 9 · never drawn")
    assert app.session_state["picked"] == 3
    assert not app.exception
