"""The demo with three datasets: `make run ARGS=--demo`, or `python -m compose.prepare --demo`.

Real estate comes from the simulated data API; a classifier and a small regression come from files
that the demo writes. In the last file of each something has changed, so that drift shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.platform.settings import SHIPPED_DATASETS

if TYPE_CHECKING:  # pandas takes a second to import
    import pandas as pd

HERE = Path(__file__).parent
_BATCHES = "/batches"
"""Where the dataset files look for batches, as a container has it."""

_SEED = 1
_WIDER = 1.15
"""How much larger another microscope sees the cells of the last batch of tumours."""


def prepare(folder: Path) -> Path:
    """Write the dataset files and the batches below a folder; returns the folder for DATASETS.

    Files that are there stay as they are: a person may have changed them.
    """
    _write_datasets(folder / "datasets", str(folder / "batches"))
    write_batches(folder / "batches")
    return folder / "datasets"


def prepare_containers(compose: Path) -> None:
    """Write both into the folders that the containers see as /datasets and /batches.

    Files that are there stay as they are.
    """
    _write_datasets(compose / "datasets", _BATCHES)
    write_batches(compose / "batches")


def _write_datasets(folder: Path, batches: str) -> None:
    """Write the dataset files; `batches` is where their programs find the batches."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in (SHIPPED_DATASETS / "real_estate.toml", *sorted(HERE.glob("*.toml"))):
        if not (folder / source.name).exists():
            text = source.read_text(encoding="utf-8")
            text = text.replace(f'"{_BATCHES}/', f'"{batches}/')
            (folder / source.name).write_text(text, encoding="utf-8")


def write_batches(folder: Path) -> None:
    """Write four files of each table into a folder, where it has none yet."""
    for name, table, write in (("tumours", _tumours, _parquet), ("diabetes", _diabetes, _csv)):
        into = folder / name
        if not into.exists():
            making = into.with_suffix(".new")
            making.mkdir(parents=True, exist_ok=True)
            for number, batch in enumerate(table()):
                write(batch, making / f"{number}")
            making.rename(into)


def _tumours() -> list[pd.DataFrame]:
    """The rows in four lots; another microscope saw those of the last one.

    The first lot is half of them: on few rows no model is clearly better than the class shares.
    """
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - only where they are written

    loaded = load_breast_cancer(as_frame=True)
    rows = loaded.frame.filter(like="mean ")
    rows.columns = [c.removeprefix("mean ").replace(" ", "_") for c in rows.columns]
    rows = rows.assign(diagnosis=loaded.target_names[loaded.frame["target"]])
    rows = rows.sample(frac=1, random_state=_SEED)
    half = len(rows) // 2
    *before, last = [rows[:half], *_lots(rows[half:], 3)]
    wider = {"radius": _WIDER, "perimeter": _WIDER, "area": _WIDER**2}
    return [*before, last.assign(**{c: last[c] * by for c, by in wider.items()})]


def _diabetes() -> list[pd.DataFrame]:
    """The rows in four lots; the last one has the oldest patients."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    rows = load_diabetes(as_frame=True, scaled=False).frame.rename(
        {"target": "progression"}, axis=1
    )
    rows = rows.sample(frac=1, random_state=_SEED).astype({"sex": int}).astype({"sex": str})
    by_age = rows.sort_values("age", kind="stable")
    oldest = _lots(by_age)[-1]
    return [*_lots(rows.drop(oldest.index), 3), oldest]


def _lots(rows: pd.DataFrame, count: int = 4) -> list[pd.DataFrame]:
    size = -(-len(rows) // count)
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _parquet(rows: pd.DataFrame, path: Path) -> None:
    rows.to_parquet(path.with_suffix(".parquet"), index=False)


def _csv(rows: pd.DataFrame, path: Path) -> None:
    rows.to_csv(path.with_suffix(".csv"), index=False)
