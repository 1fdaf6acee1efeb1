"""A desk with several datasets: its first page, and that no page shows anything of another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit import config

from console.fleet import Fleet
from console.queries.promotion import Scope
from console.queries.service_checks import Service
from console.web import reading, session
from console.web.panels.audit import tables
from core.domain.jobs import JobKind, JobState
from tests.build import live, proposed, stored_batch
from tests.views.desks import button, labels, text
from tests.views.fleets import at_a_fleet, dataset_file, html, html_rows, opened
from tests.views.test_role_pages import AUTH, Secrets, token

IMAGE = "![i](http://evil.example/i.png)"
PAGES = ["overview", "pipeline", "drift", "promotion", "predict", "audit", "services", "search"]
ROLES = """
[admin]
emails = ["amy@desk.internal"]
[datasets.bikes.operator]
emails = ["ben@desk.internal"]
[datasets.boats.viewer]
emails = ["bo@desk.internal"]
[datasets.bikes.viewer]
emails = ["bo@desk.internal"]
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with at_a_fleet(tmp_path, monkeypatch, "bikes", "boats") as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """The same with a login: amy may all, ben bikes alone."""
    roles = tmp_path / "roles.toml"
    roles.write_text(ROLES, encoding="utf-8")
    monkeypatch.setattr(st, "secrets", Secrets(auth=AUTH))
    told = {"auth": "oidc", "auth_roles_file": str(roles)}
    with at_a_fleet(tmp_path, monkeypatch, "bikes", "boats", **told) as made:
        config.set_option("server.address", "0.0.0.0")
        yield made


def failed(fleet: Fleet, name: str) -> int:
    """A job of a dataset that failed."""
    with fleet.desk(name).store.transaction() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, f"somebody at {name}")
        work.jobs.claim(job.id, 1, "w", timedelta(seconds=30))
        work.jobs.finish(job.id, "w", JobState.FAILED, error=f"The source of {name} is away.")
    return job.id


def lines(app: object) -> list[str]:
    """The names of the datasets on the fleet page, in its order."""
    return re.findall(r"<strong>(.*?)</strong>", html(app))


def test_the_first_page_has_a_line_for_each_dataset_and_who_needs_somebody_first(
    fleet: Fleet,
) -> None:
    failed(fleet, "boats")
    app = opened()
    assert lines(app) == ["Boats", "Bikes"]
    assert "1 of 2 datasets needs somebody" in text(app)
    assert "The last ingest job failed" in html(app)
    assert 'href="/pipeline?dataset=boats&amp;job=' in html(app)
    proposed(fleet.desk("bikes").store, 1)
    reading.clear_cache()  # the fleet is read again every few seconds
    assert lines(opened()) == ["Boats", "Bikes"]  # an alert comes before a question
    assert "Version 1 awaits approval" in html(opened())


def test_the_filters_stay_in_the_address(fleet: Fleet) -> None:
    failed(fleet, "boats")
    assert lines(opened(only="alert")) == ["Boats"]
    assert lines(opened(named="bik")) == ["Bikes"]
    assert "No dataset matches" in text(opened(named="bik", only="alert"))


def test_a_wrong_file_is_a_line_with_its_reason_and_the_others_go_on(fleet: Fleet) -> None:
    dataset_file(Path(fleet.settings.datasets), "trams").write_text("name = 3", encoding="utf-8")
    fleet._read = None
    app = opened()
    assert lines(app) == ["trams.toml", "Bikes", "Boats"]
    assert "wrong file" in html(app)
    assert "trams.toml" in html(app)


def test_a_desk_without_datasets_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_a_fleet(tmp_path, monkeypatch):
        assert "no dataset on this desk yet" in text(opened())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_nothing_of_the_other_dataset(fleet: Fleet, name: str) -> None:
    for one in ("bikes", "boats"):
        store = fleet.desk(one).store
        failed(fleet, one)
        live(store, 1)
        stored_batch(store, 0)
    app = opened(name, dataset="bikes")
    said = text(app)
    assert "boats" not in said.casefold().replace("boats.toml", "")
    for link in app.get("page_link"):
        assert "dataset=bikes" in link.proto.query_string
    assert "dataset=bikes" in html(app)  # the switcher keeps the page


def test_versions_of_the_same_number_are_decided_in_their_own_dataset(fleet: Fleet) -> None:
    for one in ("bikes", "boats"):
        proposed(fleet.desk(one).store, 1)
    app = opened("promotion", dataset="boats", version="1")
    button(app, "Approve…").click().run()
    button(app, "Approve and serve it").click().run()
    states = {}
    for one in ("bikes", "boats"):
        with fleet.desk(one).store.read() as work:
            states[one] = str(work.promotions.of_version(1).state)
    assert states == {"bikes": "PROPOSED", "boats": "APPROVED"}


def test_an_action_in_a_tab_whose_address_has_changed_does_nothing(fleet: Fleet) -> None:
    app = opened("pipeline", dataset="bikes")
    app.query_params["dataset"] = "boats"
    button(app, "Ingest next batch").click().run()
    assert "Nothing was done" in text(app)
    for one in ("bikes", "boats"):
        with fleet.desk(one).store.read() as work:
            assert work.jobs.recent() == []


def test_the_switcher_keeps_the_part_of_the_page_and_drops_what_is_of_one_dataset(
    fleet: Fleet,
) -> None:
    stored_batch(fleet.desk("bikes").store, 0)
    app = opened("drift", dataset="bikes", batch="1/0", show="Live traffic")
    assert 'href="/drift?dataset=boats&amp;show=Live%20traffic"' in html(app)


def test_a_page_of_one_dataset_asks_which_if_its_address_names_none(fleet: Fleet) -> None:
    app = opened("drift", batch="1/0")
    assert "Choose it" in text(app)
    assert 'href="/drift?dataset=boats&amp;batch=1/0"' in html(app)


def test_an_unknown_dataset_is_said(fleet: Fleet) -> None:
    app = opened("overview", dataset="trams")
    assert "There is no dataset 'trams' on this desk that you may see." in text(app)


def test_the_search_finds_things_of_every_dataset_and_links_to_them(fleet: Fleet) -> None:
    for one in ("bikes", "boats"):
        live(fleet.desk(one).store, 3)
    job = failed(fleet, "boats")
    found = html(opened("search", q="3"))
    assert 'href="/promotion?dataset=bikes&amp;version=3"' in found
    assert 'href="/promotion?dataset=boats&amp;version=3"' in found
    assert f'href="/pipeline?dataset=boats&amp;job={job}"' in html(opened("search", q=f"job {job}"))
    assert 'href="/overview?dataset=boats"' in html(opened("search", q="boa"))
    assert "Nothing found for" in text(opened("search", q="zeppelin"))


def test_the_fleet_says_which_shared_service_is_down(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def service(name: str, *, healthy: bool | None) -> Service:
        return Service(name, healthy, "", 1.0, "", "")

    seen = [service("MLflow", healthy=True), service("Workers", healthy=None),
            service("Serving", healthy=False), service("Queue (Redis)", healthy=False)]  # fmt: skip
    watch = SimpleNamespace(look=lambda _seconds: seen)
    monkeypatch.setattr("console.web.session.watch", lambda: watch)
    assert "Serving and Queue (Redis) are down." in text(opened())
    del seen[2:]
    assert "down." not in text(opened())


def test_a_dataset_without_data_names_its_first_step(fleet: Fleet) -> None:
    stored_batch(fleet.desk("boats").store, 0)
    shown = html(opened())
    assert '<a href="/pipeline?dataset=bikes">Ingest the first batch</a>' in shown
    assert shown.count("the first batch") == 1


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("pipeline", {"batch": IMAGE}),
        ("audit", {"part": "Lineage", "follow": IMAGE}),
        ("drift", {"show": "Compare", "reference": IMAGE}),
    ],
)
def test_markdown_in_an_address_is_text(fleet: Fleet, page: str, query: dict[str, str]) -> None:
    """Markdown in an address loads no foreign image."""
    for number in range(2):
        stored_batch(fleet.desk("bikes").store, number)
    (said,) = [error.value for error in opened(page, dataset="bikes", **query).error]
    assert "](http" not in said
    assert "http" not in said or "\\]" in said


def test_search_is_a_field_and_no_page_of_the_navigation(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    navigate = st.navigation

    def noting(pages: list[st.Page], **look: str) -> object:
        shown.extend(page.title for page in pages if page.visibility == "visible")
        return navigate(pages, **look)

    monkeypatch.setattr(st, "navigation", noting)
    opened()
    assert "Services" in shown
    assert "Search" not in shown


def test_the_services_of_all_are_those_that_datasets_share(fleet: Fleet) -> None:
    said = text(opened("services"))
    assert "MLflow" in said
    assert "Data API" not in said
    assert "Data API" in text(opened("services", dataset="bikes"))


def test_what_somebody_may_not_see_is_nowhere(guarded: Fleet) -> None:
    for one in ("bikes", "boats"):
        live(guarded.desk(one).store, 3)
    dataset_file(Path(guarded.settings.datasets), "trams").write_text("name = 3", encoding="utf-8")
    guarded._read = None
    ben = token("ben@desk.internal")
    for app in (opened(user=ben), opened("search", ben, q="3"), opened("drift", ben),
                opened("services", ben), opened("promotion", ben, dataset="bikes")):  # fmt: skip
        everything = html(app) + text(app)
        assert "boats" not in everything.casefold()
        assert "trams" not in everything.casefold()
    for other in ("boats", "trams"):
        assert f"There is no dataset '{other}' on this desk that you may see." in text(
            opened("overview", ben, dataset=other)
        )
    assert "trams.toml" in html(opened(user=token("amy@desk.internal")))


def test_a_role_for_one_dataset_gives_its_rights_there_alone(guarded: Fleet) -> None:
    stored_batch(guarded.desk("bikes").store, 0)
    may = opened("pipeline", token("ben@desk.internal"), dataset="bikes")
    assert not button(may, "Ingest next batch").disabled
    not_ = opened("pipeline", token("bo@desk.internal"), dataset="bikes")
    assert button(not_, "Ingest next batch").disabled
    button(may, "Ingest next batch").click().run()
    with guarded.desk("bikes").store.read() as work:
        assert [job.kind for job in work.jobs.recent()] == [JobKind.INGEST]


def test_who_has_no_role_at_all_is_told_so(guarded: Fleet) -> None:
    assert labels(opened(user=token("eve@desk.internal"))) == ["Log out"]


def test_a_session_without_a_dataset_cannot_ask_for_one(guarded: Fleet) -> None:
    assert session.unknown("boats", ["bikes"]) == session.unknown("boats", [])


EMPTY = '<span class="none"></span>'


def test_the_audit_log_shows_the_whole_desk_to_who_may_see_it(guarded: Fleet) -> None:
    with guarded.desk("bikes").store.desk_transaction() as work:
        work.audit.add("amy", "key added", "key:shop")
        for one in ("bikes", "boats"):
            work.audit.add("amy", "cancel", "job:7", reason=f"of {one}", dataset=one)
    amy, ben = token("amy@desk.internal"), token("ben@desk.internal")

    def reasons(user: dict[str, object], **address: str) -> list[object]:
        return [
            row["Reason"] for row in html_rows(opened("audit", user, dataset="bikes", **address))
        ]

    assert reasons(amy) == ["of bikes"]
    assert reasons(amy, of="Whole desk") == [EMPTY]
    assert reasons(amy, of="All") == ["of boats", "of bikes", EMPTY]
    shown = html_rows(opened("audit", amy, dataset="bikes", of="All"))
    assert [row["Dataset"] for row in shown] == ["boats", "bikes", "the whole desk"]
    there = "/audit?dataset=boats&amp;part=Lineage&amp;follow=job:7"
    assert shown[0]["About"] == f'<a href="{there}">job:7</a>'
    for address in ({}, {"of": "Whole desk"}, {"of": "All"}):  # a role for one dataset
        assert reasons(ben, **address) == ["of bikes"]
    assert "Whole desk" not in text(opened("audit", ben, dataset="bikes"))
    wanted = {"action": "", "actor": "", "subject": "", "days": 0}
    of_all = tables.csv(guarded.desk("bikes"), scope=Scope.ALL, **wanted).decode()  # type: ignore[arg-type]
    assert [line.split(",")[6] for line in of_all.splitlines()] == [
        "dataset", "boats", "bikes", "",
    ]  # fmt: skip


def test_a_command_in_a_sentence_names_the_dataset_of_the_page(fleet: Fleet) -> None:
    live(fleet.desk("boats").store, 1)
    said = text(opened("overview", dataset="boats"))
    assert "driftdesk feedback --dataset boats PREDICTION_ID" in said
