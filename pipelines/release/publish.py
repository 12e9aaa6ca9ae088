"""Hand a champion to the services: its artifact on disk, then the pointer that they watch.

`<home>/published/<task>.json` names the artifact below `<home>/published/artifacts/` and the
sha256 of its manifest, and says what the model scored on the test split. The artifact is in place
before the pointer names it. Services note beside it which models they found good.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.artifact import artifact
from pipelines.experiments import tracking, verification
from pipelines.experiments.registry import Version
from pipelines.runtime import environment

# A temporary file is its owner's alone; a service in a container reads it as another user.
READABLE = 0o644


def folder(home: Path | None = None) -> Path:
    """Where the pointers of this home stand."""
    return (home or environment.home()) / "published"


@dataclass(frozen=True)
class Pointer:
    """Which version of a model a task is answered by.

    artifact: its folder, as seen from the pointer's. metrics: of the test split; older ones: None.
    """

    name: str
    version: str
    artifact: str
    manifest_sha256: str
    metrics: Mapping[str, float] | None = None

    def to_json(self) -> str:
        """The pointer's file."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def read(task: str, home: Path | None = None) -> Pointer | None:
    """The task's pointer; None when there is none, or none that can be read: `publish` writes it
    anew."""
    return read_file(folder(home) / f"{task}.json")


def read_file(path: Path) -> Pointer | None:
    """The pointer in a file, as `read` gives it."""
    try:
        return Pointer(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def names(pointer: Pointer | None, version: Version) -> bool:
    """Whether the pointer is that of this version, and holds its scores: older ones do not."""
    if pointer is None or pointer.metrics is None:
        return False
    return replace(pointer, metrics=None) == _pointer(version)


def publish(
    task: str,
    version: Version,
    home: Path | None = None,
    verified: Path | None = None,
) -> None:
    """Copy the version's artifact into `home` and point the task at it; repeatable.

    verified: the artifact's folder, where this run has hashed it already.
    """
    place, pointer = folder(home), _pointer(version)
    _place_artifact(version, verified, place / pointer.artifact)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=place, prefix=f".{task}.", delete=False
    ) as file:
        file.write(replace(pointer, metrics=_scores(version)).to_json())
        file.flush()
        os.fchmod(file.fileno(), READABLE)
        os.fsync(file.fileno())
    Path(file.name).replace(place / f"{task}.json")


def withdraw(task: str) -> None:
    """Take the task's pointer away: no service starts with it; one that runs keeps its model."""
    (folder() / f"{task}.json").unlink(missing_ok=True)


def intact(task: str, home: Path | None = None) -> bool:
    """Whether the task has a pointer and the artifact that it names is whole."""
    pointer = read(task, home)
    return pointer is not None and _is_whole(folder(home) / pointer.artifact, pointer)


def _is_whole(place: Path, named: Pointer | Version) -> bool:
    """Whether a folder holds the artifact that a pointer or a version names."""
    try:
        artifact.check(place, named.manifest_sha256)
    except (artifact.ArtifactError, OSError):
        return False
    return True


def _place_artifact(version: Version, verified: Path | None, target: Path) -> None:
    if _is_whole(target, version):
        return
    shutil.rmtree(target, ignore_errors=True)
    verified = verified or verification.verify(version)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(verified, copy)
        copy.replace(target)


def _scores(version: Version) -> dict[str, float]:
    """What the version's fit scored on the test split."""
    metrics = tracking.record(version.run_id).metrics
    return {name: metrics[name] for name in sorted(metrics) if name.startswith("test_")}


def _pointer(version: Version) -> Pointer:
    digest = version.manifest_sha256
    return Pointer(version.name, version.version, f"artifacts/{digest}", digest)
