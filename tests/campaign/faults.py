"""What goes wrong: each kind picks a victim by the dice, does its harm, and undoes it."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import get_args

import redis
import requests

from compose.data_api.faults import Kind
from core.domain.errors import DriftdeskError
from core.domain.jobs import JobKind
from tests.campaign.dice import picks
from tests.campaign.programs import send
from tests.campaign.system import LEASE_SECONDS, WORKERS, System
from tests.campaign.wires import Mode

_BLOCK = 1 << 20
_PROMOTION_SECONDS = 8.0
_API_FAULTS = get_args(Kind)

Fault = Callable[[System, random.Random], str]
"""Does its harm, waits as long as it lasts, undoes it, and returns what it was done to; empty where
there was nothing to do it to."""


def pause(dice: random.Random, shortest: float, longest: float) -> None:
    """Let a fault last; the campaign is the one test that needs time to pass."""
    time.sleep(dice.uniform(shortest, longest))


def kill(system: System, dice: random.Random) -> str:
    """SIGKILL a program with all its children, its children alone, or itself alone."""
    name = dice.choice([*WORKERS * 3, *(n for n in system.programs.names if n not in WORKERS)])
    who = dice.choice(["all", "children", "parent"]) if name in WORKERS else "all"
    pids = system.programs[name].pids
    victims = {"all": pids, "children": pids[1:], "parent": pids[:1]}[who]
    if not victims:
        return ""
    send(victims, signal.SIGKILL)
    return f"{name} ({who}, {len(victims)} processes)"


def kill_busy(system: System, dice: random.Random) -> str:
    """SIGKILL a worker that has a job, with the job's process or without it."""
    busy = [n for n in WORKERS if len(system.programs[n].pids) > 1]
    if not busy:
        return kill(system, dice)
    name = dice.choice(busy)
    pids = system.programs[name].pids
    parent_too = dice.random() < 0.5
    send(pids if parent_too else pids[1:], signal.SIGKILL)
    return f"{name} (at work, {'with' if parent_too else 'without'} its parent)"


def stop(system: System, dice: random.Random) -> str:
    """SIGSTOP a program or a job's process for longer than a lease, or for shorter; then go on."""
    name = dice.choice([*WORKERS * 4, *(n for n in system.programs.names if n not in WORKERS)])
    pids = system.programs[name].pids
    victims = pids[1:] if name in WORKERS and len(pids) > 1 and dice.random() < 0.7 else pids
    if not victims:
        return ""
    send(victims, signal.SIGSTOP)
    try:
        pause(dice, 1, 12)
    finally:
        send(victims, signal.SIGCONT)
    return f"{name} ({len(victims)} of {len(pids)} processes)"


def stop_promotion(system: System, dice: random.Random) -> str:
    """SIGSTOP a promotion on its way, until another attempt may have overtaken it.

    Its worker ends a process that stands still alone, so only one that is stopped together with
    its worker wakes up too late.
    """
    whole = dice.random() < 0.5
    deadline = time.monotonic() + _PROMOTION_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(DriftdeskError), system.desk.store.read() as work:
            promoting = [j for j in work.jobs.open() if j.kind is JobKind.PROMOTE and j.stage]
            families = [system.programs[name].pids for name in WORKERS if name[:-1] == "desk"]
            busy = [pids if whole else pids[1:] for pids in families if len(pids) > 1]
            if promoting and busy:
                victims = [pid for pids in busy for pid in pids]
                send(victims, signal.SIGSTOP)
                try:
                    pause(dice, LEASE_SECONDS, 4 * LEASE_SECONDS)
                finally:
                    send(victims, signal.SIGCONT)
                who = "with its worker" if whole else "alone"
                return f"attempt {promoting[0].attempt} at {promoting[0].stage!r} ({who})"
        time.sleep(dice.uniform(0.01, 0.1))
    return ""


def fill_disk(system: System, dice: random.Random) -> str:
    """Fill the data folder's disk to the last byte."""
    filler = system.disk / "filler"
    size = 0
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                size += file.write(bytes(_BLOCK))
        pause(dice, 1, 6)
    finally:
        filler.unlink(missing_ok=True)
    return f"{size >> 20} MB"


def fill_redis(system: System, dice: random.Random) -> str:
    """Let Redis refuse writes."""
    try:
        system.redis.config_set("maxmemory-policy", "noeviction")
        system.redis.config_set("maxmemory", "1")
    except redis.RedisError:
        return ""
    pause(dice, 1, 6)
    with contextlib.suppress(redis.RedisError):
        system.redis.config_set("maxmemory", "0")
    return "maxmemory 1"


def wipe_redis(system: System, dice: random.Random) -> str:
    """Delete all that Redis has."""
    try:
        system.redis.flushall()
    except redis.RedisError:
        return ""
    return "flushall"


def cut(system: System, dice: random.Random) -> str:
    """Close each open connection to a neighbour, or refuse new ones for a while."""
    wire = dice.choice(sorted(system.wires.values(), key=lambda w: w.name))
    ends = wire.cut()
    if dice.random() < 0.5:
        return f"{wire.name} ({ends} ends)"
    wire.turn(Mode.REFUSE)
    try:
        pause(dice, 0.5, 5)
    finally:
        wire.turn(Mode.PASS)
    return f"{wire.name} (refused)"


def silence(system: System, dice: random.Random) -> str:
    """Keep connections to a neighbour open, and carry nothing."""
    wire = dice.choice(sorted(system.wires.values(), key=lambda w: w.name))
    wire.turn(Mode.SILENT)
    try:
        pause(dice, 1, 12)
    finally:
        wire.turn(Mode.PASS)
    return wire.name


def lying_mlflow(system: System, dice: random.Random) -> str:
    """Let MLflow's address answer with somebody else's pages."""
    mode = dice.choice([Mode.SIGN_IN, Mode.BAD_GATEWAY])
    system.wires["mlflow"].turn(mode)
    try:
        pause(dice, 0.5, 5)
    finally:
        system.wires["mlflow"].turn(Mode.PASS)
    return mode.value


def lying_api(system: System, dice: random.Random) -> str:
    """Let the data API's next answer be one of the ways in which it goes wrong."""
    kind = dice.choice(_API_FAULTS)
    fault = {"kind": kind, "seconds": dice.uniform(0.5, 15)}
    try:
        armed = requests.post(f"{system.api}/faults", json=fault, timeout=5)
    except requests.RequestException:
        return ""
    return kind if armed.ok else ""


KINDS: dict[str, tuple[Fault, int]] = {
    "kill at work": (kill_busy, 6),
    "kill": (kill, 3),
    "stop": (stop, 6),
    "stop a promotion": (stop_promotion, 3),
    "cut": (cut, 3),
    "silence": (silence, 3),
    "full disk": (fill_disk, 2),
    "full Redis": (fill_redis, 1),
    "wiped Redis": (wipe_redis, 1),
    "lying MLflow": (lying_mlflow, 2),
    "lying data API": (lying_api, 4),
}
"""Every kind of fault, with how often it is picked."""


class Disturber:
    """Does one fault after the other while it is let loose, by dice of its own."""

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._picks = picks(seed, {name: weight for name, (_, weight) in KINDS.items()}, 3)
        self._calm = threading.Event()
        self.counts: Counter[str] = Counter()
        self.diary: list[str] = []

    @contextmanager
    def loose(self) -> Iterator[None]:
        """Disturb while the block runs; afterwards everything is healed."""
        self._calm.clear()
        thread = threading.Thread(target=self._work, name="disturber", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._calm.set()
            thread.join(60)
            self._heal()

    def _work(self) -> None:
        for pick in self._picks:
            if self._calm.wait(pick.pause):
                self._picks = chain([pick], self._picks)  # the next round begins with it
                return
            began = time.time()
            victim = KINDS[pick.name][0](self._system, pick.dice)
            if not victim:
                continue
            self.counts[pick.name] += 1
            self.diary.append(
                f"{time.strftime('%H:%M:%S', time.gmtime(began))} +{time.time() - began:.1f} s "
                f"{pick.name}: {victim}"
            )

    def _heal(self) -> None:
        for wire in self._system.wires.values():
            wire.turn(Mode.PASS)
        for name in self._system.programs.names:
            send(self._system.programs[name].pids, signal.SIGCONT)
        with contextlib.suppress(redis.RedisError):
            self._system.redis.config_set("maxmemory", "0")
        with contextlib.suppress(requests.RequestException):
            requests.delete(f"{self._system.api}/faults", timeout=5)
