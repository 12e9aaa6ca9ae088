"""A home of its own for each test: nothing here touches the checkout's .espalier."""

import postgres
import pytest
from homes import living_in

from pipelines.locks import state


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An MLflow database without a run: making one takes seconds, copying it none."""
    from mlflow import MlflowClient

    store = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{store}").search_experiments(max_results=1)
    return store


@pytest.fixture
def home(tmp_path, monkeypatch, empty_store):
    """An empty ESPALIER_HOME with the tools' variables pointing into it."""
    with living_in(tmp_path / "home", monkeypatch, empty_store) as folder:
        yield folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request, home, monkeypatch):
    """An empty home, and an empty state database of each kind; its kind."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        monkeypatch.setenv(state.VARIABLE, postgres.empty_database(server))
    return request.param
