import pytest
from checkouts import MINE, Checkout, reviews, write_reviews


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory) -> Checkout:
    """One for all tests of a module: each takes a dataset name of its own."""
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def made(shared_checkout) -> Checkout:
    """A checkout in which `mine`, an own CSV, has been made; its tests leave it as it was."""
    shared_checkout.declare("mine", **MINE)
    write_reviews(shared_checkout.folder / MINE["path"], reviews())
    assert shared_checkout.versions("reproduce('mine')") == "None"
    return shared_checkout
