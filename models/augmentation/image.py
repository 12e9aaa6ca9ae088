"""Pictures that could as well have been taken: layers for the training step alone."""

from collections.abc import Mapping

from models.inputs import ImageInputs


def layers(parameters: Mapping, inputs: ImageInputs) -> list:
    """Return the Keras layers that are switched on, in the order in which they work."""
    return []
