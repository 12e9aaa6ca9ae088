"""Pictures that could as well have been taken: layers for the training step alone.

Each picture is varied by amounts drawn for it alone; all parameters are shares, from 0, off, to 1:
    flip        of the pictures that are mirrored, left to right
    rotation    of a full turn, up to which a picture is turned either way
    zoom        of its size, up to which it grows or shrinks, both sides alike
    shift       of its height and of its width, up to which it moves either way
    crop        of its sides that is cut off: a window as large as the rest, anywhere in the
                picture, is stretched over the whole
    brightness  of the range from black to white, up to which all pixels change alike
    noise       of that range: the standard deviation of what is added to each value
What comes in from outside the picture repeats its edge.

Keras has layers for most of these. Its rotation, zoom and translation blur a picture once each,
and their presence keeps JAX from compiling the training step; here one resampling does all three.
Source: Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops, random

from models.augmentation.varied import Varied
from models.inputs.images import ImageInputs


def layers(parameters: Mapping, inputs: ImageInputs) -> list[keras.layers.Layer]:
    """Return the Keras layers that are switched on, in the order in which they work.

    Each takes and gives float (picture, height, width, channels), 0..1.
    """
    moves = {name: parameters[name] for name in ("rotation", "zoom", "shift", "crop")}
    brightness = parameters["brightness"]
    switched: list[keras.layers.Layer] = []
    if parameters["flip"]:
        switched.append(Mirrored(parameters["flip"]))
    if any(moves.values()):
        switched.append(Moved(moves, dtype="float32"))  # of bfloat16, TensorFlow resamples none
    if brightness:
        switched.append(keras.layers.RandomBrightness(brightness, value_range=(0, 1)))
    if parameters["noise"]:
        switched.append(Noisy(parameters["noise"]))
    return switched


class Mirrored(Varied):
    """Mirror a share of the pictures, left to right."""

    def varied(self, images: Any) -> Any:
        drawn = random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator)
        return ops.where(drawn < self.amount, ops.flip(images, axis=2), images)


class Moved(Varied):
    """Turn, zoom, shift and crop pictures, all in one affine map and one resampling."""

    def varied(self, images: Any) -> Any:
        count, height, width, _ = ops.shape(images)
        return ops.image.affine_transform(
            images, self._maps(count, height, width), fill_mode="nearest"
        )

    def _maps(self, count: Any, height: int, width: int) -> Any:
        """Return float32 (picture, 8): for each point of the new picture, (x, y) from its centre,
        the point of the old one, as `ops.image.affine_transform` takes it."""
        crop = self.amount["crop"]
        angle = 2 * math.pi * self._drawn(count, self.amount["rotation"])
        scale = (1 - crop) * (1 + self._drawn(count, self.amount["zoom"]))
        reach = self.amount["shift"] + crop / 2
        right, down = self._drawn(count, reach) * width, self._drawn(count, reach) * height
        x, y = (width - 1) / 2, (height - 1) / 2
        cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
        old_x = [cosine, -sine, x + right - cosine * x + sine * y]
        old_y = [sine, cosine, y + down - sine * x - cosine * y]
        plane = [ops.zeros_like(scale)] * 2
        return ops.stack([*old_x, *old_y, *plane], axis=1)

    def _drawn(self, count: Any, most: float) -> Any:
        return random.uniform((count,), -most, most, seed=self.seed_generator)


class Noisy(keras.layers.GaussianNoise):
    """Add Gaussian noise, and keep every value one that a pixel can have."""

    def call(self, images: Any, training: bool = False) -> Any:
        return ops.clip(super().call(images, training=training), 0, 1)
