"""One computation for the requests that came in the same turn of the event loop.

Nobody waits for a timer: what is there when the loop has turned is one batch. Sixteen connections
ask a model once instead of sixteen times. A turn costs a call of the system, more than some models
take: where requests have come one at a time lately, the next is answered without it.
"""

import asyncio
from typing import Any

import numpy as np

from serving.model import Model

MAX_BATCH = 32
LONELY_TURNS = 8  # in a row, each with one request; then the next one is answered at once


class Batches:
    """The requests that wait for the turn of the loop, by the model that they ask."""

    def __init__(self):
        self.waiting: dict[tuple, list[tuple[Any, asyncio.Future]]] = {}
        self.asked = 0  # in this turn
        self.lonely = 0  # turns of one request, up to this one

    def answer(self, model: Model, thing: Any) -> asyncio.Future:
        """Return a future of the answer to one raw input; it raises what `Model.answers` does.

        thing: as in a list, or one of an array, that `Model.answers` takes.
        """
        loop = asyncio.get_running_loop()
        if self.asked == 0:
            loop.call_soon(self._turn)
        self.asked += 1
        future = loop.create_future()
        if self.lonely >= LONELY_TURNS:
            _settle(model, [(thing, future)])
        else:
            alike = model, thing.shape if isinstance(thing, np.ndarray) else None
            self.waiting.setdefault(alike, []).append((thing, future))
        return future

    def _turn(self) -> None:
        self.lonely = self.lonely + 1 if self.asked == 1 else 0
        self.asked = 0
        waiting, self.waiting = self.waiting, {}
        for (model, _), asked in waiting.items():
            asked = [one for one in asked if not one[1].cancelled()]
            for start in range(0, len(asked), MAX_BATCH):
                _settle(model, asked[start : start + MAX_BATCH])


def _settle(model: Model, asked: list[tuple[Any, asyncio.Future]]) -> None:
    things = [thing for thing, _ in asked]
    try:
        answers = model.answers(np.stack(things) if isinstance(things[0], np.ndarray) else things)
    except Exception as error:
        if len(asked) == 1:
            asked[0][1].set_exception(error)
            return
        # What is wrong with one must not be told to the others.
        for one in asked:
            _settle(model, [one])
        return
    for (_, future), answer in zip(asked, answers, strict=True):
        future.set_result(answer)
