"""Ended at any stage, a run leaves no process behind, and the next run finishes what it began.

Each stage is reached from where the one before it was ended: no fit is done again, and the home of
the last run has been left behind as often as there are stages. What is written between two lines of
a promotion, `tests/pipelines/promotion/test_killed_promotions.py` takes write by write.
"""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from project import begun, command, espalier, outcomes, runs, store, until

from models.artifact import artifact

pytestmark = pytest.mark.slow

RUN = ("run", "--task", "image")
# The line after which a run is ended, how, and what it does then.
STAGES = {
    ("start", signal.SIGINT): "DVC makes the data",
    ("start", signal.SIGKILL): "DVC makes the data",
    ("push", signal.SIGINT): "the first fit",
    ("push", signal.SIGKILL): "the first fit",
    ("cnn", signal.SIGKILL): "a pending version, golden requests over HTTP",
    ("replay", signal.SIGKILL): "the alias, the pointer",
    ("champion", signal.SIGKILL): "the pointer, the end of the parent run",
    ("Release", signal.SIGKILL): "the Bento",
}
STATUS = {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory) -> Path:
    return prepared_copy(tmp_path_factory.mktemp("killed") / "project")


@pytest.fixture(scope="module")
def left(project) -> Path:
    """An empty home, in a project whose data is to be made; the tests go on with it in turn."""
    shutil.rmtree(project / "data" / "raw")
    return project / "left"


@pytest.fixture
def interruptible():
    """Commands begun here hear Ctrl-C: one begun by a shell's background job would inherit that it
    does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def published(home: Path) -> str | None:
    """The version that is published, whole."""
    pointer = home / "published" / "image.json"
    if not pointer.exists():
        return None
    facts = json.loads(pointer.read_text())
    artifact.check(pointer.parent / facts["artifact"], facts["manifest_sha256"])
    return facts["version"]


@pytest.mark.parametrize(("line", "sign"), STAGES, ids=lambda value: getattr(value, "name", value))
def test_ended_after(project, left, interruptible, line, sign):
    log = project / f"{sign.name}-{line}.log"
    with begun(project, *command(*RUN), log=log, ESPALIER_HOME=str(left)) as (run, alive):

        def printed() -> bool:
            assert run.poll() is None, log.read_text()
            return any(row.split()[:1] == [line] for row in log.read_text().splitlines())

        until(printed, f"{line} in the output", 300)
        # Ctrl-C goes to every process of the terminal's foreground, a kill to one.
        (os.killpg if sign == signal.SIGINT else os.kill)(run.pid, sign)
        assert run.wait() == STATUS[sign], log.read_text()
        until(lambda: not alive(), "the end of what the run had started")
    published(left)


def test_the_next_run_finishes(project, left):
    """One champion, published whole; no MLflow run is left open, nothing is left to do."""
    outcome = outcomes(project, *RUN[1:], ESPALIER_HOME=str(left))["image"]
    assert outcome["trained"] + outcome["reused"] == 3
    client = store(project, left.name)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    ends = {run.info.status for run in client.search_runs(experiments)}
    assert ends <= {"FINISHED", "FAILED", "KILLED"}
    [version] = client.search_model_versions()
    champion = client.get_model_version_by_alias(version.name, "champion")
    assert champion.version == version.version
    assert version.tags["espalier.state"] == "ready"
    assert version.tags["espalier.fingerprint"] == outcome["champion"]["fingerprint"]
    assert published(left) == str(version.version)
    again = outcomes(project, *RUN[1:], ESPALIER_HOME=str(left))["image"]
    assert again == outcome | {"trained": 0, "reused": 3}


LONG = ("train", "--task", "image", "--arch", "cnn", "--set", "epochs=12", "--set", "patience=12")


def test_a_killed_fit_goes_on_from_its_last_epoch(project):
    """Both fits begin where the guard of the digits is fitted already."""
    homes = {name: project / name for name in ("unbroken", "broken")}
    for home in homes.values():
        shutil.copytree(project / ".espalier", home)

    def losses(home: str) -> list[float]:
        [run] = [one for one in runs(project, "image", "digits", "fit", home) if _finished(one)]
        history = store(project, home).get_metric_history(run.info.run_id, "val_loss")
        return [metric.value for metric in history]

    def _finished(run) -> bool:
        return run.info.status == "FINISHED" and run.data.params["epochs"] == "12"

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
