"""mnist (LeCun et al., 1998), fashion_mnist (Xiao et al., 2017), cifar10 (Krizhevsky, 2009).

Through keras.datasets: its cache folder, `KERAS_HOME` or ~/.keras, is asked before the network.
"""

import importlib
import os
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from data.errors import DataError
from data.stored import Columns, Dataset

SPLITS = ("train", "test")
DIGITS = [str(digit) for digit in range(10)]
CLOTHES = ["t-shirt", "trouser", "pullover", "dress", "coat"]
CLOTHES += ["sandal", "shirt", "sneaker", "bag", "boot"]
THINGS = ["airplane", "automobile", "bird", "cat", "deer"]
THINGS += ["dog", "frog", "horse", "ship", "truck"]
LABELS = {"mnist": DIGITS, "fashion_mnist": CLOTHES, "cifar10": THINGS}
CACHED = {
    "mnist": "mnist.npz",
    "fashion_mnist": "the four files of fashion-mnist/ (train-images-idx3-ubyte.gz, …)",
    "cifar10": "cifar-10-python.tar.gz under the name cifar-10-batches-py-target_archive",
}


def rows(name: str) -> Dataset:
    """The official splits `train` and `test`: `image` uint8 (rows, 28, 28, 1) or (rows, 32, 32, 3).

    Raises DataError, saying where to put which file, when Keras has none and cannot fetch it.
    """
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    train, test = (name == "mnist" and _mnist(cache / "mnist.npz")) or _load(name, cache)
    splits = {"train": _columns(name, *train), "test": _columns(name, *test)}
    return Dataset({"labels": LABELS[name], "notes": []}, splits)


def _mnist(path: Path) -> tuple | None:
    """MNIST from the cached file, packed in whatever way; None when it is missing or not whole.

    Keras itself refuses, and deletes, a file of the same arrays that was packed anew.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            train, test = [(arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in SPLITS]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
    whole = train[0].shape == (60_000, 28, 28) and test[0].shape == (10_000, 28, 28)
    return (train, test) if whole else None


def _load(name: str, cache: Path) -> tuple:
    try:
        return importlib.import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:  # Keras raises a bare one when the network fails
        raise DataError(
            f"{name} is neither whole in Keras' cache nor to be had from the network:"
            f" put {CACHED[name]} into {cache} ({' '.join(str(error).split())})"
        ) from error


def _columns(name: str, image: np.ndarray, number: np.ndarray) -> Columns:
    label = np.array(LABELS[name])[number.reshape(-1)]
    return {"image": image.reshape(*image.shape[:3], -1), "label": label}
