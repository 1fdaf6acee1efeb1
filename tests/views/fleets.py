"""A desk with several datasets, real stores and fake services, for the tests of pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from console.fleet import Fleet
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT
from tests.views.desks import NOWHERE

APP = str(ROOT / "console" / "web" / "app.py")

FILE = """
name = "{name}"
title = "{title}"
fit_on = "value"
primary_metric = "rmse"
[[columns]]
name = "{target}"
type = "number"
role = "target"
nullable = false
[[columns]]
name = "temperature"
type = "number"
role = "feature"
[[columns]]
name = "weather"
type = "category"
role = "feature"
"""


def dataset_file(folder: Path, name: str, title: str = "", target: str = "") -> Path:
    path = folder / f"{name}.toml"
    content = FILE.format(name=name, title=title or name.capitalize(), target=target or name)
    path.write_text(content, encoding="utf-8")
    return path


@contextmanager
def at_a_fleet(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str, **changes: Any
) -> Iterator[Fleet]:
    """A fleet with these datasets; its desks have fake services of their own."""
    files = folder / "datasets"
    files.mkdir()
    for name in names:
        dataset_file(files, name)
    url = f"sqlite:///{folder / 'desk.db'}"
    told = {
        "data_dir": folder, "database_url": url, "actor": "ana", "mlflow_tracking_uri": NOWHERE,
        "data_api_url": NOWHERE, "serving_url": NOWHERE, "datasets": str(files),
    } | changes  # fmt: skip
    settings = Settings(_env_file=None, **told)

    def make(settings: Settings, _timeouts: Any, dataset: Dataset, sibling: Desk | None) -> Desk:
        same = sibling.store.for_dataset(dataset) if sibling else Store.open(url, dataset)
        services = FakeQueue(), FakeRegistry(), FakeServing()
        return Desk(settings, dataset, same, *services)  # type: ignore[arg-type]

    monkeypatch.setattr("console.fleet.Desk.make", make)
    monkeypatch.setattr("console.web.session.read_settings", lambda: settings)
    fleet = Fleet.make(settings)
    migrated(url, list(fleet.datasets().usable.values()))
    monkeypatch.setattr("console.web.session.Fleet.make", lambda *_: fleet)
    st.cache_resource.clear()
    yield fleet
    fleet.close()
    st.cache_resource.clear()


def opened(page: str = "", user: dict[str, Any] | None = None, **query: str) -> AppTest:
    """A page of the console; without a name the first one."""
    app = AppTest.from_file(APP, default_timeout=60)
    if user:
        app.user = user
    for key, value in query.items():
        app.query_params[key] = value
    if page:  # before a first run, which would draw the first page
        app.switch_page(f"views/{page}.py")
    app.run()
    assert not app.exception, app.exception
    return app


def html_rows(app: AppTest) -> list[dict[str, str]]:
    """The rows of the tables in HTML that a page draws, as their cells' HTML by column."""
    rows = re.findall("<tr>(.*?)</tr>", html(app))
    cells = (dict(re.findall('<td data-label="(.*?)">(.*?)</td>', row)) for row in rows)
    return [row for row in cells if row]


def html(app: AppTest) -> str:
    """The HTML that a page draws by itself, without the style sheet."""
    drawn = (element.proto.body for element in app.get("html"))
    return "\n".join(body for body in drawn if not body.startswith("<style>"))
