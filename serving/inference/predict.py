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
    inputs: list | np.ndarray,
    seconds: float,
    **options: Any,
) -> list[dict]:
    """Return the model's answers, one for each input; they, or what went wrong, are logged.

    Args:
        request: The request.
        model: The model that answers.
        task: Its task.
        inputs: Raw inputs, as `Model.predict` takes them.
        seconds: About how long it will take.
        options: Those of a forecast: horizon, level.

    Raises:
        InputError: An input is against a rule.
        Problem: 429, too much long work is waiting.
    """
    state = request.app.state
    try:
        if len(inputs) == 1 and seconds <= SHORT_SECONDS and not options:
            answers = [await state.batches.answer(model, inputs[0])]
        else:
            answers = await state.executor.run(seconds, partial(model.predict, inputs, **options))
    except Exception as error:
        state.log.record(request, model, task, inputs, error)
        raise
    state.log.record(request, model, task, inputs, answers)
    return answers
