"""A desk with a real store and fake services, for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT

NOWHERE = "http://127.0.0.1:1"


@contextmanager
def at_a_desk(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> Iterator[Desk]:
    url = f"sqlite:///{folder / 'desk.db'}"
    migrated(url, dataset)
    told = {
        "data_dir": folder, "database_url": url, "actor": "ana", "mlflow_tracking_uri": NOWHERE,
        "data_api_url": NOWHERE, "serving_url": NOWHERE,
    } | changes  # fmt: skip
    made = Desk(
        Settings(_env_file=None, **told), dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: made)
    for where in ("console.web.session", "core.platform.settings"):  # pages and commands
        monkeypatch.setattr(f"{where}.read_settings", lambda: made.settings)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the desk's database with an unreachable one."""
    gone = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", desk.dataset)
    broken = Desk(desk.settings, desk.dataset, gone, desk.queue, desk.registry, desk.serving)
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: broken)
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "console" / "web" / "app.py"), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    if name != "overview":
        app.switch_page(f"views/{name}.py")  # before a first run, which would draw the Overview
    app.run()
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
        .replace("\u00a0", " ")
    )


def shown(frame: Any) -> pd.DataFrame:
    """A table as people read it: with the texts of cells that are sorted by a number."""
    texts = frame.proto.arrow_data.styler.display_values
    if not texts:
        return frame.value  # type: ignore[no-any-return]
    read = pa.ipc.open_stream(texts).read_all().to_pandas()
    read.columns = frame.value.columns
    return read  # type: ignore[no-any-return]


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def labels(app: AppTest) -> list[str]:
    return [b.label for b in app.button]
