"""What the architectures that read a history step by step have in common; it is no architecture."""

from typing import Any


def grouped(history: int, lags: int | None, group: int) -> tuple[Any, Any, Any]:
    """Return the model's input, its last value, and the steps that are read of it.

    Args:
        history: values that are given.
        lags: newest values that are read; None reads all of the history.
        group: neighbouring values read as one step; what does not fill one is left out at the old
            end.

    Returns:
        float32 (series, history); (series, 1); (series, step, 2 x group): each value by its level
        and against the last value.
    """
    from keras import Input, layers, ops

    lags = min(lags or history, history)
    group = min(group, lags)
    values = Input((history,), name="input")
    last = values[:, -1:]
    x = ops.stack([values, values - last], axis=-1)[:, history - lags // group * group :]
    return values, last, layers.Reshape((lags // group, 2 * group))(x)
