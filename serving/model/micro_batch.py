"""Micro-batching: one model run for all requests that wait in the same event loop iteration.

A call of the runtime costs about 50 µs and a row 5 µs, so sixteen concurrent requests cost a fifth
of sixteen single runs. A batch runs in the event loop's next iteration; nothing waits for it to
fill up. The number of waiting requests is bounded here, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from serving.model.loaded import LoadedModel
from serving.problems import overloaded

Inputs = Mapping[str, float | str]


class MicroBatch:
    """The requests that wait for the next iteration, by the model that validated them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._waiting: dict[LoadedModel, list[tuple[Inputs, asyncio.Future[Any]]]] = {}

    def predict(self, model: LoadedModel, inputs: Inputs) -> asyncio.Future[Any]:
        """The model's prediction for one row, as a future: see `Runtime.predict_rows`.

        Raises:
            Problem: the maximum number of requests is waiting already.
        """
        if self._count >= self._most:
            raise overloaded("predictions")
        loop = asyncio.get_running_loop()
        if not self._count:
            loop.call_soon(self._run)
        self._count += 1
        future = loop.create_future()
        self._waiting.setdefault(model, []).append((inputs, future))
        return future

    def _run(self) -> None:
        waiting, self._waiting, self._count = self._waiting, {}, 0
        for model, requests in waiting.items():
            open_ = [(inputs, future) for inputs, future in requests if not future.done()]
            try:
                predictions = model.runtime.predict_rows([inputs for inputs, _ in open_])
            except Exception as error:  # noqa: BLE001 - each request raises it
                for _, future in open_:
                    future.set_exception(error)
            else:
                for (_, future), prediction in zip(open_, predictions, strict=True):
                    future.set_result(prediction)
