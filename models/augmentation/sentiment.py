"""Texts that could as well have been written: layers for the training step alone."""

from collections.abc import Mapping

from models.inputs import TextInputs


def layers(parameters: Mapping, inputs: TextInputs) -> list:
    """Return the Keras layers that are switched on, in the order in which they work."""
    return []
