"""How a person may name a version, a job, a batch or an epoch."""

from __future__ import annotations

import pytest

from core.domain.subject import Kind, Subject, subject_of


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("3", Subject(Kind.ANY, 3)), ("#3", Subject(Kind.ANY, 3)),
        ("v3", Subject(Kind.VERSION, 3)), ("Version  3", Subject(Kind.VERSION, 3)),
        ("version:3", Subject(Kind.VERSION, 3)), ("job 7", Subject(Kind.JOB, 7)),
        ("JOB:7", Subject(Kind.JOB, 7)), ("batch-id:12", Subject(Kind.ENTRY, 12)),
        ("batch 7", Subject(Kind.BATCH, 7)), ("batch:7", Subject(Kind.BATCH, 7)),
        ("batch 1/7", Subject(Kind.BATCH, 7, 1)), ("batch:1/7", Subject(Kind.BATCH, 7, 1)),
        (" 1/7 ", Subject(Kind.BATCH, 7, 1)), ("1/0", Subject(Kind.BATCH, 0, 1)),
        ("batch 7 of epoch 1", Subject(Kind.BATCH, 7, 1)),
        ("Epoch 1, batch 7", Subject(Kind.BATCH, 7, 1)), ("epoch 1", Subject(Kind.EPOCH, 1)),
    ],
)  # fmt: skip
def test_a_thing_has_one_name_in_several_spellings(text: str, subject: Subject) -> None:
    assert subject_of(text) == subject


@pytest.mark.parametrize(
    "text", ["", "bikes", "1/", "/7", "v", "0196f3a2", "²", "1" * 19, "version 1/2"]
)
def test_other_texts_name_nothing(text: str) -> None:
    assert subject_of(text) is None
