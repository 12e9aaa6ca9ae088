"""Processes that begin with everything imported and nothing opened, so that many can be had."""

import os
from multiprocessing import get_context
from pathlib import Path

from pipelines.runtime import environment


def context():
    """What makes such processes, and what they share."""
    made = get_context("forkserver")
    made.set_forkserver_preload(
        ["mlflow", "scipy.stats", "pipelines.cli", "pipelines.promotion.retraining"]
    )
    return made


def started(home: Path, function, *arguments):
    """A process that calls the function with the state in `home`."""
    process = context().Process(target=_at, args=(home, function, *arguments))
    process.start()
    return process


def move(home: Path) -> None:
    """Let this process work with the state in `home`."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["ESPALIER_HOME"] = str(home)
    environment.apply()


def _at(home: Path, function, *arguments) -> None:
    move(home)
    function(*arguments)
