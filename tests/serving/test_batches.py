"""Requests of the same turn of the event loop are computed at once, and do not meet each other."""

import asyncio
import base64

import numpy as np
import pytest
import tiny

from models.artifact import artifact
from models.inputs.errors import InputError
from serving.champions.loading import load
from serving.http.crowd import Crowd
from serving.inference.micro_batching import MAX_BATCH, Batches


@pytest.fixture(params=tiny.REQUESTS)
def model(request, tmp_path):
    tiny.publish(tmp_path, request.param)
    return load(tmp_path / "published" / f"{request.param}.json", request.param)


def asked(*of_whom) -> list:
    """What each future of `Batches.answer`, all asked for in one turn, became."""

    async def ask() -> list:
        batches = Batches(Crowd())
        batches.crowd.taken_in = len(of_whom)
        futures = [batches.answer(model, thing) for model, thing in of_whom]
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(ask())


def thing_of(model):
    task = model.manifest["task"]
    return artifact.payload(tiny.REQUESTS[task][0])[0]


def test_a_batch_is_answered_as_each_alone(model):
    thing = thing_of(model)
    (alone,) = model.answers([thing])
    for answer in asked(*[(model, thing)] * (2 * MAX_BATCH + 1)):
        assert artifact.agree(model.inputs, alone, answer)


def test_what_is_wrong_with_one_is_told_to_that_one_alone(model):
    thing = thing_of(model)
    wrong = [b"no picture"] if model.inputs.kind == "image" else [None]
    before, error, after = asked((model, thing), (model, wrong[0]), (model, thing))
    assert isinstance(error, InputError)
    with pytest.raises(InputError) as expected:
        model.answers(wrong)
    assert str(error) == str(expected.value)
    assert before.keys() == after.keys() == model.answers([thing])[0].keys()


def test_models_and_forms_do_not_mix(tmp_path):
    """A new champion beside the one that earlier requests of this turn asked; pixels and files."""
    models = []
    for seed in (0, 1):
        tiny.publish(tmp_path, "image", str(seed), seed)
        models.append(load(tmp_path / "published" / "image.json", "image"))
    picture = base64.b64decode(tiny.REQUESTS["image"][0]["image"])
    pixels = np.zeros((8, 8, 1), np.uint8)
    told = asked(*((model, thing) for thing in (picture, pixels) for model in models))
    expected = [
        model.answers(things)[0]["probabilities"]
        for things in ([picture], pixels[None])
        for model in models
    ]
    for answer, probabilities in zip(told, expected, strict=True):
        assert answer["probabilities"] == pytest.approx(probabilities, abs=1e-6)
    assert told[0]["probabilities"] != told[1]["probabilities"]


def test_who_gave_up_is_left_out(model):
    thing = thing_of(model)

    async def ask():
        batches = Batches(Crowd())
        batches.crowd.taken_in = 3
        gone, stays = (batches.answer(model, thing) for _ in range(2))
        gone.cancel()
        return await stays, gone.cancelled()

    answer, cancelled = asyncio.run(ask())
    assert cancelled
    assert answer == model.answers([thing])[0]


def test_the_last_of_those_that_came_together_has_all_of_them_answered(model):
    """Nobody waits for a turn of the loop, but for who asks no model or sends the rest later."""
    thing = thing_of(model)

    async def done(batches: Batches, came: int, ask: int) -> list[bool]:
        batches.crowd.taken_in = came
        futures = [batches.answer(model, thing) for _ in range(ask)]
        at_once = [future.done() for future in futures]
        for answer in await asyncio.gather(*futures):
            assert artifact.agree(model.inputs, model.answers([thing])[0], answer)
        return at_once

    async def ask() -> None:
        batches = Batches(Crowd())
        assert await done(batches, 1, 1) == [True]
        assert await done(batches, 3, 3) == [True] * 3
        assert await done(batches, 5, 3) == [False] * 3
        assert await done(batches, 2, 5) == [True] * 4 + [False]

    asyncio.run(ask())
