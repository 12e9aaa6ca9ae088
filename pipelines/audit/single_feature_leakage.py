"""Single features that might leak a label: numbers and marks of texts, of pictures and their files.

The order of the rows in the source is none of them: a source may well be sorted by label, and the
splits are not.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from models.examples import Split
from models.inputs.images import ImageInputs
from models.inputs.texts import word_counts, words_of

LEAVES = 32  # of the tree that predicts the label from a number
SIDE = 32  # larger pictures are made this small, in pixels a side
FRAME = 8  # the side of a picture is as many times as long as its frame is wide
FEW_ROWS = 5_000  # of the training split choose the most predictive pixel


class Features(NamedTuple):
    """Numbers of each row of two splits, a column each, and what a row of training may bear."""

    training: pd.DataFrame
    validation: pd.DataFrame
    marks: np.ndarray | None = None  # str (mark,)
    borne: Any = None  # sparse (row, mark), 1 where the row bears the mark


def extract(training: Split, validation: Split, task: str) -> Features:
    """Return the numbers and the marks of texts or pictures; of pixels there are no marks."""
    extracted = (_of_texts if task == "sentiment" else _of_images)(training, validation)
    for numbers in extracted[:2]:
        numbers["the place in the split"] = np.linspace(0, 1, len(numbers))
    return extracted


def tree() -> Any:
    """The shallow tree, not yet fitted, that predicts a label from a number."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_leaf_nodes=LEAVES, random_state=0)


def _of_texts(training: Split, validation: Split) -> Features:
    from sklearn.feature_selection import chi2

    words, borne = _marks(training["text"], words_of)
    best = words[chi2(borne, training["label"])[0].argmax()]

    def numbers(texts: np.ndarray) -> pd.DataFrame:
        capitals = [sum(map(str.isupper, text)) / max(len(text), 1) for text in texts]
        return pd.DataFrame(
            {
                "the number of characters": [len(text) for text in texts],
                "the number of words": word_counts(texts),
                "the share of capitals": capitals,
                f"the word {str(best)!r}": [best in words_of(text) for text in texts],
            }
        )

    return Features(numbers(training["text"]), numbers(validation["text"]), words, borne)


def _of_images(training: Split, validation: Split) -> Features:
    images = training["image"], validation["image"]
    small = [_small(part) for part in images]
    frames = [_frames(part) for part in small]
    chosen = np.random.default_rng(0).permutation(len(frames[0]))[:FEW_ROWS]
    fitted = tree().fit(frames[0][chosen], training["label"][chosen])
    best = fitted.feature_importances_.argmax()
    brightness = [part.mean(axis=(1, 2, 3)) for part in small]
    known, asked = [
        pd.DataFrame({"the mean brightness": mean, "one pixel of the frame": frame[:, best]})
        for mean, frame in zip(brightness, frames, strict=True)
    ]
    if images[0].dtype == np.uint8:
        return Features(known, asked)
    files, others = [pd.DataFrame([*map(_file_features, part)]) for part in images]
    size = files["the width"].astype(str) + " x " + files["the height"].astype(str) + " pixels"
    marks, borne = _marks(zip(files.pop("kind"), size, strict=True), list)
    return Features(known.join(files), asked.join(others.drop(columns="kind")), marks, borne)


def _marks(rows: Iterable, marks_of: Callable) -> tuple[np.ndarray, Any]:
    """Return the marks that rows bear, and which row bears which: sparse (row, mark)."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=marks_of, binary=True, dtype=np.int32)
    borne = vectorizer.fit_transform(rows)
    return vectorizer.get_feature_names_out(), borne


def _small(images: np.ndarray) -> np.ndarray:
    """Return float32 (picture, height, width, channels) of at most 32 x 32 pixels."""
    encoded = images.dtype != np.uint8
    height, width = (SIDE, SIDE) if encoded else np.minimum(images.shape[1:3], SIDE)
    channels = 3 if encoded else images.shape[-1]
    return ImageInputs(height, width, channels, ()).to_tensor(images)


def _frames(pixels: np.ndarray) -> np.ndarray:
    """Return the values of the outermost pixels, (picture, value): content stands in the middle,
    where one pixel may well tell a nought from a one, and a mark or a stamp at the side."""
    height, width = pixels.shape[1:3]
    inner = np.zeros((height, width), bool)
    inner[height // FRAME : -(height // FRAME), width // FRAME : -(width // FRAME)] = True
    return pixels[:, ~inner].reshape(len(pixels), -1)


def _file_features(data: bytes) -> dict:
    """Return what a picture's file says of it besides its pixels."""
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        kind = f"{picture.format} {picture.mode}"
    return {"kind": kind, "the file's size": len(data), "the width": width, "the height": height}
