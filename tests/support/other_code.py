"""Code that is not that which a model was fitted with: a name, and a patch of `models.inputs`.

Another tokenizer, resize or scaler, as it may stand in two places of a careless project.
"""

import re

import numpy as np
from PIL import Image

from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs, words_of


def _inputs(kind, change):
    """Another `to_tensor`, which changes the raw inputs; change: of the fitted inputs and one."""
    before = kind.to_tensor
    return lambda patch: patch.setattr(
        kind, "to_tensor", lambda one, x: before(one, [change(one, part) for part in x])
    )


def _tensor(kind, change):
    """Another `to_tensor`, which changes the tensor."""
    before = kind.to_tensor
    return lambda patch: patch.setattr(kind, "to_tensor", lambda one, x: change(before(one, x)))


def _method(kind, name: str, other):
    return lambda patch: patch.setattr(kind, name, other)


def _resampled(name: str):
    before, kind = Image.Image.resize, getattr(Image.Resampling, name)
    return _method(Image.Image, "resize", lambda one, size, *_, **more: before(one, size, kind))


TOKENIZERS = {
    "signs join words": _inputs(TextInputs, lambda _, text: re.sub(r"[^\w\s<>]", "", text)),
    "letters only": _inputs(TextInputs, lambda _, text: " ".join(re.findall(r"[a-z]+", text))),
    "the first words count": _inputs(
        TextInputs, lambda one, text: " ".join(words_of(text)[: one.length])
    ),
    "unknown words are left out": _tensor(TextInputs, lambda ids: np.where(ids == 1, 0, ids)),
    "every id one more": _tensor(TextInputs, lambda ids: ids + np.int32(1)),
}
RESIZES = {
    **{name: _resampled(name) for name in ("NEAREST", "BOX", "HAMMING", "BICUBIC", "LANCZOS")},
    "by 256": _tensor(ImageInputs, lambda pixels: pixels * np.float32(255 / 256)),
    "not scaled": _tensor(ImageInputs, lambda pixels: pixels * np.float32(255)),
    "about 0": _tensor(ImageInputs, lambda pixels: pixels * 2 - 1),
    "inverted": _tensor(ImageInputs, lambda pixels: 1 - pixels),
    "columns first": _tensor(ImageInputs, lambda pixels: pixels.transpose(0, 2, 1, 3)),
    "upside down": _tensor(ImageInputs, lambda pixels: pixels[:, ::-1]),
    "a pixel to the right": _tensor(ImageInputs, lambda pixels: np.roll(pixels, 1, axis=2)),
}
SCALERS = {
    "the first values count": _inputs(SeriesInputs, lambda one, part: part[: one.history]),
    "backwards": _tensor(SeriesInputs, lambda values: values[:, ::-1]),
    "scaled by itself": _tensor(SeriesInputs, lambda values: values - values.mean()),
    "a step late": _tensor(SeriesInputs, lambda values: np.roll(values, 1, axis=1)),
    "half precision": _tensor(
        SeriesInputs, lambda values: values.astype(np.float16).astype(np.float32)
    ),
    "not scaled back": _method(
        SeriesInputs, "unscaled", lambda one, outputs, histories: np.asarray(outputs, np.float64)
    ),
    "intervals not scaled back": _method(
        SeriesInputs, "radius", lambda one, level, histories, strain: one.scaled_radius(level)
    ),
    "the next level": _method(SeriesInputs, "_row", lambda one, level: round(level * 1000) - 2),
}
CODE = {"sentiment": TOKENIZERS, "image": RESIZES, "forecast": SCALERS}
