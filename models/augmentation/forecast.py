"""Histories that could as well have been measured: layers for the training step alone.

Each history is varied by amounts drawn for it alone; what is to be forecast stays as it was:
    drop    share of the values, from 0, off, to 1, that are left out and filled in again along the
            line between their neighbours; the oldest and the newest stay
    warp    share of the history's length, from 0, off, to 0.3, by which its middle happens earlier
            or later, at most; time runs as before at both ends
    jitter  standard deviation of what is added to each value, from 0, off, to 1, in standard scores
Source: Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
using Convolutional Neural Networks, ICMI 2017.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops, random

from models.augmentation.varied import Varied
from models.inputs.series import SeriesInputs


def layers(parameters: Mapping, inputs: SeriesInputs) -> list[keras.layers.Layer]:
    """Return the Keras layers that are switched on, in the order in which they work.

    Each takes and gives float (series, history), standard scores.
    """
    switched: list[keras.layers.Layer] = []
    if parameters["drop"]:  # in 32 bits: 16 cannot tell places apart
        switched.append(Thinned(parameters["drop"], dtype="float32"))
    if parameters["warp"]:
        switched.append(Warped(parameters["warp"], dtype="float32"))
    if parameters["jitter"]:
        switched.append(keras.layers.GaussianNoise(parameters["jitter"]))
    return switched


class Thinned(Varied):
    """Leave a share of the values out, and fill them in along the line between their neighbours."""

    def varied(self, values: Any) -> Any:
        count, length = ops.shape(values)
        place = ops.arange(length, dtype="int32")
        drawn = random.uniform((count, length), seed=self.seed_generator)
        kept = (drawn >= self.amount) | (place == 0) | (place == length - 1)
        # (series, place, other place): of those kept, the nearest on each side.
        kept, here = kept[:, None], place[:, None]
        before = ops.max(ops.where(kept & (place <= here), place, 0), axis=2)
        after = ops.min(ops.where(kept & (place >= here), place, length - 1), axis=2)
        way = ops.cast(place - before, "float32") / ops.cast(
            ops.maximum(after - before, 1), "float32"
        )
        return _between(values, before, after, way)


class Warped(Varied):
    """Let what happened in the middle of a history happen earlier or later, by up to a share."""

    def varied(self, values: Any) -> Any:
        count, length = ops.shape(values)
        newest = length - 1
        place = ops.arange(length, dtype="float32")
        bump = ops.square(ops.sin(math.pi / max(newest, 1) * place))
        reach = self.amount * newest
        moved = random.uniform((count, 1), -reach, reach, seed=self.seed_generator)
        place = ops.clip(place + moved * bump, 0, newest)
        before = ops.cast(ops.floor(place), "int32")
        return _between(values, before, ops.minimum(before + 1, newest), place - ops.floor(place))


def _between(values: Any, before: Any, after: Any, way: Any) -> Any:
    """Return the values on the lines between two places each.

    values: float32 (series, history). before, after: int32 (series, place). way: float32, likewise,
    from 0, before, to 1, after.
    """
    first, second = (ops.take_along_axis(values, one, axis=1) for one in (before, after))
    return first + way * (second - first)
