"""Processes that begin with everything imported and nothing opened, so that many can be had."""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

from pipelines import cli
from pipelines.locks import state
from pipelines.runtime import environment

# What a step of a run imports, and what MLflow does when it first opens a store.
PRELOAD = ["mlflow", "scipy.stats", "pipelines.cli", "pipelines.promotion.retraining"]
PRELOAD += ["mlflow.store.tracking.sqlalchemy_workspace_store"]
PRELOAD += ["mlflow.store.model_registry.sqlalchemy_workspace_store"]
PRELOAD += ["alembic.config", "git", "opentelemetry.sdk.metrics.export"]
PRELOAD += ["sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"]


def context():
    """What makes such processes, and what they share."""
    made = get_context("forkserver")
    made.set_forkserver_preload(PRELOAD)
    return made


def started(home: Path, function, *arguments):
    """A process that calls the function with the state in `home`, and in our state database."""
    database = os.environ.get(state.VARIABLE)
    process = context().Process(target=_at, args=(home, database, function, *arguments))
    process.start()
    return process


def command(out: Path, errors: Path, *arguments: str) -> None:
    """The command, for `started`; what it prints goes to the two files, or to one."""
    for descriptor, path in ((1, out), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    sys.argv = ["espalier", *arguments]
    cli.main()


def move(home: Path, database: str | None = None) -> None:
    """Let this process work with the state in `home`; database: where it is not a file there."""
    for name in ("MLFLOW_TRACKING_URI", state.VARIABLE):  # the fork server's own, of another test
        os.environ.pop(name, None)
    os.environ["ESPALIER_HOME"] = str(home)
    if database is not None:
        os.environ[state.VARIABLE] = database
    environment.apply()


def _at(home: Path, database: str | None, function, *arguments) -> None:
    move(home, database)
    function(*arguments)
