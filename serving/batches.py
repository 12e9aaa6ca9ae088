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
LONELY_TURNS = 4  # with one request each, in a row: then some are answered at once
AT_ONCE = 16  # of them, before one waits for the turn to see whether others come with it


class Batches:
    """The requests that wait for the turn of the loop, by the model that they ask."""

    def __init__(self):
        self.waiting: dict[tuple, list[tuple[Any, asyncio.Future]]] = {}
        self.lonely_turns = 0
        self.at_once = 0  # how many more need not wait

    def answer(self, model: Model, thing: Any) -> asyncio.Future:
        """Return a future of the answer to one raw input; it raises what `Model.answers` does.

        thing: as in a list, or one of an array, that `Model.answers` takes.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if self.at_once and not self.waiting:
            self.at_once -= 1
            _settle(model, [(thing, future)])
            return future
        if not self.waiting:
            loop.call_soon(self._turn)
        alike = model, thing.shape if isinstance(thing, np.ndarray) else None
        self.waiting.setdefault(alike, []).append((thing, future))
        return future

    def _turn(self) -> None:
        waiting, self.waiting = self.waiting, {}
        alone = sum(map(len, waiting.values())) == 1
        self.lonely_turns = self.lonely_turns + 1 if alone else 0
        self.at_once = AT_ONCE if self.lonely_turns >= LONELY_TURNS else 0
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
