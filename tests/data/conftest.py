import pytest
from checkouts import Checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory) -> Checkout:
    """One for all tests of a module: each takes a dataset name of its own."""
    return Checkout(tmp_path_factory.mktemp("checkout"))
