"""One computation for the requests that came in the same turn of the event loop.

Nobody waits for a timer or for a turn: it is known how many came together, and the last of them to
ask a model has all of them answered. Sixteen connections ask a model once instead of sixteen times.
"""

import asyncio
from typing import Any

import numpy as np

from serving.http.crowd import Crowd
from serving.inference.loaded_model import Model

MAX_BATCH = 32


class Batches:
    """The requests that wait for the others that came with them, by the model that they ask."""

    def __init__(self, crowd: Crowd):
        self.crowd = crowd
        self.waiting: dict[tuple, list[tuple[Any, asyncio.Future]]] = {}
        self.count = 0

    def answer(self, model: Model, thing: Any) -> asyncio.Future:
        """Return a future of the answer to one raw input; it raises what `Model.answers` does.

        thing: as in a list, or one of an array, that `Model.answers` takes.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        alike = model, thing.shape if isinstance(thing, np.ndarray) else None
        self.waiting.setdefault(alike, []).append((thing, future))
        self.count += 1
        if self.count >= self.crowd.taken_in:
            self._settle()
        elif self.count == 1:  # some may ask no model, or have not sent all they will
            loop.call_soon(self._settle)
        return future

    def _settle(self) -> None:
        waiting, self.waiting, self.count = self.waiting, {}, 0
        for (model, _), asked in waiting.items():
            asked = [one for one in asked if not one[1].cancelled()]
            for start in range(0, len(asked), MAX_BATCH):
                _answer(model, asked[start : start + MAX_BATCH])


def _answer(model: Model, asked: list[tuple[Any, asyncio.Future]]) -> None:
    things = [thing for thing, _ in asked]
    try:
        answers = model.answers(np.stack(things) if isinstance(things[0], np.ndarray) else things)
    except Exception as error:
        if len(asked) == 1:
            asked[0][1].set_exception(error)
            return
        # What is wrong with one must not be told to the others.
        for one in asked:
            _answer(model, [one])
        return
    for (_, future), answer in zip(asked, answers, strict=True):
        future.set_result(answer)
