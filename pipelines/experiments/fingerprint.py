"""One identity from the data's hash to the answer of a request.

Equal fingerprint, equal answers: the training cache, the registry, the Bento and every HTTP answer
carry the same string. Device, host, pool and Python's patch level stay out, so that it is equal
wherever the run happened. What enters, and why: `docs/decisions/`, notes 1 to 6.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from models import architectures, syntax_tree
from models.inputs.kinds import CLASSES
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import environment


def of_fit(dataset: DatasetVersion, arch: str, parameters: Mapping, seed: int) -> str:
    """Return the fingerprint of a fit: 64 hexadecimal digits.

    Args:
        dataset: the version of the data; its guard answers beside the model, and enters too.
        arch: an architecture of the dataset's task.
        parameters: the complete ones, from `architectures.resolve`.
        seed: of the fit.
    """
    return _of_training(dataset, arch, parameters, seed=seed, guard=of_guard(dataset))


def of_code(task: str, arch: str, parameters: Mapping) -> str:
    """Return the identity of what computes a fit, whatever the data and the seed."""
    return _digest(code=code(task, arch, frozenset(parameters.items())), versions=versions())


def of_blend(dataset: DatasetVersion, members: Sequence[str]) -> str:
    """Return the fingerprint of a blend: 64 hexadecimal digits.

    Args:
        dataset: the version of the data.
        members: the fingerprints of the fits whose mean it is, in its order.
    """
    return _digest(
        dataset_hash=dataset.hash,
        task=dataset.task,
        members=list(members),
        code=of_blending(dataset.task, ()),
    )


def of_blending(task: str, members: Sequence[str]) -> str:
    """Return the identity of what computes a blend; members: those of what computes its members."""
    module, room = CLASSES[task][0], environment.ROOT / "models"
    names = ("export/blend", "evaluation/measure", f"inputs/{module}", f"artifact/golden_{module}")
    files = architectures.closure([room / f"{name}.py" for name in names])
    return _digest(code=dict(map(digest_of, files)), versions=versions(), members=list(members))


def of_guard(dataset: DatasetVersion) -> str:
    """Return the fingerprint of a dataset's guard: 64 hexadecimal digits."""
    parameters = architectures.guard_parameters(dataset.task, dataset.facts)
    return _of_training(dataset, architectures.GUARD, parameters)


def of_baseline(dataset: DatasetVersion, file: Path) -> str:
    """Return the fingerprint of baselines or a rival's scores: 64 hexadecimal digits.

    Args:
        dataset: the version of the data.
        file: the module in `models/` that scores them.
    """
    inputs = environment.ROOT / "models" / "inputs" / f"{CLASSES[dataset.task][0]}.py"
    used = {name: version(name) for name in ("numpy", "scikit-learn")} | _python()
    sources = dict(map(digest_of, architectures.closure([file, inputs])))
    return _digest(dataset_hash=dataset.hash, task=dataset.task, code=sources, versions=used)


@cache
def of_checkout() -> str:
    """Return the identity of what a worker runs: all code of a fit's rooms, and the packages."""
    rooms = [environment.ROOT / room for room in ("data", "models", "pipelines")]
    files = sorted(path for room in rooms for path in room.rglob("*.py"))
    used = versions() | {name: version(name) for name in ("distributed", "mlflow", "prefect")}
    return _digest(code=dict(map(digest_of, files)), versions=used)


def versions() -> dict[str, str]:
    """Return what computes: Keras' backend by name, and the versions on which weights depend.

    Nothing is imported for it.
    """
    return _versions(os.environ.get("KERAS_BACKEND") or _configured_backend() or "tensorflow")


@cache  # each is looked up on disk
def _versions(backend: str) -> dict[str, str]:
    package = backend if backend in ("torch", "jax") else "tensorflow"
    used = {
        name: version(name) for name in ("keras", "numpy", "pillow", "simplejpeg", "onnxruntime")
    }
    return {"name": backend, "version": version(package)} | used | _python()


def _python() -> dict[str, str]:
    return {"python": "{}.{}".format(*sys.version_info)}


def _configured_backend() -> str | None:
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((folder / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, RuntimeError, ValueError):  # no file, no home, no JSON
        return None


def _of_training(dataset: DatasetVersion, arch: str, parameters: Mapping, **more: Any) -> str:
    effective = dict(parameters)
    if effective.get("threads") == 1:  # the usual number is no part of it
        del effective["threads"]
    return _digest(
        dataset_hash=dataset.hash,
        task=dataset.task,
        arch=arch,
        parameters=effective,
        code=code(dataset.task, arch, frozenset(parameters.items())),
        versions=versions(),
        **more,
    )


@cache  # asked for by every seed, and by every fit for its guard
def code(task: str, arch: str, parameters: frozenset[tuple[str, Any]]) -> dict[str, str]:
    """Return the digest of each file that a fit executes, by its path in the project."""
    return dict(map(digest_of, architectures.sources(task, arch, dict(parameters))))


@cache  # a plan's fits share most of their files, whose code this process has loaded
def digest_of(path: Path) -> tuple[str, str]:
    """Return a module's path in the project, and the sha256 of its syntax tree without docstrings.

    Comments, docstrings, formatting and line endings are no part of it. The tree is written as
    Python's minor version does, which is part of the fingerprint by itself.
    """
    tree = syntax_tree.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[isinstance(first.value.value, str) :]
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return path.resolve().relative_to(environment.ROOT).as_posix(), digest


def _digest(**identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
