"""Dossiers and job results that earlier versions of driftdesk stored are read as records.

`tests/datasets/stored` has a dossier and job results as driftdesk stored them on 2026-11-28, from
rows of the stand-in data API.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from console.text.as_json import jsonable
from core.adapters.store import Store
from core.adapters.store.dossier_json import from_json, summary_from_json, to_json
from core.adapters.store.job_result_json import from_json as result_from_json
from core.adapters.store.tables import dossiers
from core.domain.dossier import FORMAT, GateName, Replay, TrainingBatch
from core.domain.errors import Refused
from core.domain.job_results import BatchCompared, BatchNotStored, sentence
from core.domain.jobs import Job, JobKind, JobState
from tests import build

STORED = Path(__file__).parents[1] / "datasets" / "stored"
TEXT = (STORED / "dossier.json").read_text(encoding="utf-8")
RESULTS = json.loads((STORED / "job_results.json").read_text(encoding="utf-8"))
LATER = ("learned", "uncompared", "baseline", "digest", "job", "parity")
"""Parts that dossiers of earlier releases lack."""


RENAMED = {
    "beyond chance": GateName.SIGNIFICANT,
    "no worse slice": GateName.NO_WORSE_SEGMENT,
}


def content(*without: str) -> dict[str, Any]:
    return {name: part for name, part in json.loads(TEXT).items() if name not in without}


def test_a_stored_dossier_is_read_and_its_digest_holds(store: Store) -> None:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    with store.begin() as work:
        work.dossiers._connection.execute(
            sa.insert(dossiers).values(digest=digest, version=2, made_at=build.NOON, content=TEXT)
        )
        work.commit()
    with store.read() as work:
        dossier = work.dossiers.get(digest)
    assert (dossier.candidate.version, dossier.candidate.rows) == (2, dossier.held_out_rows)
    assert dossier.compared_with == 1
    assert dossier.batches[0] == TrainingBatch(1, 1, 0, 221)
    assert dossier.batch_ids == (1, 2)
    assert [gate.name for gate in dossier.gates] == list(GateName)[:6]
    assert dossier.slices[0].difference
    assert len(dossier.points.actual) == len(dossier.points.champion or ()) == 97
    assert dossier.golden[0].row["state"] == "Texas"
    assert dossier.learned
    assert dossier.learned.recipe == "boosting-1"


def test_nothing_of_a_stored_dossier_is_lost_on_reading() -> None:
    read = json.loads(json.dumps(to_json(from_json(content()))))
    for name in ("candidate", "champion"):
        assert read[name].pop("rows") == read["held_out_rows"]
    assert read.pop("format") == FORMAT
    assert (read.pop("task"), read.pop("classes")) == ("regression", [])
    assert read.pop("candidate_classes") is read.pop("champion_classes") is None
    assert read["baseline"].pop("shares") == {}
    for name in ("split", "compared_after", "coverage", "newer", "evaluated_on"):  # later parts
        assert read.pop(name) is None
    assert read.pop("own_metrics") == []
    assert read.pop("typical") == {}
    stored = content()
    for gate in stored["gates"]:
        gate["name"] = RENAMED.get(gate["name"], gate["name"])
    assert read == stored


@pytest.mark.parametrize("name", LATER)
def test_a_dossier_without_a_later_part_is_read(name: str) -> None:
    assert not getattr(from_json(content(name)), name)


def test_the_first_dossiers_are_read_with_the_names_that_gates_have_today() -> None:
    first = content("baseline", "uncompared", "learned")
    gates = [{"name": name, "passed": True, "says": "", "blocks": False}
             for name in ("apart", "better", "certain", "no regression", "everywhere")]  # fmt: skip
    dossier = from_json(first | {"gates": gates})
    assert [gate.name for gate in dossier.gates] == [
        GateName.NO_OVERLAP, GateName.BETTER, GateName.SIGNIFICANT, GateName.NO_REGRESSION,
        GateName.NO_WORSE_SEGMENT,
    ]  # fmt: skip
    summary = summary_from_json(content("gates", "differences", "importance", "replay"))
    assert summary
    assert (summary.gates, summary.replay) == ((), Replay())


def test_a_version_that_was_never_judged_has_no_dossier() -> None:
    assert summary_from_json({"digest": "abc"}) is None
    assert summary_from_json({}) is None


@pytest.mark.parametrize("number", [FORMAT + 1, 0, "2", None])
def test_an_unknown_format_is_refused_with_a_sentence(number: object) -> None:
    with pytest.raises(Refused, match=r"has the format .* reads formats up to 3\. Use the version"):
        from_json(content() | {"format": number})


@pytest.mark.parametrize("broken", [{"gates": [{}]}, {"candidate": 3}, {"golden": "x"}])
def test_what_is_no_dossier_is_refused_with_a_sentence(broken: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        from_json(content() | broken)


def test_a_new_dossier_is_stored_with_its_format_and_read_again(store: Store) -> None:
    whole = from_json(content())
    with store.begin() as work:
        digest = work.dossiers.freeze(whole)
        work.promotions.propose(2, build.Verdict(True, ("Good.",)), whole, "ana", digest=digest)
        work.commit()
    with store.read() as work:
        assert work.dossiers.get(digest) == whole
        promotion = work.promotions.of_version(2)
    assert promotion.file_digest == whole.digest
    assert promotion.dossier == summary_from_json(to_json(whole))


@pytest.mark.parametrize("entry", RESULTS, ids=lambda entry: "-".join(entry["result"])[:40])
def test_a_stored_job_result_is_read_and_printed_as_before(entry: dict[str, Any]) -> None:
    kind = JobKind(entry["kind"])
    result = result_from_json(kind, entry["result"])
    job = Job(1, kind, JobState.SUCCEEDED, 1, {}, "ana", build.NOON, result=result)
    assert jsonable(job)["result"] == entry["result"]
    assert json.loads(json.dumps(asdict(result))) == entry["result"]  # type: ignore[call-overload]
    assert sentence(result)


def test_an_older_result_lacks_fields_and_a_job_without_a_result_prints_an_empty_one() -> None:
    assert result_from_json(JobKind.DRIFT, {"retrain": True}) == BatchCompared(retrain=True)
    assert result_from_json(JobKind.INGEST, {"note": "x", "y": 1}) == BatchNotStored(note="x")
    assert result_from_json(JobKind.TRAIN, {}) is None
    assert result_from_json(JobKind.TRAIN, {"version": "x"}) is None
    job = Job(1, JobKind.TRAIN, JobState.RUNNING, 1, {}, "ana", build.NOON)
    assert jsonable(job)["result"] == {}
