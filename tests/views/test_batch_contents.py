"""What the Pipeline page and the command line show of a batch's rows, stored and quarantined."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.cli.main import app as cli
from console.desk import Desk
from console.queries import source
from console.text.quarantine import broken_rules, matching
from core.domain.batches import NOT_KEPT, QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.errors import SourceUnavailable
from core.rules.access.roles import Role
from tests.build import chunk, small_dataset, somebody
from tests.views.desks import at_a_desk, button, page, text

BAD = [
    QuarantinedRow(2, "price: must be a number; bed: must be at least 0",
                   '{"price": "n/a", "bed": -1, "city": "Avon"}'),
    QuarantinedRow(4, "the row has 3 cells where the header has 12", "a,b,<script>"),
    QuarantinedRow(7, "price: must be given", f"{NOT_KEPT}only the first)"),
]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def stored(desk: Desk, *, later_epoch: bool = False) -> int:
    with desk.store.begin() as work:
        work.batches.open_epoch()
        batch = work.batches.receive(1, "h", "e1-a.json", 1000)
        work.rows.load(1, batch.id, [chunk(desk.dataset, 60)])
        work.batches.store(batch, epoch=1, number=5, stored=60, quarantined=BAD, gap=0, note="n")
        if later_epoch:
            work.batches.open_epoch()
        work.commit()
    return batch.id


def opened(**query: str) -> AppTest:
    return page("pipeline", **query)


def test_each_broken_rule_has_its_column_and_the_value_as_it_came(dataset: Dataset) -> None:
    rules = broken_rules(BAD, dataset)
    assert [(r.row, r.column, r.value, r.reason) for r in rules] == [
        (2, "price", "n/a", "must be a number"),
        (2, "bed", "-1", "must be at least 0"),
        (4, "", "a,b,<script>", "the row has 3 cells where the header has 12"),
        (7, "price", "", "must be given"),
    ]
    assert [r.column for r in matching(rules, "PRICE n/a")] == ["price"]


def test_a_column_is_found_by_its_name_in_the_source_and_a_list_by_its_order() -> None:
    columns = tuple(replace(c, source=f"My {c.name}") for c in small_dataset().columns)
    dataset = replace(small_dataset(), columns=columns)
    name = dataset.names[1]
    by_name = QuarantinedRow(0, f"{name}: no", json.dumps({f"My {name}": "x" * 999}))
    by_order = QuarantinedRow(0, f"{name}: no", json.dumps(["a", None]))
    assert [r.value for r in broken_rules([by_name, by_order], dataset)] == [
        "x" * 200 + "…", "null",
    ]  # fmt: skip


def test_the_page_shows_the_first_rows_of_a_batch_when_asked(desk: Desk) -> None:
    stored(desk)
    app = opened(view="Batches")
    before = len(app.dataframe)
    app.toggle(key="show-rows").set_value(True).run()
    assert len(app.dataframe) == before + 1
    shown = next(d.value for d in app.dataframe if "row_number" in d.value)
    assert len(shown) == 50
    assert "10 more are stored" in text(app)


def test_the_page_finds_a_value_in_quarantine_and_reads_the_batch_again(desk: Desk) -> None:
    batch_id = stored(desk)
    app = opened(view="Batches")
    app.toggle(key="quarantined-values").set_value(True).run()
    values = app.dataframe[-1].value
    assert list(values["Column"]) == ["price", "bed", "(whole row)", "price"]
    app.text_input(key="quarantine-search").set_value("n/a").run()
    assert list(app.dataframe[-1].value["Value"]) == ["n/a"]
    app.text_input(key="quarantine-search").set_value("nowhere").run()
    assert "No row matches." in text(app)
    button(app, "Read again…").click().run()
    assert "compared again" in text(app)
    button(app, "Read again").click().run()
    with desk.store.read() as work:
        assert work.jobs.recent()[0].args == {"quarantine": batch_id}


def test_rows_of_an_epoch_that_is_over_cannot_be_read_again(desk: Desk) -> None:
    stored(desk, later_epoch=True)
    app = opened(view="Batches", epoch="1")
    assert button(app, "Read again…").disabled
    assert "cannot be read again" in text(app)


def test_the_command_line_lists_and_retries_the_quarantine(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cli.shared.configured", lambda: desk.settings)
    monkeypatch.setattr("console.cli.shared.Desk.make", lambda *_: desk)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["quarantine", *words])
        assert done.exit_code == code, done.output
        return done.output

    assert "No row is in quarantine." in run("list")
    stored(desk)
    assert "1/5: 3 of 63 rows" in run("list")
    assert "row 2  price  'n/a'  must be a number" in run("list", "1/5", "--search", "n/a")
    assert len(json.loads(run("list", "1/5", "--json"))) == 4
    assert "ingest" in run("retry", "1/5", "--reason", "dates")
    with desk.store.read() as work:
        (asked,) = work.audit.latest(1, action="request ingest")
    assert (asked.actor, asked.reason) == ("ana", "dates")


def answers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[float]:
    waited: list[float] = []

    def check(_desk: Desk, seconds: float) -> Any:
        waited.append(seconds)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(note=answer)

    monkeypatch.setattr(source, "check", check)
    return waited


def test_the_source_is_asked_by_a_button_alone_and_its_answer_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = answers(monkeypatch, "2 files wait; the next batch is b.csv.")
    stored(desk)
    app = opened(view="Source")
    assert "the data API at DATA_API_URL" in text(app)
    assert "Batch 5 of epoch 1, received" in text(app)
    assert waited == []
    button(app, "Check source").click().run()
    assert "2 files wait" in text(app.run())
    assert waited == [30]


def test_a_source_that_cannot_be_used_says_so_on_the_page(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, SourceUnavailable("The source did not answer in 30 s."))
    app = opened(view="Source")
    assert "Nothing has been received yet." in text(app)
    button(app, "Check source").click().run()
    assert "did not answer in 30 s" in text(app)


def test_a_viewer_cannot_ask_the_source(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = somebody("vera", Role.VIEWER)
    monkeypatch.setattr("console.web.session.identity.local_actor", lambda *_: viewer)
    assert button(opened(view="Source"), "Check source").disabled


def test_a_hanging_source_is_ended_in_time_and_asked_once_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_COMMAND", ("-c", "import time; time.sleep(600)"))
    with pytest.raises(SourceUnavailable, match=r"did not answer in 0\.2 s"):
        source.check(desk, 0.2)
    assert source._checking.acquire(blocking=False)
    try:
        with pytest.raises(SourceUnavailable, match="checked already"):
            source.check(desk, 0.2)
    finally:
        source._checking.release()
