"""Requests of the same turn of the event loop are computed at once, and do not meet each other."""

import asyncio
import base64

import numpy as np
import pytest
import tiny

from models.artifact import artifact
from models.inputs.errors import InputError
from serving.champions.loading import load
from serving.inference.micro_batching import ALONE_TURNS, MAX_BATCH, Batches


@pytest.fixture(params=tiny.REQUESTS)
def model(request, tmp_path):
    tiny.publish(tmp_path, request.param)
    return load(tmp_path / "published" / f"{request.param}.json", request.param)


def asked(*of_whom) -> list:
    """What each future of `Batches.answer`, all asked for in one turn, became."""

    async def ask() -> list:
        batches = Batches()
        futures = [batches.answer(model, thing) for model, thing in of_whom]
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(ask())


def thing_of(model):
    task = model.manifest["task"]
    return artifact.payload(tiny.REQUESTS[task][0])[0]


def test_a_batch_is_answered_as_each_alone(model):
    thing = thing_of(model)
    (alone,) = model.predict([thing])
    for answer in asked(*[(model, thing)] * (2 * MAX_BATCH + 1)):
        assert artifact.agree(model.inputs, alone, answer)


def test_what_is_wrong_with_one_is_told_to_that_one_alone(model):
    thing = thing_of(model)
    wrong = [b"no picture"] if model.inputs.kind == "image" else [None]
    before, error, after = asked((model, thing), (model, wrong[0]), (model, thing))
    assert isinstance(error, InputError)
    with pytest.raises(InputError) as expected:
        model.predict(wrong)
    assert str(error) == str(expected.value)
    assert before.keys() == after.keys() == model.predict([thing])[0].keys()


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
        model.predict(things)[0]["probabilities"]
        for things in ([picture], pixels[None])
        for model in models
    ]
    for answer, probabilities in zip(told, expected, strict=True):
        assert answer["probabilities"] == pytest.approx(probabilities, abs=1e-6)
    assert told[0]["probabilities"] != told[1]["probabilities"]


def test_who_gave_up_is_left_out(model):
    thing = thing_of(model)

    async def ask():
        batches = Batches()
        gone, stays = (batches.answer(model, thing) for _ in range(2))
        gone.cancel()
        return await stays, gone.cancelled()

    answer, cancelled = asyncio.run(ask())
    assert cancelled
    assert answer == model.predict([thing])[0]


@pytest.fixture
def sizes(model, monkeypatch) -> list[int]:
    """The sizes of the batches that the model has answered."""
    sizes, answers = [], type(model).predict

    def counted(model, values, measured) -> list[dict]:
        sizes.append(len(values))
        return answers(model, values, measured)

    monkeypatch.setattr(type(model), "predict", counted)
    return sizes


def test_requests_of_one_turn_are_one_computation(model, sizes):
    async def turns() -> None:
        batches = Batches()
        for count in (16, 1, MAX_BATCH + 3):
            rows = [batches.answer(model, thing_of(model)) for _ in range(count)]
            assert not any(row.done() for row in rows)
            await asyncio.gather(*rows)

    asyncio.run(turns())
    assert sizes == [16, 1, MAX_BATCH, 3]


def test_a_request_that_is_alone_does_not_wait_for_the_next_turn(model, sizes):
    async def turns() -> None:
        batches = Batches()
        for _ in range(ALONE_TURNS + 1):
            row = batches.answer(model, thing_of(model))
            at_once = row.done()
            await row
            await asyncio.sleep(0)
        assert at_once
        for first_at_once in (True, False):  # until others come with it
            rows = [batches.answer(model, thing_of(model)) for _ in range(3)]
            assert [row.done() for row in rows] == [first_at_once, False, False]
            await asyncio.gather(*rows)

    asyncio.run(turns())
    assert sizes == [1] * (ALONE_TURNS + 2) + [2, 3]
