"""Single features that might leak a label: numbers and marks of texts, of pictures and their files.

The order of the rows in the source is none of them: a source may well be sorted by label, and the
splits are not.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from models.examples import Split
from models.inputs.images import ImageInputs
from models.inputs.texts import words_of

BINS = 32
SIDE = 32  # larger pictures are made this small, in pixels a side
FRAME = 8  # the side of a picture is as many times as long as its frame is wide
FEW_ROWS = 5_000  # of the training split choose the most predictive pixel


class Number(NamedTuple):
    """One number of each row of two splits, (row,)."""

    name: str
    training: np.ndarray
    validation: np.ndarray


class Marks(NamedTuple):
    """What a row may bear: the names, and which row of training bears which."""

    names: Sequence[str]
    borne: Any  # int32 sparse (row, mark), 1 where it does


def extract(training: Split, validation: Split, task: str) -> tuple[list[Number], Marks | None]:
    """Return the numbers and the marks of texts or pictures; of pixels there are no marks."""
    splits = training, validation
    place = Number("the place in the split", *(np.linspace(0, 1, len(s["label"])) for s in splits))
    if task == "sentiment":
        numbers, words = _of_texts(training, validation)
        return [place, *numbers], words
    numbers, marks = _of_images(training, validation)
    return [place, *numbers], marks


def edges(numbers: np.ndarray) -> np.ndarray:
    """Return the upper ends of bins with equal shares of the rows, or with one value each."""
    distinct = np.unique(numbers)
    if len(distinct) <= BINS:
        return distinct[:-1]
    return np.unique(np.quantile(numbers, np.arange(1, BINS) / BINS))


def counts(numbers: np.ndarray, labels: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return how often each label stands in each bin, int64 (bin, label).

    ends: of the bins, as `edges` returns them.
    """
    classes = labels.max() + 1
    cells = np.searchsorted(ends, numbers) * classes + labels
    return np.bincount(cells, minlength=(len(ends) + 1) * classes).reshape(-1, classes)


def _of_texts(training: Split, validation: Split) -> tuple[list[Number], Marks]:
    from sklearn.feature_extraction.text import CountVectorizer

    texts = training["text"], validation["text"]
    vectorizer = CountVectorizer(analyzer=words_of, binary=True, dtype=np.int32)
    borne = vectorizer.fit_transform(texts[0])
    words = vectorizer.get_feature_names_out()
    best = str(words[_most_predictive_word(borne, training["label"])])
    features = {
        "the number of characters": len,
        "the number of words": lambda text: len(text.split()),
        "the share of capitals": lambda text: sum(map(str.isupper, text)) / max(len(text), 1),
        f"the word {best!r}": lambda text: best in words_of(text),
    }
    numbers = [
        Number(name, *(np.array([*map(feature, part)], float) for part in texts))
        for name, feature in features.items()
    ]
    return numbers, Marks(words, borne)


def _most_predictive_word(borne: Any, labels: np.ndarray) -> int:
    """Return the word whose presence or absence predicts most labels of the training split."""
    onehot = np.eye(labels.max() + 1)[labels]
    present = borne.T @ onehot  # (word, label)
    absent = onehot.sum(axis=0) - present
    return int((present.max(axis=1) + absent.max(axis=1)).argmax())


def _of_images(training: Split, validation: Split) -> tuple[list[Number], Marks | None]:
    from sklearn.feature_extraction.text import CountVectorizer

    images = training["image"], validation["image"]
    small = [_small(part) for part in images]
    frames = [_frames(part) for part in small]
    best = _most_predictive_pixel(frames[0], training["label"])
    numbers = [
        Number("the mean brightness", *(part.mean(axis=(1, 2, 3)) for part in small)),
        Number("one pixel of the frame", *(part[:, best] for part in frames)),
    ]
    if images[0].dtype == np.uint8:
        return numbers, None
    headers = [np.array([*map(_header, part)], object) for part in images]
    numbers += [
        Number("the file's size", *(np.array([*map(len, part)]) for part in images)),
        Number("the width", *(part[:, 1].astype(int) for part in headers)),
        Number("the height", *(part[:, 2].astype(int) for part in headers)),
    ]
    vectorizer = CountVectorizer(analyzer=sorted, binary=True, dtype=np.int32)
    borne = vectorizer.fit_transform(
        {kind, f"{width} x {height} pixels"} for kind, width, height in headers[0]
    )
    return numbers, Marks(vectorizer.get_feature_names_out(), borne)


def _small(images: np.ndarray) -> np.ndarray:
    """Return float32 (picture, height, width, channels) of at most 32 x 32 pixels."""
    encoded = images.dtype != np.uint8
    height, width = (SIDE, SIDE) if encoded else np.minimum(images.shape[1:3], SIDE)
    channels = 3 if encoded else images.shape[-1]
    return ImageInputs(height, width, channels, ()).to_tensor(images)


def _most_predictive_pixel(pixels: np.ndarray, labels: np.ndarray) -> int:
    """Return the value that predicts most labels of the training split, (picture, value)."""
    chosen = np.random.default_rng(0).permutation(len(labels))[:FEW_ROWS]
    pixels, labels = pixels[chosen], labels[chosen]
    right = [counts(one, labels, edges(one)).max(axis=1).sum() for one in pixels.T]
    return int(np.argmax(right))


def _frames(pixels: np.ndarray) -> np.ndarray:
    """Return the values of the outermost pixels, (picture, value): content stands in the middle,
    where one pixel may well tell a nought from a one, and a mark or a stamp at the side."""
    height, width = pixels.shape[1:3]
    inner = np.zeros((height, width), bool)
    inner[height // FRAME : -(height // FRAME), width // FRAME : -(width // FRAME)] = True
    return pixels[:, ~inner].reshape(len(pixels), -1)


def _header(data: bytes) -> tuple[str, int, int]:
    """Return a picture file's format and mode, its width and its height."""
    with Image.open(io.BytesIO(data)) as picture:
        return f"{picture.format} {picture.mode}", *picture.size
