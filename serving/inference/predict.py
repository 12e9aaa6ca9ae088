"""Having a model answer a request, whichever way it came in."""

from functools import partial

import numpy as np
from starlette.requests import Request

from serving.inference.executor import SHORT_SECONDS
from serving.inference.loaded_model import Model


async def predict(
    request: Request,
    model: Model,
    task: str,
    things: list | np.ndarray,
    seconds: float,
    **options,
) -> list[dict]:
    """Return the model's answers, one for each thing; they, or what went wrong, are logged.

    seconds: about how long it will take. options: of a forecast.
    Raises InputError, and Problem 429.
    """
    state = request.app.state
    try:
        if len(things) == 1 and seconds <= SHORT_SECONDS and not options:
            answered = [await state.batches.answer(model, things[0])]
        else:
            answered = await state.executor.run(seconds, partial(model.answers, things, **options))
    except Exception as error:
        state.log.record(request, model, task, things, error)
        raise
    state.log.record(request, model, task, things, answered)
    return answered
