"""Have a model answer a request of any protocol, and log the answer."""

from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request

from serving.inference.executor import SHORT_SECONDS
from serving.inference.loaded_model import Model


async def predict(
    request: Request,
    model: Model,
    task: str,
    inputs: list[Any] | np.ndarray,
    seconds: float,
    **options: Any,
) -> list[dict[str, Any]]:
    """Return the model's answers, one for each input; the answers or the error are logged.

    Args:
        request: the request that the log names.
        model: the champion that answers.
        task: the task of `model`.
        inputs: raw inputs, as `Model.answers` takes them.
        seconds: the estimated computing time.
        options: of a forecast: horizon and level.

    Raises:
        InputError: an input cannot be answered.
        Problem: 429, too much work is waiting.
    """
    state = request.app.state
    try:
        if len(inputs) == 1 and seconds <= SHORT_SECONDS and not options:
            answers = [await state.batches.answer(model, inputs[0])]
        else:
            answers = await state.work.do(seconds, partial(model.answers, inputs, **options))
    except Exception as error:
        state.log.record(request, model, task, inputs, error)
        raise
    state.log.record(request, model, task, inputs, answers)
    return answers
