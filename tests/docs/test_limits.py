"""The page of what driftdesk does not do names the bounds that the code has."""

from __future__ import annotations

import pytest

from console.actions import uploads
from console.text import csv_input
from core.adapters.readers import first_rows, parse
from core.domain import batches
from core.domain.task import MOST_CLASSES
from core.platform.settings import Settings
from core.rules.data import column_name, typed_values
from serving.http import batch, feedback, scope
from tests.pages import DOCS
from workers.sources import sql

PAGE = (DOCS / "explanation" / "limits.md").read_text(encoding="utf-8")
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}

BOUNDS = {
    "an answer of the data API": f"{DEFAULTS['data_api_max_mb']:,} MB (`DATA_API_MAX_MB`)",
    "an uploaded file, and any file once decompressed": (
        f"{DEFAULTS['file_max_mb']:,} MB (`FILE_MAX_MB`)"
    ),
    "a file on the Pipeline page": f"{uploads.PAGE_MB:,} MB",
    "a row of a batch, as JSON or CSV": f"{batches.LONGEST_ROW >> 20} MB",
    "quarantined rows of a batch": f"{parse.MOST_QUARANTINED:,}",
    "a category or a code": f"{typed_values.LONGEST_TEXT} characters",
    "classes of a target": f"{MOST_CLASSES}",
    "a column's name": f"{column_name.LONGEST_NAME} characters",
    "a code written as a number": f"2^{typed_values.EXACT.bit_length() - 1} - 1",
    "rows that share a watermark (source `sql`)": f"{sql._MOST_TIES:,} beyond the batch",
    "one request for one answer": f"{scope.MAX_ROW_BYTES >> 10} KB",
    "a JSON batch to predict": f"{batch.MAX_ROWS:,} rows, {scope.MAX_BATCH_BYTES >> 20} MB",
    "a streamed batch to predict": f"{DEFAULTS['serving_stream_mb']} MB (`SERVING_STREAM_MB`)",
    "a CSV file on the Predict page": (
        f"{csv_input.MOST_ROWS:,} rows, {csv_input.MOST_MEGABYTES} MB"
    ),
    "feedback in one request": f"{feedback.MAX_ENTRIES} entries",
    "rows that `dataset init` and `dataset check` read": f"{first_rows.MOST_ROWS:,}",
}


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_is_the_codes(what: str) -> None:
    assert f"| {what} | {BOUNDS[what]} |" in PAGE


def test_no_other_bound_is_named() -> None:
    named = {line.split(" | ")[0].removeprefix("| ") for line in PAGE.splitlines()
             if line.startswith("| ")} - {"what"}  # fmt: skip
    assert named - {"timestamps"} == set(BOUNDS)  # test_typed_values tries the years
