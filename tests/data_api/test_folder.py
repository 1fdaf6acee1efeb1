"""Batches out of a folder of CSV files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compose.data_api.folder import Folder, FolderError
from compose.data_api.options import Options
from tests.data_api.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

HEADER = (
    " brokered_by,status,price,bed,bath,acre_lot,street,city,state,zip_code,house_size,"
    "prev_sold_date\n"
)
ONE = (
    '101640.0,for_sale,289900.0,4,2,0.38,1758218.0,"East ""W"", Ü 5%",'
    "Connecticut,06016,1617,1999-09-30\n"
)
TWO = "7,sold,1,,,,8,29,Ohio,,nan,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "batch_0.csv").write_text(HEADER + ONE + TWO, encoding="utf-8")
    (tmp_path / "batch_1.csv").write_text("\ufeff" + HEADER + TWO, encoding="utf-8")
    (tmp_path / "batch_10.csv.old").write_text("not a batch")
    return tmp_path


def test_the_files_in_order_then_the_end(folder: Path) -> None:
    with serving(Options(folder=folder)) as service:
        first, second = service.batch(), service.batch()
        assert service.get("/data", group_number=7).status_code == 400
    assert (first["batch_number"], second["batch_number"]) == (0, 1)
    assert first["data"][0] == {
        "brokered_by": 101640.0,
        "status": "for_sale",
        "price": 289900.0,
        "bed": 4.0,
        "bath": 2.0,
        "acre_lot": 0.38,
        "street": 1758218.0,
        "city": 'East "W", Ü 5%',
        "state": "Connecticut",
        "zip_code": 6016.0,
        "house_size": 1617.0,
        "prev_sold_date": "1999-09-30",
    }
    last = first["data"][1]
    assert second["data"] == [last]
    assert all(last[name] is None for name in ("bed", "acre_lot", "zip_code", "prev_sold_date"))
    assert (last["city"], last["house_size"]) == ("29", "nan")


def test_lists(folder: Path) -> None:
    with serving(Options(folder=folder, rows="lists")) as service:
        row = service.batch()["data"][0]
    assert row[0] == "101640.0"
    assert row[9] == "6016.0"


def test_faults_know_the_folder(folder: Path) -> None:
    with serving(Options(folder=folder, faults=True)) as service:
        first = service.batch()
        service.arm("other_content")
        other = service.batch()
        assert other["batch_number"] == 0
        assert other["data"] == first["data"][1:]
        service.arm("skip")
        assert service.get("/data", group_number=7).status_code == 400


def test_more_rows_than_a_block(tmp_path: Path) -> None:
    lines = "".join(f"{number}\n" for number in range(10_000))
    (tmp_path / "batch_0.csv").write_text("x\n" + lines)
    with serving(Options(folder=tmp_path)) as service:
        assert service.batch()["data"] == [{"x": str(number)} for number in range(10_000)]


def test_cells_of_another_data_set_are_told_as_the_text_that_they_are(tmp_path: Path) -> None:
    (tmp_path / "batch_0.csv").write_text("season,station,temperature\n1,007,20.2\nspring,10_2,\n")
    with serving(Options(folder=tmp_path)) as service:
        assert service.batch()["data"] == [
            {"season": "1", "station": "007", "temperature": "20.2"},
            {"season": "spring", "station": "10_2", "temperature": None},
        ]


def test_a_cell_that_only_python_takes_for_a_number_stays_text(tmp_path: Path) -> None:
    odd = "1_0,sold,1e400,\uff11,2,,8,29,Ohio,inf,0x1,\n"
    (tmp_path / "batch_0.csv").write_text(HEADER + odd, encoding="utf-8")
    with serving(Options(folder=tmp_path)) as service:
        (row,) = service.batch()["data"]
    assert (row["brokered_by"], row["price"], row["bed"]) == ("1_0", "1e400", "\uff11")
    assert (row["bath"], row["zip_code"], row["house_size"]) == (2.0, "inf", "0x1")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"batch_1.csv": HEADER},
        {"batch_0.csv": HEADER, "batch_2.csv": HEADER},
        {"batch_0.csv": ""},
        {"batch_0.csv": "a,,b\n"},
        {"batch_0.csv": "a,b,a\n"},
    ],
    ids=["empty", "no zero", "gap", "no header", "unnamed", "doubled"],
)
def test_a_folder_that_cannot_be_served_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(FolderError, match=str(tmp_path)):
        Folder.of(tmp_path)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        Folder.of(tmp_path / "missing")
