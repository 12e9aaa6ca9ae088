"""What a model was fitted and chosen on: test rows that it has seen say nothing of it.

A split is drawn anew where files are saved again, texts cleaned, shares changed or earlier readings
added, and holds rows then that an older model has learned. Each artifact keeps digests of its
training and validation rows; of series, their last instant.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data import classes, prepared
from data.errors import DataError
from pipelines.experiments import dataset as data
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Record
from pipelines.experiments.registry import Version

FILE = "seen.npz"
LEARNED = ("train", "validation")
PROBE = "Ünlike “words” — 東京, naïve 😀 don't!"  # other code may read it otherwise

Columns = Mapping[str, np.ndarray]


def write(folder: Path, splits: Mapping[str, Columns]) -> None:
    """Keep what a model has seen in the folder of its artifact; splits: as prepared."""
    np.savez(folder / FILE, **dict[str, Any](_seen(splits)))


def unseen(
    dataset: DatasetVersion,
    version: Record | Version,
    folder: Path,
    test: Columns | None,
    rows: Columns,
) -> np.ndarray | None:
    """Which test rows a model was neither fitted nor chosen on: bool (row,), of series (window,).

    Args:
        dataset: its present version.
        version: the model.
        folder: of its artifact.
        test: the test split of the present version; None where other data lies in the checkout.
        rows: what the model scored there.

    Returns:
        None where nobody knows: the artifact does not say, and its data is gone.
    """
    if version.dataset_hash == dataset.hash:
        return np.ones(len(rows["error" if "error" in rows else "label"]), bool)
    if test is None or (seen := _read(dataset, version, folder)) is None:
        return None
    if "until" in seen:
        return rows["time"] > seen["until"]
    known = [np.isin(names, seen[word]) for word, names in _names(test).items() if word in seen]
    return ~np.any(known, axis=0)


def _read(dataset: DatasetVersion, version: Record | Version, folder: Path) -> Columns | None:
    """What its artifact says; of one of before what its version of the data says, where that is
    still to be had."""
    with suppress(FileNotFoundError), np.load(folder / FILE, allow_pickle=False) as arrays:
        if np.array_equal(arrays["probe"], _numbers(classes.digests([PROBE]))):
            return dict(arrays)
    with suppress(DataError):
        place = data.local(replace(dataset, hash=version.dataset_hash))
        return _seen(prepared.read(place).splits)
    return None


def _seen(splits: Mapping[str, Columns]) -> dict[str, np.ndarray]:
    probe = {"probe": _numbers(classes.digests([PROBE]))}
    if "time" in splits["train"]:
        return probe | {"until": max(splits[name]["time"].max() for name in LEARNED)}
    names = [_names(splits[name]) for name in LEARNED]
    return probe | {word: np.unique(np.append(*(one[word] for one in names))) for word in names[0]}


def _names(split: Columns) -> dict[str, np.ndarray]:
    content = "image" if "image" in split else "text"
    return {word: _numbers(digests) for word, digests in classes.names(split, content).items()}


def _numbers(digests: np.ndarray) -> np.ndarray:
    """The first 64 bits of hexadecimal digests: of a million rows two agree once in 37 million."""
    return np.array([int(digest[:16], 16) for digest in digests], np.uint64)
