"""The supervisor, on children that cost nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.local.life import Timing
from compose.local.remains import family, mark, table
from core.platform import running_system
from tests.stacks import ROOT, free_port, wait_for

READY = 'touch "$READY_FILE"; '
LIVE = "exec sleep 600"
PYTHON = [sys.executable, "-I", "-S", "-c"]
GRANDCHILD = """
import os, time
if os.fork() == 0:
    os.{escape}()
    open(os.environ["READY_FILE"], "w").close()
time.sleep(600)
"""
SERVER = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port})"


def sh(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", script], **more}


class Whole:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, *children: dict[str, Any], **timing: float) -> None:
        self.folder = folder / "data"
        spec = {"data_dir": str(self.folder), "children": children, "timing": timing}
        (folder / "spec.json").write_text(json.dumps(spec))
        self.out = folder / "out"
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.local.whole", str(folder / "spec.json")],
                stdout=out,
                stderr=out,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.out.read_text()

    @property
    def run(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return content

    def pid(self, name: str) -> int:
        return int(self.run["children"][name]["pid"])

    def alive(self) -> set[int]:
        return family(mark(self.folder), {})

    def ready(self) -> Whole:
        wait_for(f"not ready: {self.said}", (self.folder / "ready.json").exists, 10)
        return self

    def says(self, words: str) -> None:
        wait_for(f"never said {words!r}", lambda: words in self.said, 10)

    def ends(self, code: int) -> str:
        assert self.process.wait(10) == code, self.said
        assert not self.alive()
        return self.said

    def interrupt(self) -> str:
        self.process.send_signal(signal.SIGINT)
        return self.ends(0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose processes are gone after the test, however it went."""
    yield tmp_path
    data = tmp_path / "data"
    for pid in family(mark(data), {}):
        os.kill(pid, signal.SIGKILL)
    if (data / "lock").exists() and (text := (data / "lock").read_text().strip()):
        process = table().get(int(text))
        if process and process.parent == os.getpid():
            os.kill(process.pid, signal.SIGKILL)


def test_each_starts_after_what_it_needs_and_stops_before_it(folder: Path) -> None:
    events, go = folder / "events", folder / "go"

    def noting(name: str) -> str:
        return f"echo {name} >> {events}; trap 'echo {name} ends >> {events}; exit 0' TERM; "

    wait = f"until [ -e {go} ]; do sleep 0.02; done; "
    forever = "while :; do sleep 0.02; done"
    whole = Whole(
        folder,
        sh("last", noting("last") + READY + forever, after=["once"]),
        sh("first", noting("first") + wait + READY + forever),
        sh("once", f"echo once >> {events}", once=True, after=["first"]),
    )
    wait_for("the first did not start", events.exists, 10)
    assert events.read_text() == "first\n"
    go.touch()
    whole.ready()
    assert events.read_text().split() == ["first", "once", "last"]
    whole.interrupt()
    assert events.read_text().splitlines()[3:] == ["last ends", "first ends"]
    assert not (whole.folder / "ready.json").exists()


def test_what_crashes_starts_again_after_longer_and_longer_waits(folder: Path) -> None:
    tries = folder / "tries"
    script = f'echo x >> {tries}; [ "$(wc -l < {tries})" -gt 3 ] || exit 7; ' + READY + LIVE
    whole = Whole(folder, sh("shaky", script)).ready()
    for seconds in ("0.05", "0.1", "0.2"):
        assert f"shaky ended with exit code 7; it starts again in {seconds} s." in whole.said
    before = whole.pid("shaky")
    os.kill(before, signal.SIGKILL)
    wait_for("no new life", lambda: whole.pid("shaky") != before, 10)
    assert "shaky was ended by SIGKILL; it starts again in 0.4 s." in whole.interrupt()


def test_back_off_doubles_up_to_half_a_minute() -> None:
    waits = [Timing().before_start(crashes) for crashes in range(1, 8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_children_of_a_crashed_child_do_not_outlive_it(folder: Path) -> None:
    code = GRANDCHILD.format(escape="setsid")
    whole = Whole(folder, {"name": "parent", "command": [*PYTHON, code]}).ready()
    before = whole.alive()
    assert len(before) == 2
    os.kill(whole.pid("parent"), signal.SIGKILL)
    wait_for("the old ones live", lambda: not before & table().keys(), 10)
    whole.interrupt()


def test_a_child_that_never_gets_ready_calls_the_start_off(folder: Path) -> None:
    whole = Whole(
        folder, sh("fine", READY + LIVE), sh("broken", "echo no such luck; exit 3"), again=0.01
    )
    said = whole.ends(1)
    assert "broken ended with exit code 3 for the 5th time before it was ever ready" in said
    assert f"see {whole.folder}/logs/broken.log. Its last lines:\n  no such luck" in said
    assert "Traceback" not in said


def test_a_child_that_hangs_before_it_is_ready_counts_as_crashed(folder: Path) -> None:
    said = Whole(folder, sh("slow", LIVE, seconds=0.1), tries=1).ends(1)
    assert "slow was not ready after 0.1 s and is killed" in said


def test_a_one_shot_that_fails_calls_the_start_off_at_once(folder: Path) -> None:
    whole = Whole(folder, sh("migrate", "echo no table >&2; exit 1", once=True))
    assert "migrate ended with exit code 1; see " in (said := whole.ends(1))
    assert "\n  no table\n" in said


def test_a_program_that_is_not_there_is_one_sentence(folder: Path) -> None:
    said = Whole(folder, {"name": "ghost", "command": ["/no/such/program"]}).ends(1)
    assert "ghost cannot be started: /no/such/program: No such file or directory." in said


def test_a_child_that_lives_but_does_not_answer_is_started_anew(folder: Path) -> None:
    port = free_port()
    server = {"name": "web", "command": [*PYTHON, SERVER.format(port=port)], "port": port}
    whole = Whole(folder, server, probe=0.05, silent=0.3).ready()
    before = whole.pid("web")
    os.kill(before, signal.SIGSTOP)
    whole.says("web has not answered for 0.3 s and is killed; it starts again in 0.05 s.")
    wait_for("no new life", lambda: whole.said.count("web is ready") == 2, 10)
    assert before not in table()
    whole.interrupt()


def test_a_taken_port_names_its_user_and_its_variable(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        said = Whole(folder, sh("web", LIVE, port=port)).ends(1)
    assert said == (
        f"Port {port} is taken, and web needs it: "
        "set SOME_PORT to a free one, or stop what listens there.\n"
    )


def test_a_second_start_on_the_same_folder_is_refused(folder: Path) -> None:
    whole = Whole(folder, sh("only", READY + LIVE)).ready()
    other = Whole(folder, sh("only", READY + LIVE))
    assert other.process.wait(10) == 1
    assert f"already running on {whole.folder} (pid {whole.process.pid})" in whole.said
    whole.interrupt()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("escape", ["setpgrp", "setsid"])
def test_asked_to_stop_it_leaves_no_process(folder: Path, name: str, escape: str) -> None:
    code = GRANDCHILD.format(escape=escape)
    whole = Whole(folder, {"name": "parent", "command": [*PYTHON, code]}).ready()
    assert len(whole.alive()) == 2
    whole.process.send_signal(signal.Signals[name])
    assert whole.ends(0).endswith("Everything has stopped.\n")


def test_started_with_sigint_ignored_it_stops_on_sigint(folder: Path) -> None:
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does with `make run &`
    try:
        whole = Whole(folder, sh("only", READY + LIVE))
    finally:
        signal.signal(signal.SIGINT, ignored)
    whole.ready().interrupt()


def test_it_is_on_record_while_it_runs(folder: Path) -> None:
    whole = Whole(folder, sh("only", READY + LIVE)).ready()
    assert running_system.read(whole.folder)["serving_url"].startswith("http://127.0.0.1:")
    whole.interrupt()
    assert not (whole.folder / "running.json").exists()


def test_a_child_that_will_not_end_is_killed(folder: Path) -> None:
    stubborn = "trap '' TERM; " + READY + "while :; do sleep 0.02; done"
    Whole(folder, sh("stubborn", stubborn), stop=0.2).ready().interrupt()


def test_a_second_interrupt_kills_at_once(folder: Path) -> None:
    stubborn = "trap '' TERM; " + READY + "while :; do sleep 0.02; done"
    whole = Whole(folder, sh("stubborn", stubborn), stop=600).ready()

    def over() -> bool:
        if alive := whole.alive():
            whole.process.send_signal(signal.SIGINT)
        return not alive

    wait_for("still there", over, 10)
    whole.ends(0)


def test_stopped_while_it_starts_it_leaves_no_process(folder: Path) -> None:
    whole = Whole(folder, sh("slow", LIVE), sh("next", READY + LIVE, after=["slow"]))
    wait_for("nothing started", lambda: len(whole.alive()) == 1, 10)
    whole.interrupt()


def test_killed_outright_it_leaves_no_process(folder: Path) -> None:
    code = GRANDCHILD.format(escape="setsid")
    whole = Whole(folder, {"name": "parent", "command": [*PYTHON, code]}).ready()
    whole.process.kill()
    whole.process.wait()
    wait_for("something lives", lambda: not whole.alive(), 10)


def test_what_an_earlier_run_left_is_ended_first(folder: Path) -> None:
    children = sh("only", READY + LIVE)
    first = Whole(folder, children).ready()
    stray = first.pid("only")
    wardens = [p.pid for p in table().values() if p.parent == first.process.pid]
    for pid in {*wardens} - {stray}:
        os.kill(pid, signal.SIGKILL)
    first.process.kill()
    first.process.wait()
    assert stray in first.alive()
    (first.folder / "ready.json").unlink()
    second = Whole(folder, children).ready()
    assert "An earlier run had left 1 processes; they are ended." in second.said
    assert stray not in table()
    second.interrupt()


def test_lines_carry_their_names_and_logs_are_kept_apart(folder: Path) -> None:
    coloured = r"printf '\033[31mred 100%%\033[0m\nno end'; "
    whole = Whole(folder, sh("talker", coloured + READY + LIVE)).ready()
    whole.interrupt()
    assert "talker    | red 100%\n" in whole.said
    assert (whole.folder / "logs" / "talker.log").read_text() == "red 100%\nno end\n"
    Whole(folder, sh("talker", READY + LIVE)).ready().interrupt()
    assert (whole.folder / "logs" / "talker.log.1").read_text() == "red 100%\nno end\n"
