"""One identity from the data's hash to the answer of a request.

Equal fingerprint, equal run: the training cache, the registry, the Bento and every HTTP answer
carry the same string. Device, host, pool and Python's patch level stay out, so that it is equal
wherever the run happened.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from pipelines.runtime import environment


def fingerprint(
    *,
    dataset_hash: str,
    task: str,
    arch: str,
    parameters: Mapping,
    seed: int,
    sources: Iterable[Path],
    backend: Mapping[str, str],
) -> str:
    """sha256 (64 hexadecimal digits) over all that decides the outcome of a fit.

    `sources` are the first-party files that the run depends on, named relative to the project.
    """
    code = {
        path.resolve().relative_to(environment.ROOT).as_posix(): _sha256_of_text(path)
        for path in sources
    }
    identity = {
        "dataset_hash": dataset_hash,
        "task": task,
        "arch": arch,
        "parameters": dict(parameters),
        "seed": seed,
        "code": code,
        "backend": dict(backend),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def backend() -> dict[str, str]:
    """Name and versions of Keras' backend, read without importing it."""
    name = os.environ.get("KERAS_BACKEND") or _configured_backend() or "tensorflow"
    package = {"torch": "torch", "jax": "jax"}.get(name, "tensorflow")
    return {"name": name, "version": version(package), "keras": version("keras")}


def _configured_backend() -> str | None:
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((folder / "keras.json").read_text()).get("backend")
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _sha256_of_text(path: Path) -> str:
    # Line endings as git may have changed them on the way do not make other code.
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
