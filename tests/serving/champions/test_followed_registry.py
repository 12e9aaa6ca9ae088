"""A service on another machine: it follows the aliases of a real MLflow server, over HTTP alone."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import mlflow_server
import pytest
from candidates import candidate, hits
from homes import living_in
from project import ROOT, answers, begun, serving, until

from pipelines.experiments import registry, tracking
from pipelines.experiments.registry import Version
from pipelines.processes.service import free_port

pytestmark = pytest.mark.slow

SERVICE = (sys.executable, "-m", "bentoml", "serve", "serving.service:Espalier")
MODEL = "espalier-image-digits"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Callable[[], list], Path]]:
    """An MLflow server's URL, what finds its processes, and its folder, which is its alone."""
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_server.running(folder, free_port()) as (url, alive):
        yield url, alive, folder


@pytest.fixture(scope="module")
def trainers(server, tmp_path_factory) -> Iterator[Path]:
    """The home of the machine that trains and registers; no other has a share in it."""
    folder, store = tmp_path_factory.mktemp("trainers"), server[2] / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch, living_in(folder / "home", patch, store):
        patch.setenv("MLFLOW_TRACKING_URI", server[0])
        yield folder


@pytest.fixture(scope="module")
def versions(trainers) -> list[Version]:
    """Three versions that may serve."""
    made = [candidate(trainers, hits(0.9 + seed / 100), seed) for seed in range(3)]
    registered = [registry.register("image", "digits", one) for one in made]
    for version in registered:
        registry.ready(version, "")
    return registered


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The home of the machine that serves."""
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def asked(server, home) -> dict[str, str]:
    """What whoever starts the service says to it."""
    folders = {"ESPALIER_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
    return folders | {"MLFLOW_TRACKING_URI": server[0], "ESPALIER_FOLLOW": MODEL}


def test_a_first_champion_is_taken_in_by_every_worker(versions, asked, tmp_path):
    """The first test: the registry names no champion yet."""
    workers, port = "services.Espalier.workers=2", free_port()
    log, url = tmp_path / "log", f"http://127.0.0.1:{port}"
    alone = asked | {"ESPALIER_HOME": str(tmp_path), "BENTOML_CONFIG_OPTIONS": workers}
    with begun(ROOT, *SERVICE, "--port", str(port), log=log, **alone):
        until(lambda: "names no champion" in log.read_text(), "a poll without a champion")
        until(lambda: answers(f"{url}/livez"), "a service")
        waiting = httpx.get(f"{url}/v2/models/{MODEL}/ready")
        assert (waiting.status_code, answers(f"{url}/readyz")) == (503, False)
        registry.set_champion(versions[0])
        taken = [f"Espalier:{worker}] Serving image: {MODEL} version 1" for worker in (1, 2)]
        until(lambda: all(one in log.read_text() for one in taken), "it in both workers", 10)
        assert answers(f"{url}/readyz")
    assert "cannot be followed" not in log.read_text()


@pytest.fixture(scope="module")
def url(versions, asked, home) -> Iterator[str]:
    """The service, which has nothing to begin with but what the registry says."""
    registry.set_champion(versions[0])
    with serving(ROOT, *SERVICE, log=home / "first.log", **asked) as running:
        yield running


def served(url: str) -> dict:
    """What serves; a service that follows models of one task serves that task."""
    [model] = httpx.get(f"{url}/v1/models").json()["models"]
    return model


def refusals(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    [count] = [line for line in lines if line.startswith("espalier_model_refusals_total{")]
    return float(count.split()[-1])


def test_it_starts_with_the_champion(url, versions):
    model = served(url)
    assert (model["name"], model["version"]) == (MODEL, "1")
    assert model["metrics"] == {
        name: value
        for name, value in tracking.record(versions[0].run_id).metrics.items()
        if name.startswith("test_")
    }


def test_a_new_champion_is_served_and_the_old_one_after_a_rollback(url, versions):
    registry.set_champion(versions[1])
    until(lambda: served(url)["version"] == "2", "the new champion")
    registry.set_champion(versions[0])
    until(lambda: served(url)["version"] == "1", "the old champion")


def test_who_is_on_trial_is_tried_until_the_trial_ends(url, versions):
    def on_trial() -> list[tuple[str, int]]:
        listed = httpx.get(f"{url}/v1/models").json()["on_trial"]
        return [(one["version"], one["share"]) for one in listed]

    registry.set_challenger(versions[1])  # as whoever enters the gate
    assert on_trial() == []
    registry.set_trial(versions[1], 10)
    until(lambda: on_trial() == [("2", 10)], "the challenger")
    assert served(url)["version"] == "1"
    registry.set_trial(versions[1], None)
    until(lambda: on_trial() == [], "the end of the trial")


def test_a_version_whose_bytes_were_changed_is_refused_and_the_old_one_goes_on(
    url, versions, server
):
    before = refusals(url)
    [model] = server[2].glob(f"artifacts/*/{versions[2].run_id}/artifacts/model/model.onnx")
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    registry.set_champion(versions[2])
    until(lambda: refusals(url) == before + 1, "a refusal")
    assert served(url)["version"] == "1"
    registry.set_champion(versions[1])
    until(lambda: served(url)["version"] == "2", "the champion after it")


def test_it_goes_on_without_the_registry_and_starts_without_it(url, server, asked, home):
    """The last test: it ends the MLflow server."""

    def said() -> int:
        return (home / "first.log").read_text().count(f"The champion of {MODEL} cannot be followed")

    before = said()  # a busy machine may have been too slow for it once
    for process in server[1]():
        process.kill()
    until(lambda: said() == before + 1, "a line in the log")
    assert served(url)["version"] == "2"
    with serving(ROOT, *SERVICE, log=home / "second.log", **asked) as second:
        assert served(second)["version"] == "2"
    assert said() == before + 1
