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

from models import architectures
from models.artifact import artifact
from models.examples import examples
from models.export import convert, guard, package
from models.training.fit import Fitted
from models.training.guard import FittedGuard
from pipelines.processes import service

pytestmark = pytest.mark.slow

# What Keras on JAX needs; scikit-learn carries the digits.
PACKAGES = ("jax", "keras", "numpy", "pillow", "scikit-learn")
# Nearly all of the time goes into compiling; compiled with less care it is half.
QUICKLY = "--xla_backend_optimization_level=0"
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
        env=variables(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", XLA_FLAGS=QUICKLY),
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


@pytest.mark.parametrize(("task", "arch"), EVERY)
def test_what_was_fitted_alone_exports_like_any_other(task, arch, alone, splits, tmp_path):
    """And the graph, written from the model on TensorFlow, computes what Keras on JAX did."""
    saved = alone / task / arch
    convert.to_onnx(_model(saved), tmp_path / "model.onnx")
    tensor = examples(artifact.read_inputs(saved), splits[task]["test"]).tensor
    outputs = convert.runner(tmp_path / "model.onnx")(tensor[: fit_alone.ROWS])
    convert.check_parity(np.load(saved / "outputs.npy"), outputs)
    assert onnx.load(tmp_path / "model.onnx").producer_name == "espalier"  # without tf2onnx


@pytest.mark.parametrize("task", architectures.TASKS)
def test_a_guard_fitted_alone_errs_alike(task, alone, splits, tmp_path):
    saved = alone / task / architectures.GUARD
    convert.to_onnx(_model(saved), tmp_path / "model.onnx")
    inputs = artifact.read_familiarity(saved).inputs
    tensor = examples(inputs, splits[task]["test"]).tensor[: fit_alone.ROWS]
    errors = convert.runner(tmp_path / "model.onnx")(tensor)
    assert errors == pytest.approx(np.load(saved / "outputs.npy"), rel=1e-3, abs=1e-6)


def test_what_was_fitted_alone_serves_like_any_other(alone, splits, tmp_path):
    """One architecture of each task, the newest, with its task's guard."""
    chosen = {task: architectures.names(task)[-1] for task in architectures.TASKS}
    published = tmp_path / "home" / "published"
    for task, arch in chosen.items():
        folder = tmp_path / task
        digest = _package(alone / task, folder, task, arch, splits[task])
        shutil.copytree(folder, published / "artifacts" / digest)
        pointer = {"name": f"espalier-{task}-small", "version": "1"}
        pointer |= {"artifact": f"artifacts/{digest}", "manifest_sha256": digest}
        (published / f"{task}.json").write_text(json.dumps(pointer))
    homes = {"ESPALIER_HOME": tmp_path / "home", "BENTOML_HOME": tmp_path / "bentoml"}
    serve = (sys.executable, "-m", "bentoml", "serve", service.CHECKOUT, "--host", "127.0.0.1")
    more = {name: str(path) for name, path in homes.items()}
    with serving(ROOT, *serve, log=tmp_path / "serve.log", **more) as url:
        for task in chosen:
            assert service.replay(url, task, tmp_path / task) > 0


def _package(saved: Path, folder: Path, task: str, arch: str, splits: dict) -> str:
    """Write the whole artifact on TensorFlow; returns its manifest's sha256."""
    facts = small_data.FACTS[task]
    guarded = saved / architectures.GUARD
    familiarity = artifact.read_familiarity(guarded)
    guard.write(guarded, FittedGuard(_model(guarded), familiarity, [], 0.0), splits["test"], facts)
    rest = json.loads((saved / arch / "fitted.json").read_bytes())
    identity = {"task": task, "arch": arch, "dataset": "small", "dataset_hash": "0" * 32}
    identity |= {"fingerprint": "0" * 64, "parameters": rest.pop("parameters"), "seed": 0}
    inputs = artifact.read_inputs(saved / arch)
    fitted = Fitted(model=_model(saved / arch), inputs=inputs, **rest)
    folder.mkdir()
    return package.write(folder, fitted, splits, facts, identity, guarded)


def _model(saved: Path):
    import keras

    assert keras.backend.backend() == "tensorflow"
    return keras.saving.load_model(saved / "model.keras", compile=False, safe_mode=True)
