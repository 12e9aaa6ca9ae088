"""Histories that could as well have been measured: layers for the training step alone."""

from collections.abc import Mapping

from models.inputs import SeriesInputs


def layers(parameters: Mapping, inputs: SeriesInputs) -> list:
    """Return the Keras layers that are switched on, in the order in which they work."""
    return []
