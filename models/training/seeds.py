"""One seed for all that Keras draws in a fit, whatever else the process draws meanwhile."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Have everything that Keras draws in the block follow from `seed` alone.

    Keras draws the seed of each layer from the generator of Python's module `random`, and so do
    other threads: the connection to Prefect's server draws a number every 20 s. A layer that was
    built at that moment got another seed, and the fit other weights. No setting of Keras says
    which generator it draws from, so its module gets one of its own in the place of `random`.
    """
    import keras
    from keras.src.random import seed_generator

    keras.utils.set_random_seed(seed)
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = random
