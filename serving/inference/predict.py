"""From a request's inputs to answers: the champion's, or those of a challenger on trial."""

from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request

from serving.http.errors import Problem
from serving.http.request_id import REQUEST_ID
from serving.inference.executor import SHORT_SECONDS
from serving.inference.loaded_model import SIGNALS, TENSOR, Model
from serving.inference.trial import Answered, Challenger, now

SESSION = "X-Session"  # whoever sends it is answered by the same of the two, while a trial lasts


async def predict(
    request: Request,
    model: Model,
    task: str,
    inputs: list | np.ndarray,
    seconds: float,
    *,
    pinned: bool = False,
    **options: Any,
) -> tuple[list[dict], Model]:
    """Return answers, one for each input, and whose they are; they, or what went wrong, are logged.

    Args:
        request: The request.
        model, task: The champion, and its task.
        inputs: Raw inputs, as `Model.predict` takes them.
        seconds: About how long it will take.
        pinned: Whether the request names the champion's version, so that no other may answer.
        options: Those of a forecast: horizon, level.

    Raises:
        InputError: An input is against a rule.
        Problem: 429, too much long work is waiting.
    """
    state, failure = request.app.state, None
    challenger: Challenger | None = state.champions.challenger(model)
    if challenger and not pinned and challenger.answers(_key(request)):
        given = await _by_canary(request, challenger, task, inputs, seconds, options)
        if not isinstance(given, Exception):
            return given, challenger.model
        failure = given
    try:
        answers, measures, tensor = await _answers(state, model, inputs, seconds, options)
    except Exception as error:
        state.log.record(request, model, task, inputs, error)
        raise
    record = partial(state.log.record, request, model, task, inputs, answers, signals=measures)
    if challenger and failure:
        challenger.failed(failure)
        record(challenger=(challenger.model, failure))
    elif challenger and challenger.shadows and state.log.enabled:  # else for nobody
        one = Answered(request, task, inputs, answers, options, measures, tensor, now(request))
        state.trials.shadow(challenger, one)
    else:
        record()
    return answers, model


async def _by_canary(
    request: Request,
    challenger: Challenger,
    task: str,
    inputs: list | np.ndarray,
    seconds: float,
    options: dict[str, Any],
) -> list[dict] | Exception:
    """Return the challenger's answers, which are logged, or what went wrong with it."""
    state = request.app.state
    ours, theirs = challenger.model.seconds, challenger.champion.seconds
    if ours > theirs > 0:  # what is short work for the champion may be long work for it
        seconds *= ours / theirs
    try:
        answers, measures, tensor = await _answers(
            state, challenger.model, inputs, seconds, options
        )
    except Problem as error:  # there is no room, whoever is asked
        state.log.record(request, challenger.model, task, inputs, error)
        raise
    except Exception as error:
        return error
    one = Answered(request, task, inputs, answers, options, measures, tensor, now(request))
    state.trials.answered(challenger, one)
    return answers


async def _answers(
    state: Any, model: Model, inputs: list | np.ndarray, seconds: float, options: dict[str, Any]
) -> tuple[list[dict], dict[str, float] | None, np.ndarray | None]:
    """Return the answers, what was measured of the first input, and of a single one what was read:
    both where requests are logged."""
    if len(inputs) == 1 and seconds <= SHORT_SECONDS and not options:
        answers = [await state.batches.answer(model, inputs[0])]
    else:
        measured = int(state.log.enabled)
        answer = partial(model.predict, inputs, measured=measured, **options)
        answers = await state.executor.run(seconds, answer)
    if not answers:
        return answers, None, None
    measures, tensor = (answers[0].pop(name, None) for name in (SIGNALS, TENSOR))
    return answers, measures, tensor if len(answers) == 1 else None


def _key(request: Request) -> str:
    return request.headers.get(SESSION) or request.scope[REQUEST_ID]
