"""The signature of a model in the Open Inference Protocol: one raw input, several outputs.

Inputs are raw, as the endpoints under /v1 take them: a model carries its preprocessing.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from models.inputs.errors import InputError, shown
from models.inputs.images import ImageInputs
from models.inputs.series import MAX_HISTORY, MAX_SCALES, SeriesInputs
from models.inputs.texts import TextInputs
from serving.http import image_header
from serving.http.errors import Problem
from serving.inference import cost
from serving.inference.loaded_model import Model

MAX_BATCH = 256
MAX_PICTURES = 8  # encoded ones: each may have 16 million pixels
DATATYPES = {
    "probabilities": "FP32", "label": "BYTES", "score": "FP32",
    "forecast": "FP64", "lower": "FP64", "upper": "FP64",
    "familiar": "BOOL", "familiarity": "FP32",
}  # fmt: skip


class Form(NamedTuple):
    """One datatype in which an input may be sent."""

    shape: tuple[int, ...]  # -1 is any size up to that in `most`; the first is the batch
    most: tuple[int, ...]
    read: Callable[..., np.ndarray | list[Any]]  # from values to what `Model.predict` takes


class Signature(NamedTuple):
    """The input of a model, and the names of its outputs, the most important first."""

    name: str
    description: str
    forms: dict[str, Form]  # by datatype; metadata names the first
    outputs: tuple[str, ...]


def signature(model: Model) -> Signature:
    """Return the signature of a loaded model."""
    inputs, familiar = model.inputs, ("familiar", "familiarity") if model.guard else ()
    if isinstance(inputs, ImageInputs):
        size = (inputs.height, inputs.width, inputs.channels)
        pixels = Form((-1, *size), (MAX_BATCH, *size), _pixels)
        files = Form((-1,), (MAX_PICTURES,), _files)
        description = (
            "Raw pixels, whole numbers from 0 to 255, row by row from the top left; as FP32 too. "
            f"Or, as BYTES [n] in binary data, up to {MAX_PICTURES} PNG, JPEG or WebP files."
        )
        forms = {"UINT8": pixels, "FP32": pixels, "BYTES": files}
        return Signature("image", description, forms, ("probabilities", "label", *familiar))
    if isinstance(inputs, TextInputs):
        forms = {"BYTES": Form((-1,), (MAX_BATCH,), _texts)}
        score = () if inputs.scored is None else ("score",)
        outputs = ("probabilities", "label", *score, *familiar)
        return Signature("text", "Texts, in UTF-8.", forms, outputs)
    values = Form((-1, -1), (MAX_BATCH, MAX_HISTORY), _histories)
    description = (
        "Histories at the regular interval, as FP32 too. The model reads the last values. "
        'The parameters "horizon" and "level" are those of /v1/forecast.'
    )
    outputs = ("forecast", "lower", "upper", *familiar)
    return Signature("history", description, {"FP64": values, "FP32": values}, outputs)


def check_shape(shape: list[int], datatype: str, form: Form) -> list[int]:
    """Return the shape of an input in `form`; raises Problem 422."""
    # Some clients send texts as a column.
    if not (_fits(shape, form.shape) or (datatype == "BYTES" and _fits(shape, (-1, 1)))):
        sizes = ", ".join("n" if size < 0 else str(size) for size in form.shape)
        message = f"{datatype} must have the shape [{sizes}], not {shape}."
        raise Problem(422, "invalid_shape", message)
    if any(size > most for size, most in zip(shape, form.most, strict=False)):
        message = f"{datatype} may have the shape {list(form.most)} at most, not {shape}."
        raise Problem(422, "tensor_too_large", message)
    return shape


def seconds(model: Model, inputs: np.ndarray | list[Any]) -> float:
    """Return the estimated seconds of computing in which `model` answers `inputs`."""
    if isinstance(model.inputs, SeriesInputs):
        return (len(inputs) + cost.of_pasts(model.inputs, inputs)) * model.seconds
    reading = 0.0
    if isinstance(inputs, list):
        encoded = model.inputs.kind == "image"
        reading = sum(map(cost.of_picture, inputs)) if encoded else cost.of_texts(inputs)
    return len(inputs) * model.seconds + reading


def column(answers: list[dict[str, Any]], name: str) -> tuple[list[int], list[Any]]:
    """Return the shape and the elements of one output."""
    values = [answer[name] for answer in answers]
    if isinstance(values[0], dict):
        values = [list(value.values()) for value in values]
    if not isinstance(values[0], list):
        return [len(values)], values
    return [len(values), len(values[0])], list(chain.from_iterable(values))


def _pixels(inputs: ImageInputs, values: np.ndarray) -> np.ndarray:
    """Return uint8 of numbers that must be pixels already: nothing is rounded or scaled."""
    if values.dtype == np.uint8:
        return values
    with np.errstate(invalid="ignore"):  # NaN becomes a number, which it is not equal to
        pixels = values.astype(np.uint8)
    if (pixels != values).any():
        received = shown(float(values[pixels != values][0]))
        message = f"A pixel is a whole number from 0 to 255, not {received}."
        raise InputError("invalid_pixel", message)
    return pixels


def _files(inputs: ImageInputs, values: list[Any]) -> list[bytes]:
    if not isinstance(values[0], bytes):
        message = "The file of a picture is taken as binary data only; JSON may hold its pixels."
        raise InputError("not_binary", message)
    for picture in values:
        image_header.check(picture)
    return values


def _texts(inputs: TextInputs, values: list[Any]) -> list[Any]:
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError:
        raise InputError("not_a_text", "The texts must be in UTF-8.") from None


def _histories(inputs: SeriesInputs, values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    away = MAX_SCALES * inputs.scale
    # NaN is not between any two numbers.
    good = ((values >= inputs.mean - away) & (values <= inputs.mean + away)).all(axis=1)
    if values.shape[1] < inputs.history or not good.all():
        inputs.to_tensor([values[np.argmin(good)].tolist()])  # raises the error of the first
    return values


def _fits(shape: list[int], expected: tuple[int, ...]) -> bool:
    sizes = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(want in (size, -1) for size, want in sizes)
