"""What the layers that vary a row have in common."""

from typing import Any

from keras import layers, random


class Varied(layers.Layer):
    """Gives `varied` of what it reads in the training step, and elsewhere what it reads.

    Args:
        amount: how often or how far, as the layer reads it.
        layer_options: Keras' own, such as dtype.
    """

    def __init__(self, amount: Any, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        self.amount = amount
        self.seed_generator = random.SeedGenerator()

    def call(self, rows: Any, training: bool = False) -> Any:
        return self.varied(rows) if training else rows

    def varied(self, rows: Any) -> Any:
        """Return the rows, each varied by what is drawn for it alone."""
        raise NotImplementedError
