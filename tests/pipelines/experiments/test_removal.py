"""Runs removed from a real MLflow server, whose artifacts only it can reach."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from homes import living_in
from mlflow.exceptions import MlflowException
from project import ROOT, answers, begun, until
from recorded import finished, fit

from pipelines.commands.status import bytes_in
from pipelines.experiments import leaderboard_rows, registry, removal, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.processes.service import free_port

pytestmark = pytest.mark.slow

DAY = 86_400
GONE, OLD, NEW, OTHER = (f"{digit * 32}.dir" for digit in "1234")  # versions of a dataset


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder of an MLflow server; the home of this test works with it."""
    folder, port = tmp_path / "server", free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url = f"http://127.0.0.1:{port}"
    with begun(ROOT, *command, log=folder / "log", **quiet):
        until(lambda: answers(f"{url}/health"), "an MLflow server")
        with living_in(tmp_path / "home", monkeypatch, folder / "mlflow.db"):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
            yield folder


def test_the_fits_that_say_what_more_rows_bring_stay_though_the_data_has_grown(home, tmp_path):
    made = {
        (what, data): finished(planned, tmp_path / f"{what} {data}")
        for data in (GONE, OLD)
        for what, planned in (
            ("look", replace(fit(dataset_hash=data, share=0.25), look=True)),
            ("full", fit(dataset_hash=data)),
            ("other", fit(arch="ann", dataset_hash=data)),
        )
    }
    registry.register("image", "digits", made["full", GONE])  # of before
    registry.set_champion(registry.register("image", "digits", made["full", OLD]))
    with tracking.parent(DatasetVersion("image", "digits", NEW), "quick", "retrain"):
        pass  # the champion stayed
    found = removal.removable(time.time() + 1, keep=1, shared=False)
    gone = {run.run_id for run in found.runs}
    assert gone == {made[what, GONE].run_id for what in ("look", "other")}


def test_of_a_server_goes_what_no_host_needs_with_its_artifacts(server, tmp_path, monkeypatch):
    made = {
        what: finished(fit(arch=what, dataset_hash=of), tmp_path / what).run_id
        for what, of in (("nobodys", GONE), ("registered", OLD), ("reused", NEW))
    }
    registry.register("image", "digits", tracking.record(made["registered"]))
    made["newest"] = finished(fit(arch="newest", dataset_hash=NEW), tmp_path / "newest").run_id
    client = tracking.connect()
    place, tags = tracking.experiment("image", "digits"), {"espalier.dataset_hash": OTHER}
    made["running"] = client.create_run(place, tags=tags).info.run_id  # by another host
    later = time.time() + 1
    assert removal.removable(later, keep=1, shared=False) == removal.Found([], set())
    unnamed = removal.removable(later, keep=1, shared=True)
    assert unnamed == removal.Found([], {GONE, OLD, NEW, OTHER})
    monkeypatch.setenv(removal.DATABASE, f"sqlite:///{server}/mlflow.db")
    assert removal.removable(later - DAY, keep=1, shared=True) == unnamed
    found = removal.removable(later, keep=1, shared=True)
    [folder] = (server / "artifacts").glob(f"*/{made['nobodys']}")
    assert [run.run_id for run in found.runs] == [made["nobodys"]]
    assert found.runs[0].bytes == bytes_in([folder])
    assert found.datasets == {OLD, NEW, OTHER}
    removal.remove(found.runs)
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(made["nobodys"])
    assert not bytes_in([folder])
    assert leaderboard_rows.find(made["nobodys"]) is None
    for what in made.keys() - {"nobodys"}:
        assert client.get_run(made[what]).info.lifecycle_stage == "active"
    assert verification.whole(tracking.record(made["registered"]))
