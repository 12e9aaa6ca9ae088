"""Where a fit stands after an epoch, in one file: killed at any moment, it goes on from there.

The file holds plain arrays: the best weights so far, and the whole state of model and optimizer,
the counters of the random layers among it, so that the rest of the fit comes out the same.
"""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np


@dataclass
class Progress:
    """The epochs that are done, and the best of them so far, by validation loss or metric."""

    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    best_loss: float = float("inf")
    best_weights: list[np.ndarray] = field(default_factory=list)
    epochs_without_gain: int = 0

    @property
    def best_epoch(self) -> int:
        """The number, from 1, of the epoch whose weights are kept."""
        return len(self.history) - self.epochs_without_gain

    def add(
        self, metrics: dict[str, float], loss: float, seconds: float, model: keras.Model
    ) -> None:
        """Count one more epoch, and keep the model's weights if it is the best: of least loss."""
        self.history.append(metrics)
        self.seconds += seconds
        self.epochs_without_gain += 1
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_weights = model.get_weights()
            self.epochs_without_gain = 0


def write(path: Path, model: keras.Model, progress: Progress) -> None:
    """Replace the file by the present state of a compiled model; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {name: value for name, value in vars(progress).items() if name != "best_weights"}
    arrays: dict[str, Any] = {
        f"state_{i:04d}": np.asarray(one) for i, one in enumerate(_state(model))
    }
    arrays |= {f"best_{i:04d}": one for i, one in enumerate(progress.best_weights)}
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, record=np.array(json.dumps(record)), **arrays)
    partial.replace(path)


def restore(path: Path, model: keras.Model) -> Progress:
    """Put a compiled model into the state of the file; without one that fits, leave it as it is."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile):
        return Progress()
    record = json.loads(str(arrays["record"]))
    for number, variable in enumerate(_state(model)):
        variable.assign(arrays[f"state_{number:04d}"])
    best = [arrays[name] for name in sorted(arrays) if name.startswith("best_")]
    return Progress(best_weights=best, **record)


def _state(model: keras.Model) -> list:
    return [*model.variables, *model.optimizer.variables]
