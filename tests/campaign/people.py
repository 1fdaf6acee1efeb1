"""An operator who works through the job, and clients that ask for predictions meanwhile."""

from __future__ import annotations

import random
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import ClassVar

import requests

from console.actions import decisions, pipeline
from console.queries import status
from core.domain.errors import DriftdeskError, IllegalTransition
from core.domain.promotions import PromotionState
from tests.build import somebody
from tests.campaign.dice import picks
from tests.campaign.system import System

ROW: dict[str, object] = {
    "bed": 3, "bath": 2, "acre_lot": 0.3, "house_size": 1500, "state": "Connecticut",
    "status": "for_sale",
}  # fmt: skip
_KEPT = 40


class Operator:
    """Does one act after the other: ingest, compare, train, decide, roll back, cancel, retry."""

    WEIGHTS: ClassVar[dict[str, int]] = {
        "ingest": 6, "compare": 1, "train": 4, "decide": 6, "roll_back": 1, "cancel": 1, "retry": 1,
    }  # fmt: skip
    """How often each act is picked, by the method's name."""

    def __init__(self, system: System, seed: int) -> None:
        self._desk = system.desk
        self._picks = picks(seed, self.WEIGHTS, 1.5)
        self._dice = random.Random(seed)
        self._me = somebody()
        self._calm = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.escaped: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Act while the block runs."""
        self._calm.clear()
        thread = threading.Thread(target=self._work, name="operator", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._calm.set()
            thread.join(300)
            if thread.is_alive():
                self.escaped.append("The operator's act did not end within 300 s.")

    def _work(self) -> None:
        for pick in self._picks:
            if self._calm.wait(pick.pause):
                self._picks = chain([pick], self._picks)  # the next round begins with it
                return
            self._dice = pick.dice
            self.attempt(getattr(self, pick.name))

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do it; a refusal in our own words is counted, anything else is a broken promise."""
        try:
            act()
        except DriftdeskError as error:
            self.refused[f"{act.__name__}: {type(error).__name__}"] += 1
            return False
        except Exception:  # noqa: BLE001 - what escapes is the finding
            if len(self.escaped) < _KEPT:
                self.escaped.append(f"{act.__name__}:\n{traceback.format_exc()}")
            return False
        self.done[act.__name__] += 1
        return True

    def ingest(self) -> None:
        restart = self._dice.random() < 0.05
        ends = status.ends(self._desk, restart=restart)
        pipeline.request_ingest(
            self._desk, self._me, restart=restart, ends=ends.epoch if ends else None
        )

    def compare(self) -> None:
        pipeline.request_drift(self._desk, self._me)

    def train(self) -> None:
        pipeline.request_train(self._desk, self._me, reason="the campaign asks for it")

    def decide(self) -> None:
        """Approve, reject or force the newest candidate."""
        with self._desk.store.read() as work:
            waiting = work.promotions.latest(5, PromotionState.PROPOSED)
        if not waiting:
            raise IllegalTransition("Nothing awaits approval.")
        promotion = self._dice.choice(waiting)
        if self._dice.random() < 0.2:
            decisions.reject(self._desk, self._me, promotion.version, reason="the dice say so")
        elif promotion.verdict.promote and self._dice.random() < 0.7:
            decisions.approve(self._desk, self._me, promotion.version)
        else:
            decisions.force(self._desk, self._me, promotion.version, reason="the dice say so")

    def first(self) -> None:
        """Bring the first version live, whatever the gates say of it."""
        decisions.force(self._desk, self._me, 1, reason="the campaign needs a first version")

    def roll_back(self) -> None:
        decisions.roll_back(self._desk, self._me, reason="the dice say so")

    def cancel(self) -> None:
        with self._desk.store.read() as work:
            jobs = work.jobs.open()
        if not jobs:
            raise IllegalTransition("Nothing is under way.")
        pipeline.cancel(self._desk, self._me, self._dice.choice(jobs).id)

    def retry(self) -> None:
        with self._desk.store.read() as work:
            jobs = [job for job in work.jobs.recent(10) if job.state.is_over]
        if not jobs:
            raise IllegalTransition("Nothing is over.")
        pipeline.retry(self._desk, self._me, self._dice.choice(jobs).id)


class Clients:
    """Ask each replica of serving all the time, and keep the ids of what was answered."""

    def __init__(self, system: System) -> None:
        self._urls = system.serving
        self._calm = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the block runs."""
        self._calm.clear()
        threads = [threading.Thread(target=self._work, args=(url,), daemon=True)
                   for url in self._urls]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._calm.set()
            for thread in threads:
                thread.join(30)

    def _work(self, url: str) -> None:
        with requests.Session() as session:
            while not self._calm.wait(0.1):
                self._ask(session, url)

    def _ask(self, session: requests.Session, url: str) -> None:
        try:
            answer = session.post(f"{url}/predict", json=ROW, timeout=20)
        except requests.RequestException as error:
            self.statuses[type(error).__name__] += 1
            return
        self.statuses[str(answer.status_code)] += 1
        if answer.status_code == requests.codes.ok:
            with self._lock:
                self.acknowledged.add(str(answer.json()["prediction_id"]))
        elif answer.status_code != requests.codes.service_unavailable and len(self.wrong) < _KEPT:
            self.wrong.append(f"{answer.status_code}: {answer.text[:300]}")

    def taken(self) -> set[str]:
        """The ids since the last call."""
        with self._lock:
            ids, self.acknowledged = self.acknowledged, set()
        return ids
