"""The `[source]` section of a dataset file: every kind, and each key wrong in turn."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.errors import DatasetError
from core.domain.sources import (
    CsvOptions,
    DataApiSource,
    FileOrder,
    FilesSource,
    Format,
    SqlSource,
    UploadSource,
)
from tests.build import small_dataset

SQL = {"kind": "sql", "url_setting": "WAREHOUSE_URL", "query": "sales", "watermark": "updated_at"}
FILES = {"kind": "files", "url": "s3://bucket/in/*.parquet"}


def test_without_a_section_the_source_is_the_data_api_of_today() -> None:
    assert small_dataset().source == small_dataset(source={}).source == DataApiSource()


def test_each_kind_is_read_whole() -> None:
    api = {
        "data_path": "/next", "restart_path": "/again", "group_parameter": "team",
        "day_parameter": "date", "end_of_data": "no more", "first_number": 1,
    }  # fmt: skip
    assert small_dataset(source=api).source == DataApiSource(
        "/next", "/again", "team", "date", "no more", 1
    )
    files = FILES | {
        "order": "time", "settle_seconds": 0, "done_suffix": ".done", "format": "csv",
        "csv": {"delimiter": ";", "decimal": ",", "encoding": "cp1252"},
    }  # fmt: skip
    assert small_dataset(source=files).source == FilesSource(
        "s3://bucket/in/*.parquet", FileOrder.TIME, 0.0, ".done", Format.CSV,
        CsvOptions(";", ",", "cp1252"),
    )  # fmt: skip
    query = "SELECT *\nFROM sales;"
    assert small_dataset(source=SQL | {"query": query, "batch_rows": 10}).source == SqlSource(
        "WAREHOUSE_URL", "SELECT * FROM sales", "updated_at", 10
    )
    assert small_dataset(source=SQL).source == SqlSource("WAREHOUSE_URL", "sales", "updated_at")
    assert small_dataset(source={"kind": "files", "url": "in"}).source == FilesSource("in")
    assert small_dataset(source={"kind": "upload"}).source == UploadSource()


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("files", r"\[source\] above"),
        ({"kind": "kafka"}, "kind must be one of data_api, files, sql, upload"),
        ({"kind": 7}, "kind must be one of"),
        ({"url": "x"}, "unknown keys url; .*write one of kind, data_path"),
        ({"kind": "upload", "url": "x"}, "unknown keys url"),
        ({"data_path": "data"}, "data_path is 'data'; write a path"),
        ({"data_path": 1}, "data_path is 1, and must be text"),
        ({"restart_path": "/a?b"}, "restart_path"),
        ({"group_parameter": "a b"}, "group_parameter is 'a b'"),
        ({"day_parameter": ""}, "day_parameter is empty"),
        ({"end_of_data": ""}, "end_of_data is empty"),
        ({"end_of_data": "x" * 201}, "end_of_data .* at most 200"),
        ({"first_number": -1}, "first_number is -1"),
        ({"first_number": True}, "first_number is True"),
        ({"kind": "files"}, "url is missing"),
        (FILES | {"url": "s3://me:pass@bucket/in"}, "url contains a password"),
        (FILES | {"url": "http://[x/in"}, "which is no URL"),
        (FILES | {"url": "a\tb"}, "control characters"),
        (FILES | {"order": "size"}, "order must be one of name, time"),
        (FILES | {"settle_seconds": -1}, "settle_seconds is -1"),
        (FILES | {"settle_seconds": "10"}, "settle_seconds is '10', and must be a finite number"),
        (FILES | {"done_suffix": "done"}, "done_suffix is 'done'"),
        (FILES | {"format": "xml"}, "format must be one of json, jsonl, csv, parquet"),
        (FILES | {"csv": "x"}, r"csv is 'x', and must be a table"),
        (FILES | {"csv": {"quote": "'"}}, "csv: unknown keys quote"),
        (FILES | {"csv": {"delimiter": ";;"}}, "csv: delimiter is ';;'; write one character"),
        (FILES | {"csv": {"decimal": "·"}}, "csv: decimal is"),
        (FILES | {"csv": {"decimal": ",", "delimiter": ","}}, "csv: .* the same character"),
        (FILES | {"csv": {"encoding": "utf-9"}}, "csv: encoding is 'utf-9', which is not known"),
        (FILES | {"csv": {"encoding": 8}}, "csv: encoding is 8, and must be text"),
        ({"kind": "sql"}, "url_setting is None; write the name"),
        (SQL | {"url_setting": "mysql://me:pw@host/db"}, "url_setting .*carries a password"),
        (SQL | {"query": "DROP TABLE x"}, "query is 'DROP TABLE x'; write the name of a table"),
        (SQL | {"query": ""}, "query is empty"),
        (SQL | {"watermark": None}, "watermark is missing"),
        (SQL | {"batch_rows": 0}, "batch_rows is 0, and must be a whole number from 1"),
    ],
)
def test_each_wrong_key_is_named_with_the_remedy(section: Any, complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        small_dataset(source=section)
