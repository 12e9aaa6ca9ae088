"""Ended at any stage, a run leaves no process behind, and the next run finishes what it began.

Each stage is reached from where the one before it was ended: such a home has been left behind as
often as stages precede it, and no fit is done again.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project import answer, begun, command, espalier, runs, small, store, until

from models.artifact import artifact

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
ARTIFACTS = shutil.ignore_patterns("mlartifacts")  # they stay where MLflow's records say
BEFORE = dict(zip(STAGES, [None, *STAGES], strict=False))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Digits, whose data is versioned already: homes lie beside them."""
    project = small(tmp_path_factory.mktemp("killed") / "project")
    done = espalier(project, "train", "--task", "image", "--arch", "perceptron")
    assert done.returncode == 0, done.stderr
    return project


def ended(project, home, line: str, sign: signal.Signals) -> int:
    """Begin a run, end it once it has said `line`, wait for its processes; its exit status."""
    log = project / f"{home}.log"
    with begun(project, *command(*RUN), log=log, ESPALIER_HOME=str(project / home)) as (run, alive):

        def printed() -> bool:
            assert run.poll() is None, log.read_text()
            return any(row.split()[:1] == [line] for row in log.read_text().splitlines())

        until(printed, f"{line} in the output")
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
    outcome = answer(done)["tasks"]["image"]
    assert outcome["trained"] + outcome["reused"] == 3
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
    assert version.tags["espalier.fingerprint"] == outcome["champion"]["fingerprint"]
    published = project / home / "published"
    pointer = json.loads((published / "image.json").read_text())
    assert pointer["version"] == str(version.version)
    artifact.check(published / pointer["artifact"], version.tags["espalier.manifest_sha256"])
    again = espalier(project, *RUN, "--json", ESPALIER_HOME=place)
    assert answer(again)["tasks"]["image"] == outcome | {"trained": 0, "reused": 3}


@pytest.fixture(scope="module")
def leave(project) -> Callable[[str, signal.Signals], tuple[str, int]]:
    """A function that ends a run after a line, in a home as the end at the stage before left it.

    It returns the home and the run's exit status.
    """

    def leave(line: str, sign: signal.Signals) -> tuple[str, int]:
        home, before = f"{sign.name}-{line}", BEFORE[line]
        if before is None:
            shutil.rmtree(project / "data" / "raw")
        else:
            if not left(before, sign).exists():
                leave(before, sign)
            shutil.copytree(left(before, sign), project / home)
        status = ended(project, home, line, sign)
        shutil.copytree(project / home, left(line, sign), ignore=ARTIFACTS)
        return home, status

    def left(line: str, sign: signal.Signals) -> Path:
        return project / f"{sign.name}-{line}-left"

    return leave


@pytest.mark.parametrize("line", STAGES)
def test_killed_after(project, leave, line):
    home, status = leave(line, signal.SIGKILL)
    assert status == -signal.SIGKILL
    require_whole(project, home)


@pytest.fixture
def interruptible():
    """Commands begun here hear Ctrl-C: one begun by a shell's background job would inherit that it
    does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("line", ["start", "push"])
def test_interrupted_after(project, leave, interruptible, line):
    home, status = leave(line, signal.SIGINT)
    assert status == 130, (project / f"{home}.log").read_text()
    require_whole(project, home)


LONG = ("train", "--task", "image", "--arch", "cnn", "--set", "epochs=12", "--set", "patience=12")


def test_a_killed_fit_goes_on_from_its_last_epoch(project):
    """Both fits begin in what `project` left, where the guard of the digits is fitted already."""
    homes = {name: project / name for name in ("unbroken", "broken")}
    for home in homes.values():
        shutil.copytree(project / ".espalier", home, ignore=ARTIFACTS)

    def losses(home: str) -> list[float]:
        [run] = [one for one in runs(project, "image", "digits", "fit", home) if _finished(one)]
        history = store(project, home).get_metric_history(run.info.run_id, "val_loss")
        return [metric.value for metric in history]

    def _finished(run) -> bool:
        return run.info.status == "FINISHED" and run.data.tags["espalier.arch"] == "cnn"

    done = espalier(project, *LONG, ESPALIER_HOME=str(homes["unbroken"]))
    assert done.returncode == 0, done.stderr
    log, checkpoints = project / "broken.log", homes["broken"] / "checkpoints"
    more = {"ESPALIER_HOME": str(homes["broken"])}
    with begun(project, *command(*LONG), log=log, **more) as (run, alive):
        until(lambda: list(checkpoints.glob("*.npz")), "a checkpoint")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        until(lambda: not alive(), "the end of what the run had started")
    [kept] = checkpoints.glob("*.npz")
    with np.load(kept, allow_pickle=False) as file:
        done = json.loads(str(file["record"]))["history"]
    assert 0 < len(done) < 12
    assert espalier(project, *LONG, **more).returncode == 0
    assert losses("broken") == losses("unbroken")
    assert losses("broken")[: len(done)] == [metrics["val_loss"] for metrics in done]
    assert not list(checkpoints.iterdir())
