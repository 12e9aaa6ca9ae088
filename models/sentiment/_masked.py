"""Texts padded on the left: which places hold words, and the mean over those alone."""

from typing import Any


def present(ids: Any) -> Any:
    """Return float32 (text, place, 1): 1 where there is a word, 0 of padding.

    Args:
        ids: int32 (text, place), 0 is padding.
    """
    from keras import ops

    return ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)


def steps(present: Any, group: int) -> Any:
    """Return which steps of `group` places hold a word: float32 (text, step, 1)."""
    from keras import layers

    return layers.MaxPooling1D(group, padding="same")(present)


def mean(x: Any, present: Any) -> Any:
    """Return the mean (text, value) of what stands at places with words.

    Args:
        x: float32 (text, place, value).
        present: float32 (text, place, 1).
    """
    from keras import ops

    return ops.sum(x * present, axis=1) / ops.maximum(ops.sum(present, axis=1), 1)
