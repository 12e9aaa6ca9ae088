"""Several accelerators train one model together: each takes its share of every batch.

A single one, and any number of processors, need nothing of this.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import keras


@contextmanager
def data_parallel(batch_size: int, devices: Sequence[str] | None = None) -> Iterator[int]:
    """Build and fit a model inside the block to have it replicated; yields on how many devices.

    Args:
        devices: as Keras names them ("gpu:0", …); all accelerators by default. Of these, as many
            work as divide the batch evenly, so that the loss is the one that a single device would
            compute.
    """
    if devices is None:
        devices = [
            one for one in keras.distribution.list_devices() if not one.lower().startswith("cpu")
        ]
    count = max((n for n in range(1, len(devices) + 1) if batch_size % n == 0), default=1)
    if count == 1:
        yield 1
        return
    with _replicated(list(devices[:count])):
        yield count


def _replicated(devices: list[str]) -> AbstractContextManager:
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return tensorflow.distribute.MirroredStrategy(devices).scope()
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()
