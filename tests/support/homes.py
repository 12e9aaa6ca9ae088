"""A home for the time of a block."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.experiments import tracking
from pipelines.locks import state
from pipelines.runtime import environment

TOOLS = ("MLFLOW_TRACKING_URI", "PREFECT_API_URL", "PREFECT_HOME", "BENTOML_HOME")


@contextmanager
def living_in(folder: Path, patch: pytest.MonkeyPatch, empty_store: Path) -> Iterator[Path]:
    """Make the new folder an empty ESPALIER_HOME, with the tools' variables pointing into it.

    empty_store: an MLflow database to begin with.
    """
    before = dict(os.environ)
    for name in (*TOOLS, state.VARIABLE):
        patch.delenv(name, raising=False)
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    patch.setenv("ESPALIER_HOME", str(folder))
    environment.apply()
    yield folder
    tracking.open_client.cache_clear()
    os.environ.clear()
    os.environ.update(before)
