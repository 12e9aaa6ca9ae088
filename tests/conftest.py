"""What the tests of several rooms start once a session."""

import postgres
import pytest


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server of our own."""
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.running() as url:
        yield url
