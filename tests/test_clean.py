"""`espalier clean` after several retrainings: what it leaves serves and can be gone back to."""

import time
from pathlib import Path

import pytest
from project import (
    KEPT,
    answer,
    answers,
    begun,
    command,
    espalier,
    outcomes,
    pointer,
    runs,
    serving,
    small,
    store,
    until,
)

from models.architectures import BLEND

pytestmark = pytest.mark.slow

ALL = ("clean", "--older-than", "0d", "--keep", "1")
REMOTE = ".espalier/dvc-remote"
OF_NOBODY = "files/md5/ab/cdef0123456789abcdef0123456789"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Digits with two champions, one after the other, and with fits that nothing needs; a copy of
    the prepared project would share its fits with other tests."""
    project = small(tmp_path_factory.mktemp("clean") / "project")
    first = outcomes(project, "--task", "image")["image"]["champion"]["arch"]
    other = "cnn" if first == "ann" else "ann"
    second = ("promote", "--task", "image", other, "--force", "--reason", "another")
    assert espalier(project, *second).returncode == 0
    assert espalier(project, "build").returncode == 0  # as the run did, of the first champion
    for _ in range(2):  # the first of these is needed by nothing
        more = ("train", "--task", "image", "--arch", "perceptron", "--set", "epochs=1")
        assert espalier(project, *more, "--force").returncode == 0
    for place in (project / ".dvc" / "cache", project / REMOTE):
        (place / OF_NOBODY).parent.mkdir(exist_ok=True)
        (place / OF_NOBODY).write_text("of no lock" * 1000)
    (project / ".espalier" / "logs" / "run-0.log").write_text("")
    return project


def held(project: Path) -> int:
    """The bytes of all that Espalier keeps."""
    kept = [*(project / ".espalier").rglob("*"), *(project / ".dvc" / "cache").rglob("*")]
    return sum(file.stat().st_size for file in kept if file.is_file())


def deleted(project: Path) -> list:
    """The runs that are marked as deleted and still there."""
    client = store(project)
    experiment = client.get_experiment_by_name("espalier/image/digits")
    return list(client.search_runs([experiment.experiment_id], run_view_type=2))


def test_it_shows_what_would_go_and_removes_nothing(project):
    before = held(project), len(runs(project, "image", "digits"))
    shown = answer(espalier(project, *ALL, "--json"))
    assert not shown["removed"]
    sizes = {part["what"]: part["bytes"] for part in shown["parts"]}
    assert "DVC remote" not in sizes
    assert "--shared" in shown["left"][0]
    assert sizes["runs"] > 100_000
    assert sizes["DVC's cache"] == 10_000
    assert sizes["Bentos"] > 10_000
    assert len(runs(project, "image", "digits")) == before[1]
    assert held(project) == pytest.approx(before[0], abs=100_000)
    young = answer(espalier(project, "clean", "--json"))
    assert [part["count"] for part in young["parts"] if part["what"] == "runs"] == [0]


def test_killed_and_done_again_it_leaves_what_serves_and_what_can_be_gone_back_to(
    project, tmp_path
):
    before, fits = held(project), len(runs(project, "image", "digits", "fit"))
    with begun(project, *command(*ALL, "--yes"), log=tmp_path / "killed.log") as (process, _):
        until(lambda: deleted(project), "a run that is marked as deleted")
        process.kill()
    time.sleep(1)  # for what it started, which ends with it
    sent = {file for file in (project / REMOTE).rglob("*") if file.is_file()}
    done = espalier(project, *ALL, "--shared", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    parts = {part["what"]: part for part in answer(done)["parts"]}
    assert parts["DVC remote"]["count"] == 1
    assert parts["DVC remote"]["bytes"] == pytest.approx(10_000, rel=0.01)  # as DVC rounds it
    assert sent - {*(project / REMOTE).rglob("*")} == {project / REMOTE / OF_NOBODY}
    freed = sum(part["bytes"] for part in parts.values())
    print(
        f"{before / 1e6:.1f} MB before, {held(project) / 1e6:.1f} MB after, {freed / 1e6:.1f} told"
    )
    assert held(project) < before - 100_000
    assert not deleted(project)
    left = runs(project, "image", "digits", "fit")
    assert {run.data.tags["espalier.arch"] for run in left} == {*KEPT["image"], BLEND}
    assert len(left) < fits

    serve = command("serve")
    with serving(project, *serve, log=tmp_path / "serve.log") as url:
        assert answers(f"{url}/readyz")
        current = pointer(project, "image")[0]["version"]
        back = answer(espalier(project, "rollback", "--task", "image", "--json"))
        assert (back["from"], back["to"]) == (current, "1")
        assert answers(f"{url}/readyz")
    again = outcomes(project, "--task", "image")["image"]
    assert again["trained"] == 0
    assert espalier(project, "trace").returncode == 0
