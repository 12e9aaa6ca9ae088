"""Code that is not that which a model was fitted with: a name, and a patch of `models.inputs`.

Another tokenizer, resize or scaler, as it may stand in two places of a careless project.
"""

import numpy as np
from PIL import Image

from models.inputs import images as image_code
from models.inputs import texts as code
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs


def _tokenised(change):
    """Another `words_of`."""

    def mutate(patch) -> None:
        patch.setattr(code, "words_of", change)
        patch.setattr(code, "_remembered", change)

    return mutate


def _translated(text: str, table) -> list[str]:
    return code._TAG.sub(" ", text).lower().translate(table).split()


def _tensor_of(kind, change):
    """Another `to_tensor`, which does something to what goes in or comes out."""
    before = kind.to_tensor
    return lambda patch: patch.setattr(kind, "to_tensor", lambda one, x: change(one, before, x))


def _kept(text: str, count: int) -> str:
    return " ".join(code.words_of(text)[:count])


APOSTROPHES = code._TABLE | {ord(one): " " for one in "'’‘"}
SPLIT_AT_SPACES = dict.fromkeys(code._TABLE, None) | {ord("\n"): " "}
TOKENIZERS = {
    "no lower case": _tokenised(
        lambda text: code._TAG.sub(" ", text).translate(code._TABLE).split()
    ),
    "tags are read": _tokenised(lambda text: text.lower().translate(code._TABLE).split()),
    "signs are kept": _tokenised(lambda text: code._TAG.sub(" ", text).lower().split()),
    "signs join words": _tokenised(lambda text: _translated(text, SPLIT_AT_SPACES)),
    "an apostrophe splits": _tokenised(lambda text: _translated(text, APOSTROPHES)),
    "letters only": _tokenised(lambda text: code.re.findall(r"[a-z]+", text.lower())),
    "the first words count": _tensor_of(
        TextInputs, lambda one, before, x: before(one, [_kept(text, one.length) for text in x])
    ),
    "unknown words are left out": _tensor_of(
        TextInputs, lambda one, before, x: np.where((ids := before(one, x)) == 1, 0, ids)
    ),
    "every id one more": _tensor_of(
        TextInputs, lambda one, before, x: before(one, x) + np.int32(1)
    ),
}


def _resampled(name: str):
    before = Image.Image.resize
    kind = getattr(Image.Resampling, name)
    return lambda patch: patch.setattr(
        Image.Image, "resize", lambda one, size, *_, **more: before(one, size, kind)
    )


def _mean_of_colours(before):
    def convert(one, mode, *more, **options):
        if mode == "L" and one.mode == "RGB":
            return Image.fromarray(np.asarray(one).mean(axis=2).astype(np.uint8))
        return before(one, mode, *more, **options)

    return convert


def _over_black(before):
    return lambda mode, size, colour=0: before(mode, size, "black")


RESIZES = {
    **{
        name.lower(): _resampled(name)
        for name in ("NEAREST", "BOX", "HAMMING", "BICUBIC", "LANCZOS")
    },
    "grey is the mean": lambda patch: patch.setattr(
        Image.Image, "convert", _mean_of_colours(Image.Image.convert)
    ),
    "over black": lambda patch: patch.setattr(image_code.Image, "new", _over_black(Image.new)),
    "never turned": lambda patch: patch.setattr(image_code, "_TURNS", {}),
    "by 256": _tensor_of(
        ImageInputs, lambda one, before, x: before(one, x) * np.float32(255 / 256)
    ),
    "not scaled": _tensor_of(ImageInputs, lambda one, before, x: before(one, x) * np.float32(255)),
    "about 0": _tensor_of(ImageInputs, lambda one, before, x: before(one, x) * 2 - 1),
    "inverted": _tensor_of(ImageInputs, lambda one, before, x: 1 - before(one, x)),
    "columns first": _tensor_of(
        ImageInputs, lambda one, before, x: before(one, x).transpose(0, 2, 1, 3)
    ),
    "upside down": _tensor_of(ImageInputs, lambda one, before, x: before(one, x)[:, ::-1]),
    "a pixel to the right": _tensor_of(
        ImageInputs, lambda one, before, x: np.roll(before(one, x), 1, axis=2)
    ),
}

SCALERS = {
    "the first values count": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, [part[: one.history] for part in x])
    ),
    "backwards": _tensor_of(SeriesInputs, lambda one, before, x: before(one, x)[:, ::-1]),
    "scaled by itself": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, x) - before(one, x).mean()
    ),
    "a step late": _tensor_of(
        SeriesInputs, lambda one, before, x: np.roll(before(one, x), 1, axis=1)
    ),
    "half precision": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, x).astype(np.float16).astype(np.float32)
    ),
    "not scaled back": lambda patch: patch.setattr(
        SeriesInputs, "unscaled", lambda one, outputs: np.asarray(outputs, np.float64)
    ),
    "intervals not scaled back": lambda patch: patch.setattr(
        SeriesInputs, "radius", lambda one, level: one.radii[round(level * 1000) - 1]
    ),
    "the next level": lambda patch: patch.setattr(
        SeriesInputs, "radius", lambda one, level: one.radii[round(level * 1000) - 2] * one.scale
    ),
}
CODE = {"sentiment": TOKENIZERS, "image": RESIZES, "forecast": SCALERS}
