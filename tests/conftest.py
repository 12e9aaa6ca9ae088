"""What the tests of several rooms make or start once a session, and which files begin first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import postgres
import project
import pytest

# Files that take minutes, longest first by `make test-slow` on two cores: begun last, one process
# would go on alone while the others have ended.
LONGEST = (
    "test_watched.py",
    "test_killed_loop.py",
    "test_killed_promotions.py",
    "test_killed_runs.py",
    "test_several_datasets.py",
    "test_whole_way.py",
    "test_schedule.py",
    "test_refusals.py",
    "test_clean.py",
    "test_own_architecture.py",
    "test_runs_at_once.py",
    "test_first_look.py",
    "test_cluster.py",
    "test_killed_stages.py",
    "test_versions_at_once.py",
    "test_killed_trials.py",
    "test_approval_page.py",
    "test_jax_alone.py",
    "test_network.py",
    "test_openapi.py",
    "test_versions.py",
    "test_shared_data.py",
    "test_promotion.py",
    "test_promotions_at_once.py",
    "test_foreign_environments.py",
    "test_up.py",
)


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server of our own."""
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def prepared_copy(tmp_path_factory) -> Callable[[Path], Path]:
    """A function that lays a copy of the prepared project, made once for all processes of the
    session, into a new folder; what its runs kept of a fit stays where MLflow's records say."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent

    def lay(to: Path) -> Path:
        project.prepared(session / "prepared")
        unwanted = shutil.ignore_patterns("mlartifacts")
        return shutil.copytree(session / "prepared", to, symlinks=True, ignore=unwanted)

    return lay
