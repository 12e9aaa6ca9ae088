"""Dense autoencoder: how badly a history is redrawn from a short code.

A history is judged by its own level and scale, so that a series that grows stays familiar: by its
shape alone, and whether it moves at all.
"""

from typing import Any

LEAST_SPREAD = 0.01  # in standard scores: what moves less is flat, and is not divided by it
FLAT = 2.0  # error of a flat history, which has no shape: above that of noise, which is about 1.7

INPUTS = {"stride": 1}
FIT = {
    "epochs": 15, "batch_size": 64, "learning_rate": 3e-3, "patience": 3,
    "loss": "mean_absolute_error",
}  # fmt: skip


def build(history: int, horizon: int, *, units: int = 64, code: int = 8) -> Any:
    """Return an uncompiled keras.Model: each history standardised by its own mean and deviation, a
    hidden layer, a code, a hidden layer, and the error. The layer "code" gives the code.

    Args:
        history: values that are given.
        horizon: not used.
        units: of the hidden layers.
        code: values of the code.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, 1), the
        root of the mean fourth power of the error over the history, for a single spike shall not be
        lost among many values; the target is 0.

    Source: Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    Science, 2006.
    """
    from keras import Input, Model, layers, ops

    values = Input((history,), name="input")
    centred = values - ops.mean(values, axis=1, keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True))
    divisor = ops.maximum(deviation, LEAST_SPREAD)
    shape = centred / divisor
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(shape)
    # Bounded, so that a value far from any that was seen cannot be carried through.
    x = layers.Dense(code, activation="tanh", name="code")(x)
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    fourth = ops.square(ops.square(shape - layers.Dense(history)(x)))
    # A root has no gradient at 0, where a flat history begins.
    error = ops.sqrt(ops.mean(fourth, axis=1, keepdims=True) + 1e-12)
    error = error + FLAT * (1 - deviation / divisor)
    error = layers.Reshape((1,), name="output")(error)
    return Model(values, error, name="autoencoder")
