"""Ended at any stage, a run leaves no process behind, and the next run finishes what it began."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from project import answer, begun, command, espalier, runs, small, store, until

from models import artifact

pytestmark = pytest.mark.slow

RUN = ("run", "--task", "image")
# The line after which a run is ended, and what it does then.
STAGES = {
    "start": "DVC makes the data",
    "push": "the first fit",
    "cnn": "a pending version, golden requests over HTTP",
    "replay": "the alias, the pointer",
    "champion": "the pointer, the end of the parent run",
    "Release": "the Bento",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Digits, whose data is versioned already: each test has a home of its own beside them."""
    project = small(tmp_path_factory.mktemp("killed") / "project")
    done = espalier(project, "train", "--task", "image", "--arch", "perceptron")
    assert done.returncode == 0, done.stderr
    return project


def ended(project, home, line: str, sign: signal.Signals) -> int:
    """Begin a run, end it once it has said `line`, wait for its processes; its exit status."""
    log = project / f"{home}.log"
    with begun(project, *command(*RUN), log=log, ESPALIER_HOME=str(project / home)) as (run, alive):

        def said() -> bool:
            assert run.poll() is None, log.read_text()
            return any(told.split()[:1] == [line] for told in log.read_text().splitlines())

        until(said, f"{line} in the output")
        # Ctrl-C goes to every process of the terminal's foreground, a kill to one.
        (os.killpg if sign == signal.SIGINT else os.kill)(run.pid, sign)
        status = run.wait()
        until(lambda: not alive(), "the end of what the run had started")
    return status


def require_whole(project, home) -> None:
    """The next run ends well: one champion, published whole, and no MLflow run is left open."""
    place = str(project / home)
    done = espalier(project, *RUN, "--json", ESPALIER_HOME=place)
    assert done.returncode == 0, done.stderr
    told = answer(done)["tasks"]["image"]
    assert told["trained"] + told["reused"] == 3
    client = store(project, home)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    assert {run.info.status for run in client.search_runs(experiments)} <= {
        "FINISHED",
        "FAILED",
        "KILLED",
    }
    [version] = client.search_model_versions()
    champion = client.get_model_version_by_alias(version.name, "champion")
    assert champion.version == version.version
    assert version.tags["espalier.state"] == "ready"
    assert version.tags["espalier.fingerprint"] == told["champion"]["fingerprint"]
    published = project / home / "published"
    pointer = json.loads((published / "image.json").read_text())
    assert pointer["version"] == str(version.version)
    artifact.check(published / pointer["artifact"], version.tags["espalier.manifest_sha256"])
    again = espalier(project, *RUN, "--json", ESPALIER_HOME=place)
    assert answer(again)["tasks"]["image"] == told | {"trained": 0, "reused": 3}


@pytest.mark.parametrize("line", STAGES)
def test_killed_after(project, line):
    if line == "start":
        shutil.rmtree(project / "data" / "raw")
    assert ended(project, f"killed-{line}", line, signal.SIGKILL) == -signal.SIGKILL
    require_whole(project, f"killed-{line}")


@pytest.fixture
def interruptible():
    """Commands begun here hear Ctrl-C: one begun by a shell's background job would inherit that it
    does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("line", ["start", "push"])
def test_interrupted_after(project, interruptible, line):
    if line == "start":
        shutil.rmtree(project / "data" / "raw")
    assert ended(project, f"interrupted-{line}", line, signal.SIGINT) == 130
    require_whole(project, f"interrupted-{line}")


LONG = ("train", "--task", "image", "--arch", "cnn", "--set", "epochs=12", "--set", "patience=12")


def test_a_killed_fit_goes_on_from_its_last_epoch(project):
    def losses(home: str) -> list[float]:
        [run] = [one for one in runs(project, "image", "digits", "fit", home) if _finished(one)]
        history = store(project, home).get_metric_history(run.info.run_id, "val_loss")
        return [metric.value for metric in history]

    def _finished(run) -> bool:
        return run.info.status == "FINISHED"

    assert espalier(project, *LONG, ESPALIER_HOME=str(project / "unbroken")).returncode == 0
    home, log = project / "broken", project / "broken.log"
    checkpoints = home / "checkpoints"
    with begun(project, *command(*LONG), log=log, ESPALIER_HOME=str(home)) as (run, alive):
        until(lambda: list(checkpoints.glob("*.npz")), "a checkpoint")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        until(lambda: not alive(), "the end of what the run had started")
    [kept] = checkpoints.glob("*.npz")
    with np.load(kept, allow_pickle=False) as file:
        done = json.loads(str(file["told"]))["history"]
    assert 0 < len(done) < 12
    assert espalier(project, *LONG, ESPALIER_HOME=str(home)).returncode == 0
    assert losses("broken") == losses("unbroken")
    assert losses("broken")[: len(done)] == [metrics["val_loss"] for metrics in done]
    assert not list(checkpoints.iterdir())
