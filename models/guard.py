"""Fit the guard of a dataset: the autoencoder whose error says whether an input looks like it.

    from models import guard
    fitted = guard.fit(task, guard.parameters(task, facts), splits, facts)
    guard.write(folder, fitted, splits, facts)

It is trained by the same loop as every architecture, towards an error of 0.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models import architectures, artifact, export
from models.errors import ExportMismatch
from models.examples import Split
from models.familiarity import SLACK, Familiarity
from models.train import predict

if TYPE_CHECKING:
    import keras

SEED = 0
MOST_ROWS = 5_000  # of the training split; more take longer and change little
