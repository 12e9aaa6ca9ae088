"""One computation for the requests that came in the same turn of the event loop.

Nobody waits for a timer: all requests of a turn begin before the next one, in which their models
are asked. Sixteen connections ask a model once instead of sixteen times. While requests come one
at a time, each is answered in its own turn: to wait for the next costs a tenth of a short answer.
"""

import asyncio
from typing import Any

import numpy as np

from serving.inference.loaded_model import Model

MAX_BATCH = 32
ALONE_TURNS = 16  # with one request each, after which the next is expected to be alone too

Waiting = list[tuple[Any, asyncio.Future]]  # a raw input, and the future of its answer


class Batches:
    """The raw inputs of this turn, by the model and the shape of the input.

    Args:
        measured: Whether the answers hold the signals of their inputs, for the request log.
    """

    def __init__(self, measured: bool = False) -> None:
        self.measured = measured
        self.waiting: dict[tuple[Model, tuple[int, ...] | None], Waiting] = {}
        self.requests = 0  # of this turn
        self.turns_alone = 0

    def answer(self, model: Model, value: Any) -> asyncio.Future:
        """Return a future of the answer to one raw input; it raises what `Model.predict` does.

        Args:
            model: The model.
            value: One row of what `Model.predict` takes.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.requests += 1
        if self.requests == 1:
            loop.call_soon(self._end_turn)
            if self.turns_alone >= ALONE_TURNS:
                _compute(model, [(value, future)], self.measured)
                return future
        key = model, value.shape if isinstance(value, np.ndarray) else None
        self.waiting.setdefault(key, []).append((value, future))
        return future

    def _end_turn(self) -> None:
        self.turns_alone = self.turns_alone + 1 if self.requests == 1 else 0
        self.requests = 0
        waiting, self.waiting = self.waiting, {}
        for (model, _), rows in waiting.items():
            rows = [row for row in rows if not row[1].cancelled()]
            for start in range(0, len(rows), MAX_BATCH):
                _compute(model, rows[start : start + MAX_BATCH], self.measured)


def _compute(model: Model, rows: Waiting, measured: bool) -> None:
    values: Any = [value for value, _ in rows]
    if isinstance(values[0], np.ndarray):
        values = np.stack(values)
    try:
        answers = model.predict(values, len(values) if measured else 0)
    except Exception as error:
        if len(rows) == 1:
            rows[0][1].set_exception(error)
            return
        # The error of one must not reach the others.
        for row in rows:
            _compute(model, [row], measured)
        return
    for (_, future), answer in zip(rows, answers, strict=True):
        future.set_result(answer)
