"""A training command: what it is given, how far it may go, and what is said of each way to fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.domain.dataset import Dataset
from core.domain.errors import (
    DriftdeskError,
    JobCancelled,
    ModelRefused,
    NothingToTrainOn,
    RecipeFailed,
)
from core.domain.training import Training
from core.rules.data.holdout import row_hash
from tests.object_store import BUCKET, s3_server
from tests.stacks import ROOT, wait_for
from tests.unit import test_class_recipes as classes
from tests.unit.test_recipes import of, sales
from workers.recipes.command import fit, left_files, lifeline, row_parts, row_spool
from workers.recipes.port import JobContext, Rows

OWN = (sys.executable, str(ROOT / "tests" / "own_program.py"))


def program(folder: Path, code: str) -> Dataset:
    """A dataset whose training command is this code."""
    (folder / "train.py").write_text(code, encoding="utf-8")
    return command(folder, sys.executable, "train.py")


def command(folder: Path, *words: str) -> Dataset:
    training = Training("command", command=words, folder=str(folder))
    return replace(of({}), training=training)


def after(code: str) -> str:
    """A program that leaves a good model and then does this."""
    path = str(ROOT / "tests" / "own_program.py")
    return f"import runpy\nrunpy.run_path({path!r}, run_name='__main__')\n{code}"


class Job:
    """A job's side of a training command: what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[float, str]] = []

    def context(self, **changes: Any) -> JobContext:
        def progress(share: float, stage: str) -> None:
            self.steps.append((share, stage))

        known = JobContext(say=self.lines.append, progress=progress, seconds=60)
        return replace(known, **changes)


def fails(dataset: Dataset, **changes: Any) -> str:
    with pytest.raises((RecipeFailed, ModelRefused)) as caught:
        fit(sales(60), dataset, Job().context(**changes))
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 3_000
    return said


# What it is given, and what is taken from it


def test_it_finds_the_rows_the_dataset_and_a_seed_and_its_lines_are_told(tmp_path: Path) -> None:
    code = after("""
import os, pathlib, shutil
import pyarrow.parquet as pq
rows = pathlib.Path(os.environ["DRIFTDESK_ROWS"])
out = pathlib.Path(os.environ["DRIFTDESK_OUT"])
(out / "plots").mkdir()
(out / "plots" / "curve.svg").write_text("<svg/>")
print("found", sorted(p.name for p in rows.iterdir()), "in", pathlib.Path.cwd().name)
shutil.copy(os.environ["DRIFTDESK_DATASET"], "dataset.json")
pq.write_table(pq.read_table(rows), "rows.parquet")
""")
    job, rows = Job(), sales(300)
    fitted = fit(rows, program(tmp_path, code), job.context())
    assert job.steps[-1] == (0.9, "saving")
    assert job.lines == [
        "learned from 300 rows with seed 20261129",
        f"found ['part-00000.parquet'] in {tmp_path.name}",
    ]
    assert fitted.files == {"metrics.json": b'{"rows": 300}', "plots/curve.svg": b"<svg/>"}
    about = json.loads((tmp_path / "dataset.json").read_text())
    assert (about["name"], about["target"], about["rows"]) == ("shop", "gain", 300)
    assert about["features"][2] == {
        "name": "at", "label": "At", "type": "timestamp", "features": ["hour", "weekday"],
        "input": "double",
    }  # fmt: skip
    given = pq.read_table(tmp_path / "rows.parquet")
    assert given.column_names == [f["name"] for f in about["features"]] + ["gain"]
    assert sorted(given["gain"].to_pylist()) == sorted(rows["gain"].tolist())
    assert {text for text in given["town"].to_pylist() if not text} == {""}
    assert np.isnan(given["variable"].to_numpy()).sum() == np.isnan(rows["variable"]).sum()


def test_rows_come_in_files_of_a_bounded_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_spool, "PART_ROWS", 100)
    rows, dataset = sales(250), of({})
    with row_spool.row_spool(dataset) as spool:
        spool.add(rows, row_hash(rows, dataset))
        with row_parts.row_parts(spool.tables(), dataset, Job().context()) as where:
            sizes = [pq.read_metadata(p).num_rows for p in sorted(Path(where).iterdir())]
    assert sizes == [100, 100, 50]
    assert not Path(where).exists()


def test_the_services_secrets_are_not_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql+pymysql://desk:hush-hush@db/desk")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush-hush")
    monkeypatch.setenv("ANY_TOKEN", "hush-hush")
    code = "import json, os; open('seen.json', 'w').write(json.dumps(dict(os.environ)))"
    fails(program(tmp_path, code), environment={"AWS_PROFILE": "training"})
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert "hush-hush" not in json.dumps(seen)
    assert seen["PATH"] == os.environ["PATH"]
    assert seen["AWS_PROFILE"] == "training"
    others = {"AWS_PROFILE", "PYTHONUNBUFFERED", "PATH", "HOME", "USER", "TZ", "TMPDIR"}
    assert all(n in others or n.startswith(("DRIFTDESK_", "LC_", "LANG")) for n in seen)


def test_rows_at_a_url_are_cleared_away_with_those_that_a_killed_job_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def names(where: str) -> list[str]:
        system, root = row_parts.open_url(where)
        return sorted(path.removeprefix(f"{root}/") for path in system.find(root))

    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/rows"
        system, root = row_parts.open_url(url)
        for left in ("shop-3-1", "shop-7-1", "shop-9-1", "other-3-1"):
            system.pipe_file(f"{root}/{left}/part-00000.parquet", b"left")
        context = Job().context(rows_url=url, name="7-2")
        with row_parts.row_parts([pa.table(dict(sales(30)))], of({}), context) as where:
            assert where == f"{url}/shop-7-2"
            others = ["other-3-1", "shop-7-2", "shop-9-1"]
            assert names(url) == [f"{other}/part-00000.parquet" for other in others]
        assert names(url) == [f"{left}/part-00000.parquet" for left in ("other-3-1", "shop-9-1")]


def test_rows_in_a_folder_of_the_clusters_machines(tmp_path: Path) -> None:
    context = Job().context(rows_url=str(tmp_path / "shared"), name="7-2")
    fitted = fit(sales(60), command(tmp_path, *OWN), context)
    assert len(fitted.predict(sales(5))) == 5
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_url_that_cannot_be_written_is_named() -> None:
    context = Job().context(rows_url="nosuch://bucket/rows")
    with (
        pytest.raises(RecipeFailed, match=r"nosuch://bucket/rows \(.*Check TRAINING_URL"),
        row_parts.row_parts([pa.table(dict(sales(30)))], of({}), context),
    ):
        pass


def test_links_and_too_many_files_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"m")
    (tmp_path / "secrets").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    for n in range(4):
        (tmp_path / f"plot{n}.txt").write_bytes(b"x" * 10)
    monkeypatch.setattr(left_files, "MOST_FILES", 3)
    model, files, left_out = left_files.read_files(tmp_path)
    assert (model, sorted(files)) == (b"m", ["plot0.txt", "plot1.txt", "plot2.txt"])
    assert left_out.startswith("1 of the files that the training command left are not kept")
    monkeypatch.setattr(left_files, "MOST_BYTES", 25)
    assert sorted(left_files.read_files(tmp_path)[1]) == ["plot0.txt", "plot1.txt"]
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.onnx").symlink_to("/etc/passwd")
    assert left_files.read_files(tmp_path)[0] is None


# What goes wrong


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('a', flush=True); raise ValueError('no such column')",
         r"ended with exit code 1\. Its last lines: .*\| ValueError: no such column"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by signal 11"),
        ("print('done')", r"left no file model.onnx in the folder DRIFTDESK_OUT\. .* done"),
        ("", "left no file model.onnx in the folder DRIFTDESK_OUT. It printed nothing"),
        ("import os; open(os.environ['DRIFTDESK_OUT'] + '/model.onnx', 'w').write('hello')",
         "model.onnx is no ONNX model"),
        ("print('\\x1b[31mred\\u202e'); raise SystemExit(4)", r"exit code 4.*\\x1b\[31mred\\u202e"),
        ("import sys; sys.stdout.buffer.write(b'\\xff' * 5_000_000); raise SystemExit(5)",
         "ended with exit code 5"),
    ],
    ids=["raises", "crashes", "writes nothing", "is empty", "no model", "escapes", "no line ends"],
)  # fmt: skip
def test_each_failure_is_a_sentence_with_the_last_lines(
    tmp_path: Path, code: str, said: str
) -> None:
    assert re.search(said, fails(program(tmp_path, code)))


def test_a_program_that_hangs_is_stopped_at_the_limit_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    dataset = program(tmp_path, STARTS_OTHERS)
    said = fails(dataset, seconds=1.5)
    assert "did not end within 1.5 s and was stopped" in said
    assert "raise TRAINING_SECONDS. Its last lines: waiting" in said
    assert not alive(tmp_path)


STARTS_OTHERS = """
import os, subprocess, sys, time
sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
started = [subprocess.Popen(sleeps).pid, subprocess.Popen(sleeps, start_new_session=True).pid]
if os.fork() == 0:  # a daemon, whose parent is gone
    os.setsid()
    if os.fork() == 0:
        open("daemon", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
open("started", "w").write(" ".join(map(str, [os.getpid(), *started])))
print("waiting", flush=True)
time.sleep(600)
"""
"""Starts a child, one in a session of its own, and a daemon."""


def alive(folder: Path) -> list[int]:
    """Which of the processes of `STARTS_OTHERS` still run."""
    ids = (folder / "started").read_text().split() + (folder / "daemon").read_text().split()
    assert len(ids) == 4
    return [int(i) for i in ids if psutil.pid_exists(int(i)) and not is_zombie(int(i))]


def is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_program_that_eats_memory_is_stopped(tmp_path: Path) -> None:
    code = (
        "import time\nprint('eating')\nheld = []\n"
        "while True:\n    held.append(bytearray(b'x' * 10_000_000)); time.sleep(0.02)\n"
    )
    said = fails(program(tmp_path, code), memory=100_000_000)
    assert "MB of memory with all that it started and was stopped" in said
    assert "raise TRAINING_MEMORY_MB from 100. Its last lines: eating" in said


def test_a_cancel_ends_it_with_all_that_it_started(tmp_path: Path) -> None:
    def check() -> None:
        if (tmp_path / "started").exists() and (tmp_path / "daemon").exists():
            raise JobCancelled("Cancelled on request.")

    with pytest.raises(JobCancelled):
        fit(sales(60), program(tmp_path, STARTS_OTHERS), Job().context(check=check))
    assert not alive(tmp_path)


def test_it_ends_when_the_process_of_its_job_is_killed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(STARTS_OTHERS)
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    lifeline_of_it = [sys.executable, "-I", lifeline.__file__, sys.executable, "train.py"]
    job = subprocess.Popen([sys.executable, "-c", code, *lifeline_of_it], cwd=tmp_path)
    wait_for("it did not start", (tmp_path / "started").exists)
    wait_for("it did not start", (tmp_path / "daemon").exists)
    job.kill()
    job.wait(10)
    wait_for("it did not end", lambda: not alive(tmp_path), 10)


def test_what_it_leaves_running_is_ended(tmp_path: Path) -> None:
    code = STARTS_OTHERS.replace('time.sleep(600)\n"""', "")
    ends = code.rsplit("time.sleep(600)", 1)[0] + "\nraise SystemExit(3)\n"
    assert "exit code 3" in fails(program(tmp_path, ends))
    assert not alive(tmp_path)


def test_a_flood_of_lines_is_bounded(tmp_path: Path) -> None:
    job = Job()
    code = after("for n in range(50_000): print('line', n)")
    fit(sales(60), program(tmp_path, code), job.context())
    assert len(job.lines) <= 151


def test_a_missing_program_or_folder_is_named(tmp_path: Path) -> None:
    assert "begins with nosuchprogram, and there is no such" in fails(
        command(tmp_path, "nosuchprogram", "x")
    )
    assert "begins with ./train.sh" in fails(command(tmp_path, "./train.sh"))
    nowhere = str(tmp_path / "nowhere")
    assert f"training.folder is {nowhere}, and there" in fails(command(tmp_path / "nowhere", "ls"))


# Models that are not this dataset's


def model_with(tmp_path: Path, code: str) -> str:
    """What is said of a model that this code changes, as `m`."""
    around = after(
        "import os, onnx\n"
        "from onnx import TensorProto, helper\n"
        "path = os.environ['DRIFTDESK_OUT'] + '/model.onnx'\n"
        f"m = onnx.load(path)\n{code}\nonnx.save(m, path)\nprint('changed')"
    )
    said = fails(program(tmp_path, around))
    assert said.endswith("with seed 20261129 | changed")
    return said


RENAMED = """
text = m.SerializeToString().replace(b"variable", b"visitors")
m = onnx.load_from_string(text)
"""
AS_INTEGER = "m.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64"
FIXED = "m.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1"
TWO_OUTPUTS = "m.graph.output.append(helper.make_tensor_value_info('joined', 11, [None, 7]))"
NAN = (
    "bad = helper.make_node('Log', ['raw'], ['prediction'])\n"
    "m.graph.node[-1].output[0] = 'raw'\nm.graph.node.append(bad)"
)
ONE_ANSWER = (
    "m.graph.node[-1].output[0] = 'raw'\n"
    "m.graph.node.append(helper.make_node('ReduceMax', ['raw'], ['prediction'], keepdims=1))\n"
    "m.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1"
)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (RENAMED, "lacks the inputs variable; it needs one per feature"),
        (AS_INTEGER, "takes variable as tensor(int64); it must take floats or doubles"),
        (FIXED, "takes variable in the shape [1, 1]; it must be [n, 1]"),
        (TWO_OUTPUTS, "gives prediction, joined; it must give prediction alone"),
        (NAN, "answers nan for "),
        (ONE_ANSWER, "gives float64 in the shape [1, 1] for 60 rows"),
    ],
    ids=["another's inputs", "type", "fixed size", "outputs", "nan", "one answer"],
)
def test_a_model_that_does_not_fit_is_refused_with_what_is_wrong(
    tmp_path: Path, code: str, said: str
) -> None:
    assert said in model_with(tmp_path, code)


def test_metadata_of_another_version_is_removed(tmp_path: Path) -> None:
    code = after(
        "import os, onnx\n"
        "path = os.environ['DRIFTDESK_OUT'] + '/model.onnx'\n"
        "m = onnx.load(path)\n"
        "onnx.helper.set_model_props(m, {'driftdesk.golden': 'x', 'team': 'a'})\n"
        "onnx.save(m, path)"
    )
    fitted = fit(sales(60), program(tmp_path, code), Job().context())
    stamped = onnx.load_from_string(fitted.to_onnx({"driftdesk.contract": "{}"}))
    entries = {e.key: e.value for e in stamped.metadata_props}
    assert entries == {"team": "a", "driftdesk.contract": "{}"}


def test_answers_that_are_no_numbers_on_other_rows_are_refused_with_the_row(
    tmp_path: Path,
) -> None:
    code = after(
        "import os, onnx\nfrom onnx import helper\n"
        "path = os.environ['DRIFTDESK_OUT'] + '/model.onnx'\n"
        "m = onnx.load(path)\n"
        "m.graph.node[-1].output[0] = 'raw'\n"
        "m.graph.node.append(helper.make_node('Add', ['raw', 'odd'], ['prediction']))\n"
        "m.graph.node.insert(0, helper.make_node('Mul', ['d', 'z'], ['odd']))\n"
        "m.graph.node.insert(0, helper.make_node('Cast', ['variable'], ['d0'], to=11))\n"
        "m.graph.node.insert(1, helper.make_node('IsNaN', ['d0'], ['dn']))\n"
        "m.graph.node.insert(2, helper.make_node('Where', ['dn', 'z', 'd0'], ['d']))\n"
        "m.graph.initializer.append(helper.make_tensor('z', 11, [1], [0.0]))\n"
        "onnx.save(m, path)"
    )
    fitted = fit(sales(60), program(tmp_path, code), Job().context())
    far: Rows = sales(5) | {"variable": np.array([1.0, np.inf, 2.0, 3.0, 4.0])}
    with pytest.raises(
        DriftdeskError, match=r"answers nan for 1 of 5 rows, .* such as {'variable':"
    ):
        fitted.predict(far)


NO_SUM = "m.graph.node[-1].op_type = 'Sigmoid'\ndel m.graph.node[-1].attribute[:]"
ANOTHER_NAME = "m.graph.node[-1].output[0] = 'prediction'\nm.graph.output[0].name = 'prediction'"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (NO_SUM, "which are not probabilities that add up to 1, such as"),
        (ANOTHER_NAME, "gives prediction; it must give probabilities alone"),
    ],
)
def test_a_classifier_gives_probabilities(tmp_path: Path, code: str, said: str) -> None:
    around = after(
        "import os, onnx\n"
        "path = os.environ['DRIFTDESK_OUT'] + '/model.onnx'\n"
        f"m = onnx.load(path)\n{code}\nonnx.save(m, path)"
    )
    regression = program(tmp_path, around)
    dataset = replace(classes.of({}, "category"), training=regression.training)
    with pytest.raises(ModelRefused, match=said):
        fit(classes.classed(sales(200), dataset), dataset, Job().context())


def test_one_class_only_is_said_before_the_program_runs(tmp_path: Path) -> None:
    dataset = replace(
        classes.of({}, "category"), training=command(tmp_path, "nosuchprogram").training
    )
    rows: Rows = sales(60) | {"gain": np.full(60, "a", dtype=object)}
    with pytest.raises(NothingToTrainOn, match="at least two classes"):
        fit(rows, dataset, Job().context())


# The threshold of two classes


def states(folder: Path, threshold: str) -> Dataset:
    """A dataset of two classes whose program states this threshold."""
    write = f"(out / 'threshold.txt').write_text({threshold!r})"
    code = after(f"import os, pathlib; out = pathlib.Path(os.environ['DRIFTDESK_OUT']); {write}")
    training = program(folder, code).training
    return replace(classes.of({"recipe": "boosting"}, "boolean"), training=training)


def test_a_program_may_state_its_threshold(tmp_path: Path) -> None:
    dataset = states(tmp_path, " 0.37\n")
    fitted = fit(classes.classed(sales(60), dataset), dataset, Job().context())
    assert fitted.threshold == 0.37
    assert fitted.files["threshold.txt"]


@pytest.mark.parametrize("stated", ["", "half", "0", "1", "nan", "37 %", "0.4 0.5"])
def test_a_threshold_that_is_none_is_refused(stated: str, tmp_path: Path) -> None:
    dataset = states(tmp_path, stated)
    with pytest.raises(ModelRefused, match=r"threshold\.txt of .* has .* number above 0"):
        fit(classes.classed(sales(60), dataset), dataset, Job().context())
