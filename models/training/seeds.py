"""One seed for all that Keras draws in a fit, whatever else the process draws meanwhile."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

ATTEMPTS = 100


def seeded(
    seed: int, build: Callable[[], tuple["keras.Model", "keras.Model"]]
) -> tuple["keras.Model", "keras.Model"]:
    """Return the models that `build` makes when all that Keras draws follows from `seed` alone.

    Keras draws the seed of each layer from the generator of Python's module `random`, and so do
    other threads: the connection to Prefect's server draws a number every 20 s. A layer that is
    built at that moment gets another seed, and the fit other weights. So the models are built
    until two builds are equal: nobody else drew during these, since what another thread draws
    makes each build a different one. What is drawn later comes from the layers' own generators,
    whose state is among the compared variables.

    Args:
        seed: of Python, numpy and the backend.
        build: returns a model and the model that is fitted, which holds the first.

    Raises:
        RuntimeError: another thread draws so often that no two models were equal.
    """
    import keras

    earlier = set()
    for _ in range(ATTEMPTS):
        keras.utils.set_random_seed(seed)
        model, learner = build()
        digest = hashlib.sha256()
        for variable in learner.variables:
            digest.update(np.asarray(keras.ops.convert_to_numpy(variable)).tobytes())
        if digest.digest() in earlier:
            return model, learner
        earlier.add(digest.digest())
    raise RuntimeError(
        f"Another thread of this process draws random numbers all the time: {ATTEMPTS} models "
        f"built from seed {seed} all differ. Run the fit in a process of its own."
    )
