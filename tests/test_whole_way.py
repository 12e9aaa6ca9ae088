"""The whole way, by the command alone: what a run leaves behind, and what the next one reuses.

The first run serves digits, reviews of one's own and a series of one's own; each test goes on
from whatever the ones before it left.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml
from project import (
    KEPT,
    answer,
    begun,
    command,
    declare_reviews,
    declare_series,
    espalier,
    kept,
    listening,
    outcomes,
    parameters,
    pointer,
    runs,
    serving,
    small,
    store,
    waves,
    write_reviews,
)

from models.artifact import artifact
from pipelines.processes import service

pytestmark = pytest.mark.slow

DATASETS = {"image": "digits", "sentiment": "reviews", "forecast": "levels"}
METRICS = {
    "image": {"accuracy", "precision", "recall", "f1"},
    "sentiment": {"accuracy", "precision", "recall", "f1"},
    "forecast": {
        "mae",
        "mse",
        "rmse",
        "relative_mae",
        "mae_step_01",
        "mae_step_04",
        "coverage_80",
        "coverage_95",
    },
}
PLOTS = {
    "image": {"plots/learning_curve.png", "plots/confusion_matrix.png"},
    "sentiment": {"plots/learning_curve.png", "plots/confusion_matrix.png"},
    "forecast": {"plots/learning_curve.png", "plots/error_by_step.png", "plots/forecasts.png"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = small(tmp_path_factory.mktemp("whole") / "project")
    declare_reviews(project)
    declare_series(project, waves())
    return project


@pytest.fixture(scope="module")
def first(project):
    """What the first run printed, and the addresses that its processes listened on."""
    log, listened = project.parent / "first.log", set()
    # The shortest of these fits may not last the five seconds between two samples.
    often = {"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.2"}
    with begun(project, *command("run", "--json"), log=log, **often) as (process, alive):
        while process.poll() is None:
            listened |= listening(alive())
            time.sleep(0.5)
        assert not alive()
    assert process.returncode == 0, log.read_text()
    return log.read_text(), listened


@pytest.fixture(scope="module")
def champions(first):
    """Task → what the first run said of it."""
    return json.loads(first[0].splitlines()[-1])["tasks"]


def bentos(project: Path) -> list[Path]:
    return [
        place
        for place in (project / ".espalier" / "bentoml" / "bentos" / "espalier").iterdir()
        if place.is_dir()
    ]


def champion(project: Path, task: str):
    """The version of the registry under the champion alias."""
    name = f"espalier-{task}-{DATASETS[task]}"
    return store(project).get_model_version_by_alias(name, "champion")


def counted(project: Path) -> dict:
    """How many runs, versions and Bentos there are, and how much the Prefect server has said."""
    versions = store(project).search_model_versions()
    return {
        "runs": sum(len(runs(project, task, dataset)) for task, dataset in DATASETS.items()),
        "versions": len(versions),
        "bentos": bentos(project),
        "server": (project / ".espalier" / "logs" / "prefect-server.log").stat().st_size,
    }


def test_every_task_ends_with_a_champion(champions):
    for task, dataset in DATASETS.items():
        outcome = champions[task]
        assert outcome["dataset"] == dataset
        assert (outcome["trained"], outcome["reused"]) == (len(KEPT[task]), 0)
        assert outcome["champion"]["version"] == "1"
        assert outcome["champion"]["test"].keys() >= METRICS[task]


def test_nothing_listened_beyond_loopback(first):
    assert first[1] == {"127.0.0.1"}


@pytest.mark.parametrize("task", DATASETS)
def test_one_parent_keeps_the_data_that_it_used(project, champions, task):
    [parent] = runs(project, task, DATASETS[task], "retrain")
    assert parent.info.status == "FINISHED"
    lock = yaml.safe_load(kept(parent, "dvc.lock").read_text())
    stage = lock["stages"][f"prepare@{DATASETS[task]}"]
    [md5] = [out["md5"] for out in stage["outs"] if out["path"].startswith("data/prepared/")]
    assert md5 == champions[task]["dataset_hash"]


@pytest.mark.parametrize("task", DATASETS)
def test_every_fit_is_on_record_with_its_epochs_and_plots(project, champions, task):
    client = store(project)
    [parent] = runs(project, task, DATASETS[task], "retrain")
    fits = runs(project, task, DATASETS[task], "fit")
    fingerprints = {fit.data.tags["espalier.fingerprint"] for fit in fits}
    [blend] = [fit for fit in fits if fit.data.tags["espalier.arch"] == "blend"]
    fits.remove(blend)
    [refit] = [fit for fit in fits if fit.data.params["refit"] == "True"]
    fits.remove(refit)
    [best] = [
        fit for fit in fits if fit.data.tags["espalier.arch"] == refit.data.tags["espalier.arch"]
    ]
    scored = f"validation_{'relative_mae' if task == 'forecast' else 'accuracy'}"
    assert refit.data.metrics[scored] == best.data.metrics[scored]
    assert refit.data.metrics["best_epoch"] == best.data.metrics["best_epoch"]
    assert refit.data.metrics["test_floor"] == best.data.metrics["test_floor"]
    steps = client.get_metric_history(refit.info.run_id, "loss")
    assert len(steps) == best.data.metrics["best_epoch"]
    assert not client.get_metric_history(refit.info.run_id, "val_loss")
    members = {
        f"{f.data.tags['espalier.arch']} {f.data.tags['espalier.fingerprint']}" for f in fits
    }
    assert members == set(blend.data.params.values()) - {"0"}  # its seed
    assert len(fingerprints) == len(fits) + 2
    assert {f"test_{name}" for name in METRICS[task]} <= blend.data.metrics.keys()
    listed = {found.path for found in client.list_artifacts(blend.info.run_id, "plots")}
    assert listed == PLOTS[task] - {"plots/learning_curve.png"}
    assert {fit.data.tags["espalier.arch"] for fit in fits} == set(KEPT[task])
    for fit in fits:
        tags, metrics = fit.data.tags, fit.data.metrics
        assert fit.info.status == "FINISHED"
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert (tags["espalier.task"], tags["espalier.dataset"]) == (task, DATASETS[task])
        assert (tags["espalier.seed"], tags["espalier.profile"]) == ("0", "quick")
        assert tags["espalier.dataset_hash"] == champions[task]["dataset_hash"]
        assert len(tags["espalier.fingerprint"]) == 64
        assert len(tags["mlflow.source.git.commit"]) == 40
        assert {"epochs", "batch_size", "learning_rate", "seed"} <= fit.data.params.keys()
        assert {f"test_{name}" for name in METRICS[task]} <= metrics.keys()
        [given] = fit.inputs.dataset_inputs
        assert given.dataset.name == DATASETS[task]
        assert given.dataset.digest == champions[task]["dataset_hash"]
        for name in ("loss", "val_loss"):
            steps = [point.step for point in client.get_metric_history(fit.info.run_id, name)]
            assert steps == list(range(1, len(steps) + 1))
            assert 2 <= len(steps) <= int(fit.data.params["epochs"])
        plots = {found.path for found in client.list_artifacts(fit.info.run_id, "plots")}
        assert plots == PLOTS[task]
        assert any(name.startswith("system/") for name in metrics)


@pytest.mark.parametrize("task", DATASETS)
def test_one_guard_travels_with_every_model_of_the_data(project, champions, task):
    [guard] = runs(project, task, DATASETS[task], "guard")
    assert guard.info.status == "FINISHED"
    for fit in runs(project, task, DATASETS[task], "fit"):
        manifest = json.loads(kept(fit, "model/manifest.json").read_text())
        assert manifest["guard"] == guard.data.tags["espalier.fingerprint"]
        assert set(artifact.GUARD) <= manifest["files"].keys()


@pytest.mark.parametrize("task", DATASETS)
def test_one_fingerprint_names_run_version_pointer_bento_and_answer(project, champions, task):
    version = champion(project, task)
    assert version.tags["espalier.state"] == "ready"
    fitted = store(project).get_run(version.run_id)
    facts, folder = pointer(project, task)
    manifest = artifact.check(folder, version.tags["espalier.manifest_sha256"])
    [bento] = bentos(project)
    labels = yaml.safe_load((bento / "bento.yaml").read_text())["labels"]
    assert manifest["run_id"] == version.run_id
    assert facts["name"] == f"espalier-{task}-{DATASETS[task]}"
    assert labels[task] == f"{facts['name']}/{facts['version']}"
    assert {
        champions[task]["champion"]["fingerprint"],
        fitted.data.tags["espalier.fingerprint"],
        version.tags["espalier.fingerprint"],
        manifest["fingerprint"],
        labels[f"{task}.fingerprint"],
    } == {fitted.data.tags["espalier.fingerprint"]}


def test_the_bento_answers_for_every_champion(project, champions, tmp_path):
    home = str(project / ".espalier" / "bentoml")
    bentoml = (str(Path(sys.executable).parent / "bentoml"), "serve", "espalier:latest")
    with serving(tmp_path, *bentoml, log=tmp_path / "log", BENTOML_HOME=home) as url:
        for task, outcome in champions.items():
            golden = artifact.read_golden(pointer(project, task)[1])[0]
            answered = service.ask(url, task, golden["request"])
            assert answered["model"]["fingerprint"] == outcome["champion"]["fingerprint"]
            assert answered["familiar"] is golden["answer"]["familiar"]


def test_a_second_run_has_nothing_to_do(project, champions):
    before = counted(project)
    told = outcomes(project, PREFECT_API_URL="")  # what counts the server's words
    assert counted(project) == before
    for task, outcome in told.items():
        assert (outcome["trained"], outcome["reused"]) == (0, len(KEPT[task]))
        assert outcome["champion"] == champions[task]["champion"]


def test_train_reuses_what_a_run_fitted(project, champions):
    before = counted(project)
    done = espalier(project, "train", "--task", "image", "--arch", "ann", "--json")
    assert done.returncode == 0, done.stderr
    [row] = answer(done)["rows"]
    assert (row["arch"], row["seeds"]) == ("ann", 1)
    assert counted(project) == before


def test_a_fit_alone_has_the_metrics_of_the_one_beside_others(
    project, champions, prepared_copy, tmp_path
):
    """Of one command in its own process, and of a worker: every loss is equal to the last bit."""

    def fitted(place: Path) -> tuple[str, list[float], float]:
        [run] = [
            one
            for one in runs(place, "image", "digits", "fit")
            if one.data.tags["espalier.arch"] == "cnn"
        ]
        losses = store(place).get_metric_history(run.info.run_id, "val_loss")
        fingerprint = run.data.tags["espalier.fingerprint"]
        return fingerprint, [one.value for one in losses], run.data.metrics["test_accuracy"]

    assert fitted(prepared_copy(tmp_path / "alone")) == fitted(project)


def test_a_deleted_bento_is_built_again(project, champions):
    [bento] = bentos(project)
    shutil.rmtree(bento)
    assert [outcome["trained"] for outcome in outcomes(project).values()] == [0, 0, 0]
    [rebuilt] = bentos(project)
    assert rebuilt.name != bento.name


@pytest.fixture(scope="module")
def later(project, champions):
    """What the run says, and its progress, that meets all of this: other words decide the reviews;
    the champion of the pictures is damaged wherever it lies, and an architecture beside it cannot
    be fitted; what is published of the series is damaged."""
    write_reviews(project / "own" / "reviews.csv", good="superb", bad="awful")
    stored = kept(store(project).get_run(champion(project, "image").run_id), "model")
    for folder in (stored, pointer(project, "image")[1], pointer(project, "forecast")[1]):
        (folder / "model.onnx").write_bytes(b"damaged")
    with parameters(project) as params:
        cnn = params["profiles"]["quick"]["image"]["cnn"]["all"]
        before = cnn.copy()
        cnn["learning_rate"] = 1e30
    done = espalier(project, "run", "--json")
    with parameters(project) as params:
        params["profiles"]["quick"]["image"]["cnn"]["all"] = before
    assert done.returncode == 0, done.stderr
    return answer(done)["tasks"], done.stderr


def test_changed_data_is_trained_on_and_the_old_champion_must_go(project, champions, later):
    """It is scored on the new test rows."""
    told, first = later[0]["sentiment"], champions["sentiment"]
    assert (told["trained"], told["reused"]) == (len(KEPT["sentiment"]), 0)
    assert told["dataset_hash"] != first["dataset_hash"]
    assert champion(project, "sentiment").version != first["champion"]["version"]
    old = store(project).get_model_version(
        "espalier-sentiment-reviews", first["champion"]["version"]
    )
    was_scored = store(project).get_run(old.run_id).data.tags
    assert f"espalier.rescored.{told['dataset_hash']}" in was_scored


def test_a_champion_that_is_damaged_is_fitted_again_whatever_fails_beside_it(
    project, champions, later
):
    """In the store and in the publication: nothing was left that could be served. It was a refit,
    and the fit before it is whole. No champion stands in the way of the blend of what could be
    fitted."""
    told, progress = later[0]["image"], later[1]
    assert champions["image"]["champion"]["arch"] == "ann"
    assert "cnn" in progress.partition("failed")[0].splitlines()[-1]
    fits = runs(project, "image", "digits", "fit")
    assert [f.data.tags["espalier.arch"] for f in fits if f.info.status == "FAILED"] == ["cnn"]
    assert (told["trained"], told["reused"]) == (0, 2)
    finished = [f.data.tags["espalier.fingerprint"] for f in fits if f.info.status == "FINISHED"]
    assert finished.count(champions["image"]["champion"]["fingerprint"]) == 2
    assert told["champion"]["arch"] == "blend"
    now = champion(project, "image")
    assert (now.tags["espalier.state"], str(now.version)) == ("ready", told["champion"]["version"])
    assert told["champion"]["version"] != champions["image"]["champion"]["version"]
    facts, folder = pointer(project, "image")
    assert facts["version"] == str(now.version)
    artifact.check(folder, facts["manifest_sha256"])
    stored = kept(store(project).get_run(now.run_id), "model")
    artifact.check(stored, now.tags["espalier.manifest_sha256"])


def test_a_damaged_publication_is_mended_without_a_fit(project, champions, later):
    told = later[0]["forecast"]
    assert (told["trained"], told["champion"]) == (0, champions["forecast"]["champion"])
    facts, folder = pointer(project, "forecast")
    assert facts["version"] == told["champion"]["version"]
    artifact.check(folder, facts["manifest_sha256"])


def test_nothing_is_left_to_do_after_that(project, later):
    assert [outcome["trained"] for outcome in outcomes(project).values()] == [0, 0, 0]


def test_a_blend_is_promoted_answers_and_is_rolled_back(project, later):
    """Its members know different words."""
    task = ("--task", "sentiment", "--json")
    forced = espalier(project, "promote", "blend", *task, "--force", "--reason", "a test")
    assert forced.returncode == 0, forced.stderr
    told = answer(forced)
    facts, folder = pointer(project, "sentiment")
    assert facts["version"] == told["candidate"]["version"]
    manifest = artifact.check(folder, facts["manifest_sha256"])
    assert {one["arch"] for one in manifest["parameters"]["members"]} == set(KEPT["sentiment"])
    assert len(artifact.read_inputs(folder).parts) == 2
    done = espalier(project, "predict", "own/reviews.csv", *task[:2], "--text", "review")
    [said, *_] = map(json.loads, done.stdout.splitlines())
    assert said["label"] in ("good", "bad")
    traced = espalier(project, "trace", told["candidate"]["fingerprint"], "--json")
    [run] = answer(traced)["runs"]
    assert (run["arch"], run["parameters"]) == ("blend", manifest["parameters"])
    # Its members are the champion's recipe now, and nothing is left to do.
    assert outcomes(project)["sentiment"]["champion"]["arch"] == "blend"
    assert espalier(project, "rollback", *task, "--reason", "a test").returncode == 0
    assert pointer(project, "sentiment")[0]["version"] != facts["version"]
