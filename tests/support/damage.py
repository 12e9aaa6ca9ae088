"""Damage to an artifact, as a disk or a hand may do it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np


def changed_bytes(folder: Path, times: int) -> Iterator[Path]:
    """Change one byte of one file of the folder, all three at random; yields the file.

    Each change is taken back before the next one and at the end.
    """
    random = np.random.default_rng(0)
    files = sorted(folder.iterdir())
    for _ in range(times):
        path = files[random.integers(len(files))]
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[random.integers(len(whole))] ^= random.integers(1, 256)
        path.write_bytes(changed)
        yield path
        path.write_bytes(whole)
