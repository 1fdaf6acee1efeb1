"""A desk of fakes on a real store, for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from core.dataset import Dataset
from core.settings import Settings
from core.store import Store
from core.store.schema import migrate
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT

NOWHERE = "http://127.0.0.1:1"


@contextmanager
def at_a_desk(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> Iterator[Desk]:
    url = f"sqlite:///{folder / 'desk.db'}"
    migrate(url, dataset)
    told = {
        "data_dir": folder, "database_url": url, "actor": "ana", "mlflow_tracking_uri": NOWHERE,
        "data_api_url": NOWHERE, "serving_url": NOWHERE,
    } | changes  # fmt: skip
    made = Desk(
        Settings(_env_file=None, **told), dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: made)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the desk's database be one that does not answer."""
    gone = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", desk.dataset)
    broken = Desk(desk.settings, desk.dataset, gone, desk.queue, desk.registry, desk.serving)
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: broken)
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "console" / "app.py"), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    app.switch_page(f"views/{name}.py").run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "success", "metric")
    return (
        "\n".join(
            f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in getattr(app, kind)
        )
        .replace("\\", "")
        .replace("\u2060", "")
    )


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def labels(app: AppTest) -> list[str]:
    return [b.label for b in app.button]
