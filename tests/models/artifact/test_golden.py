"""Golden requests can be made of whatever may be trained on, and each one can be asked."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.artifact import artifact, golden, golden_images, golden_series, golden_texts
from models.inputs.answers import predict
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs, Windows
from models.inputs.texts import TextInputs

LABELS = ("negative", "positive")


def spread(tensor: np.ndarray) -> np.ndarray:
    """Probabilities that depend on all of the input."""
    scores = np.sin(tensor.reshape(len(tensor), -1).astype(float)).mean(axis=1, keepdims=True)
    likely = 1 / (1 + np.exp(-scores))
    return np.concatenate([likely, 1 - likely], axis=1)


def pictures(count: int, channels: int, side: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, side, side, channels), np.uint8)


def entries_of(maker, inputs, run, split: dict) -> list[dict]:
    """The golden requests of a kind, which answer as they say and can be written as JSON."""

    def answers(rows, **options):
        return predict(inputs, run, rows, **options)[1]

    entries = golden.entries(inputs, run, maker.requests(inputs, run, split))
    assert artifact.replay(inputs, answers, entries) == []
    assert artifact.to_json(entries)
    return entries


@pytest.mark.parametrize("count", [1, 3, 300])
@pytest.mark.parametrize(("channels", "side"), [(1, 2), (3, 8)])
def test_of_pictures(count, channels, side):
    inputs, rows = ImageInputs(side, side, channels, LABELS), pictures(count, channels, side)
    entries = entries_of(golden_images, inputs, spread, {"image": rows})
    files = [artifact.payload(entry["request"])[0] for entry in entries]
    pictures_of = [Image.open(BytesIO(file)) for file in files]
    assert len({picture.size for picture in pictures_of}) > 1
    assert {"RGB", "RGBA", "I;16"} <= {picture.mode for picture in pictures_of}
    assert any(picture.getexif() for picture in pictures_of)


def test_of_files_the_small_ones_travel():
    rows = np.array(
        [golden_images.png(one) for side in (90, 9) for one in pictures(50, 3, side)], object
    )
    inputs = ImageInputs(9, 9, 3, LABELS)
    entries = entries_of(golden_images, inputs, spread, {"image": rows})
    assert len(artifact.to_json(entries)) < 30_000


@pytest.mark.parametrize("texts", [["good"], ["?!", "…", "a b"], ["bad film"] * 300])
@pytest.mark.parametrize("ngrams", [1, 2])
@pytest.mark.parametrize("known", [["good bad film"] * 2, ["!"]])
def test_of_texts(texts, ngrams, known):
    inputs = TextInputs.fit(known, LABELS, 50, 6, ngrams)
    entries_of(golden_texts, inputs, spread, {"text": np.array(texts, object)})


@pytest.mark.parametrize("rows", [5, 6, 500])
def test_of_series(rows):
    value = np.random.default_rng(0).normal(50, 9, rows)
    split = {
        "value": value,
        "observed": np.full(rows, True),
        "segment": np.zeros(rows, np.int64),
    }
    inputs = SeriesInputs.fit(value, 3, 2)
    inputs = inputs.calibrated(np.zeros((rows, 2)), Windows(value, value[:, None], value[:, None]))

    def run(tensor):
        return tensor[:, :2] / 2

    entries_of(golden_series, inputs, run, split)


def test_the_least_certain_rows_are_taken():
    inputs, rows = ImageInputs(4, 4, 1, LABELS), pictures(100, 1, 4)
    entries = entries_of(golden_images, inputs, spread, {"image": rows})
    certainty = [max(entry["answer"]["probabilities"].values()) for entry in entries]
    every = spread(inputs.to_tensor(rows)).max(axis=1)
    assert np.mean(certainty[1 : 1 + golden.UNCERTAIN]) < np.quantile(every, 0.2)
