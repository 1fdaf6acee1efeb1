"""The lineage of an id: named in any way, told as a chain, on page and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from console.cli.main import app as command_line
from console.desk import Desk
from console.queries.promotion import Scope
from console.web.panels.audit import tables
from core.adapters.store.tables import feedback, predictions
from core.domain.dataset import Dataset
from tests.build import live, proposed, stored_batch
from tests.views.desks import at_a_desk, page, text

ID, OTHER = "0196f3a2-7d0c-7c1e-9f6b-0a2f5d1c9e44", "0196f3a2-7d0c-7c1e-9f6b-0a2f5d1c9e45"


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        stored_batch(made.store, 0)
        live(made.store, 2)
        answered(made, ID)
        yield made


def answered(desk: Desk, *ids: str) -> None:
    """Predictions of version 2, the first with a reported actual value."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [
        {"id": id_, "at": at, "model_version": 2, "inputs": {"bed": 3}, "prediction": 100.0}
        for id_ in ids
    ]
    with desk.store.begin() as work:
        connection = work.predictions._connection
        connection.execute(sa.insert(predictions), rows)
        if ID in ids:
            given = {"id": "f1", "prediction_id": ID, "actual": 120.0, "at": at, "source": ""}
            connection.execute(sa.insert(feedback), given)
        work.commit()


def passport(subject: str, code: int = 0) -> Any:
    done = CliRunner().invoke(command_line, ["passport", subject, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.output) if code == 0 else done.output


def drawn(app: Any) -> str:
    return "\n".join(str(e.proto.body) for e in app.get("html"))


def links(subject: str) -> dict[str, str]:
    return {link["title"]: link["says"] for link in passport(subject)["chain"]}


def test_a_prediction_leads_back_to_its_batch_and_on_to_its_feedback(desk: Desk) -> None:
    chain = passport(ID)["chain"]
    titles = [link["title"] for link in chain]
    assert titles == [
        "Batch", "Job 1", "Version 2", "Decision", "Live", "Prediction", "Feedback",
    ]  # fmt: skip
    assert chain[-1]["says"] == "actual 120 USD"
    assert passport(ID)["feedback"] == 120.0
    app = page("audit", part="Lineage", follow=ID)
    assert "actual 120 USD" in text(app)


def test_a_version_counts_its_predictions_and_their_feedback(desk: Desk) -> None:
    answered(desk, OTHER)
    said = links("version:2")
    assert (said["Predictions"], said["Feedback"]) == ("2", "1")
    assert said["Live"].endswith("until now")
    proposed(desk.store, 3, champion=2)
    said = links("version:3")
    assert (said["Decision"], said["Live"]) == ("awaits a decision", "not live yet")


def test_an_id_may_be_shortened_while_only_one_begins_so(desk: Desk) -> None:
    assert passport("0196f3a2")["subject"] == f"prediction:{ID}"
    answered(desk, OTHER)
    assert "2 predictions begin with 0196f3a2" in passport("0196f3a2", code=1)
    assert "no prediction 0197" in passport("0197", code=1)


def test_the_newest_versions_batches_and_predictions_are_offered_to_begin_with(desk: Desk) -> None:
    offered = drawn(page("audit", part="Lineage"))
    for subject in ("version:2", "batch:1/0", ID):
        assert f"follow={subject}" in offered


def test_a_number_names_what_alone_has_it(desk: Desk) -> None:
    assert passport("2")["subject"] == "version:2"
    assert "no version, no job and no prediction 99" in passport("99", code=1)
    live(desk.store, 1)  # its approval is job 2
    assert "a version 2 and a job 2" in passport("2", code=1)
    said = drawn(page("audit", part="Lineage", follow="2"))
    for subject in ("version:2", "job:2"):
        assert f"follow={subject}" in said


@pytest.mark.parametrize(
    ("spelling", "subject"),
    [
        ("batch 1/0", "batch:1/0"), ("1/0", "batch:1/0"), ("job 1", "job:1"), ("v2", "version:2"),
        ("Version 2", "version:2"), (f"prediction {ID[:8]}", f"prediction:{ID}"),
    ],
)  # fmt: skip
def test_what_the_search_teaches_names_a_lineage_too(
    desk: Desk, spelling: str, subject: str
) -> None:
    assert passport(spelling)["subject"] == subject
    assert "has no lineage" in passport("epoch 1", code=1)


def test_a_version_says_what_came_in_its_place(desk: Desk) -> None:
    with desk.store.begin() as work:
        about = {"job": 9, "before": 2, "action": "rollback"}
        work.audit.add("ana", "rollback", "version:1", reason="It errs.", details={"champion": 2})
        work.audit.add("ana", "live", "version:1", reason="It errs.", details=about)
        work.commit()
    said = [(e["action"], e["subject"]) for e in passport("version:2")["decisions"]]
    assert said[-2:] == [("rollback", "version:1"), ("live", "version:1")]
    app = page("audit", part="Lineage", follow="version:2")
    assert "ana rolled back to version 1." in drawn(app)
    assert 'href="pipeline?batch=1/0"' in drawn(app)


def test_a_batch_leads_to_the_versions_that_learned_from_it(desk: Desk) -> None:
    said = links("batch:1/0")
    assert said["Batch"].startswith("0 of epoch 1: ")


def test_the_audit_log_is_exported_as_json_too(desk: Desk) -> None:
    wanted = {"scope": Scope.DATASET, "action": "live", "actor": "", "subject": "", "days": 0}
    (event,) = json.loads(tables.as_json(desk, **wanted))
    assert (event["action"], event["subject"]) == ("live", "version:2")
    assert event["details"]["action"] == "approve"
    assert event["sentence"].startswith("Version 2 went live")
    assert event["at"].endswith("+00:00")
    app = page("audit")
    assert [b.proto.label for b in app.get("download_button")] == ["CSV", "JSON"]
    assert '<td data-label="When"><time datetime="' in drawn(app)
