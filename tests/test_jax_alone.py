"""`models/` alone, on JAX and without TensorFlow, fits and saves all architectures and all guards;
what it saved exports, is packaged and serves like any other."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import fit_alone
import numpy as np
import onnx
import pytest
import small_data
from project import ROOT, serving, variables

from models import architectures, artifact, export, guard, package
from models.examples import examples
from models.guard import FittedGuard
from models.train import Fitted
from pipelines import service

pytestmark = pytest.mark.slow

# What Keras on JAX needs; scikit-learn carries the digits.
PACKAGES = ("jax", "keras", "numpy", "pillow", "scikit-learn")
EVERY = [(task, arch) for task in architectures.TASKS for arch in architectures.names(task)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The models that were fitted where there is nothing but `models/` and JAX."""
    folder = tmp_path_factory.mktemp("alone")
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "models", folder / "models", ignore=unwanted)
    for file in (Path(fit_alone.__file__), Path(small_data.__file__)):
        shutil.copy(file, folder)
    python = _environment(folder / "environment")
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(_fit_all, python), architectures.TASKS))
    return folder / "out"


def _fit_all(python: Path, task: str) -> None:
    done = subprocess.run(
        [python, "fit_alone.py", task, "out"],
        cwd=python.parents[2],
        env=variables(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _environment(folder: Path) -> Path:
    """A fresh environment with the lock's versions of the few packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    versions = ("--constraint", ROOT / "requirements-jax.lock")
    install = ("uv", "pip", "install", "--quiet", "--python", python, *versions, *PACKAGES)
    subprocess.run([sys.executable, "-m", *install], check=True)
    return python


@pytest.fixture(scope="module")
def splits() -> dict[str, dict]:
    return {task: made() for task, made in fit_alone.SPLITS.items()}


@pytest.fixture(scope="module")
def guards(alone, splits, tmp_path_factory) -> dict[str, Path]:
    """The files of each task's guard, written on TensorFlow."""
    folder = tmp_path_factory.mktemp("guards")
    for task, split in splits.items():
        saved = alone / task / architectures.GUARD
        (folder / task).mkdir()
        fitted = FittedGuard(_model(saved), artifact.read_familiarity(saved), [], 0.0)
        guard.write(folder / task, fitted, split["test"], small_data.FACTS[task])
    return {task: folder / task for task in splits}


@pytest.fixture(scope="module")
def packaged(alone, splits, guards, tmp_path_factory) -> dict[tuple, tuple[Path, str]]:
    """The artifact of each, written on TensorFlow, and its manifest's sha256."""
    folder = tmp_path_factory.mktemp("packaged")
    return {
        (task, arch): _package(
            alone / task / arch, folder / task / arch, task, arch, splits[task], guards[task]
        )
        for task, arch in EVERY
    }


def _model(saved: Path):
    import keras

    assert keras.backend.backend() == "tensorflow"
    return keras.saving.load_model(saved / "model.keras", compile=False, safe_mode=True)


def _package(
    saved: Path, folder: Path, task: str, arch: str, splits: dict, guarded: Path
) -> tuple[Path, str]:
    rest = json.loads((saved / "fitted.json").read_bytes())
    parameters = rest.pop("parameters")
    fitted = Fitted(model=_model(saved), inputs=artifact.read_inputs(saved), **rest)
    identity = {"task": task, "arch": arch, "dataset": "small", "dataset_hash": "0" * 32}
    identity |= {"fingerprint": "0" * 64, "parameters": parameters, "seed": 0}
    folder.mkdir(parents=True)
    return folder, package.write(folder, fitted, splits, small_data.FACTS[task], identity, guarded)


@pytest.mark.parametrize(("task", "arch"), EVERY)
def test_what_was_fitted_alone_exports_like_any_other(task, arch, alone, packaged, splits):
    """package.write has proven the graph equal to Keras on TensorFlow; here to Keras on JAX."""
    folder, _ = packaged[task, arch]
    tensor = examples(artifact.read_inputs(folder), splits[task]["test"]).tensor
    outputs = export.runner(folder / "model.onnx")(tensor[: fit_alone.ROWS])
    export.check_parity(np.load(alone / task / arch / "outputs.npy"), outputs)
    graph = onnx.load(folder / "model.onnx")
    assert graph.producer_name == "espalier"  # by our own translation


@pytest.mark.parametrize("task", architectures.TASKS)
def test_a_guard_fitted_alone_errs_alike(task, alone, guards, splits):
    inputs = artifact.read_familiarity(guards[task]).inputs
    tensor = examples(inputs, splits[task]["test"]).tensor[: fit_alone.ROWS]
    errors = export.runner(guards[task] / "familiarity.onnx")(tensor)
    expected = np.load(alone / task / architectures.GUARD / "outputs.npy")
    assert errors == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_what_was_fitted_alone_serves_like_any_other(packaged, tmp_path):
    chosen = {task: architectures.names(task)[-1] for task in architectures.TASKS}
    published = tmp_path / "home" / "published"
    for task, arch in chosen.items():
        folder, digest = packaged[task, arch]
        shutil.copytree(folder, published / "artifacts" / digest)
        pointer = {"name": f"espalier-{task}-small", "version": "1"}
        pointer |= {"artifact": f"artifacts/{digest}", "manifest_sha256": digest}
        (published / f"{task}.json").write_text(json.dumps(pointer))
    homes = {"ESPALIER_HOME": tmp_path / "home", "BENTOML_HOME": tmp_path / "bentoml"}
    serve = (sys.executable, "-m", "bentoml", "serve", service.CHECKOUT, "--host", "127.0.0.1")
    more = {name: str(path) for name, path in homes.items()}
    with serving(ROOT, *serve, log=tmp_path / "serve.log", **more) as url:
        for task, arch in chosen.items():
            assert service.replay(url, task, packaged[task, arch][0]) > 0
