"""Dense autoencoder: how badly a history is redrawn from a short code."""

from typing import Any

INPUTS = {"stride": 1}
FIT = {
    "epochs": 15, "batch_size": 64, "learning_rate": 3e-3, "patience": 3,
    "loss": "mean_absolute_error",
}  # fmt: skip


def build(history: int, horizon: int, *, units: int = 64, code: int = 8) -> Any:
    """Return an uncompiled keras.Model: a hidden layer, a code, a hidden layer, and the error of
    each history. The code itself comes out of its layer named "code".

    Args:
        history: values that are given.
        horizon: not used.
        units: of the hidden layers.
        code: values of the code.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, 1), the
        mean squared error over the history; the target is 0.

    Source: Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    Science, 2006.
    """
    from keras import Input, Model, layers, ops

    values = Input((history,), name="input")
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(values)
    # Bounded, so that a level far from any that was seen cannot be carried through.
    x = layers.Dense(code, activation="tanh", name="code")(x)
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    squares = ops.square(values - layers.Dense(history)(x))
    error = layers.Reshape((1,), name="output")(ops.mean(squares, axis=1, keepdims=True))
    return Model(values, error, name="autoencoder")
