"""Hand a champion to the services: its artifact on disk, then the pointer that they watch.

`<home>/published/<endpoint>.json` names the artifact below `<home>/published/artifacts/` and the
sha256 of its manifest, and says what the model scored on the test split. The artifact is in place
before the pointer names it. Services note beside it which models they found good. `served.json`
tells them the datasets of each task (`serving/champions/served.py`).
`<endpoint>.challenger.json` is there while a challenger is on trial.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data import declared
from data.errors import DataError
from models.artifact import artifact
from pipelines.experiments import tracking, verification
from pipelines.experiments.registry import Version
from pipelines.runtime import environment, settings

# A temporary file is its owner's alone; a service in a container reads it as another user.
READABLE = 0o644
SERVED = "served.json"
CHALLENGER = ".challenger"  # behind an endpoint's name


def folder(home: Path | None = None) -> Path:
    """Where the pointers of this home stand."""
    return (home or environment.home()) / "published"


@dataclass(frozen=True)
class Pointer:
    """Which version of a model an endpoint is answered by.

    artifact: its folder, as seen from the pointer's. metrics: of the test split. data: what the
    entry of its dataset says for people: about, interval, value. signature: of the artifact. Older
    ones have none of these. share: of a challenger's, the percentage of requests that it answers.
    champion: the version that it challenges; None: whichever serves. until: when its trial is over,
    ISO, UTC: services ask it no more then, whoever looks.
    """

    name: str
    version: str
    artifact: str
    manifest_sha256: str
    metrics: Mapping[str, float] | None = None
    data: Mapping[str, Any] | None = None
    signature: str | None = None
    share: int | None = None
    champion: str | None = None
    until: str | None = None

    @property
    def endpoint(self) -> str:
        """The name that an endpoint of this dataset alone has: `image-fashion`."""
        return self.name.removeprefix("espalier-")

    def to_json(self) -> str:
        """The pointer's file."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def declare() -> None:
    """Tell the services what params.yaml serves; repeatable.

    A pointer moves where its dataset became the first of its task, or is it no more. One of a
    dataset that is served no more is removed, unless it answers a plain path: it does until the
    first champion of the new first dataset comes.
    """
    wanted, endpoints, place = settings.served(), settings.endpoints(), folder()
    place.mkdir(parents=True, exist_ok=True)
    for task, datasets in wanted.items():
        own = place / f"{task}-{datasets[0]}.json"
        if own.exists():
            _set_aside(task)
            with suppress(FileNotFoundError):  # another process was faster
                own.replace(place / f"{task}.json")
    if served(place) != wanted:
        write_served(place, wanted)
    for pointer in place.glob("*-*.json"):
        endpoint = pointer.stem.removesuffix(CHALLENGER)
        if "." not in endpoint and endpoint not in endpoints:
            pointer.unlink(missing_ok=True)


def served(place: Path) -> dict[str, list[str]] | None:
    """Task → datasets, as a folder of pointers says it; None where it does not."""
    try:
        return json.loads((place / SERVED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_served(place: Path, datasets: Mapping[str, Sequence[str]]) -> None:
    """Say in a folder of pointers which datasets are served, by task."""
    write_whole(place / SERVED, json.dumps(datasets, indent=2) + "\n")


def _set_aside(endpoint: str) -> None:
    """Keep the pointer of an endpoint for the dataset that it is of, where it is served too."""
    pointer = read(endpoint)
    if pointer is not None and pointer.endpoint in settings.endpoints():
        with suppress(FileExistsError):
            (folder() / f"{pointer.endpoint}.json").hardlink_to(folder() / f"{endpoint}.json")


def cards() -> Path:
    """Where the cards of champions lie, each called after the digest of its manifest."""
    return folder() / "cards"


def read(endpoint: str) -> Pointer | None:
    """The endpoint's pointer; None when there is none, or none that can be read: `publish` writes
    it anew."""
    return read_file(folder() / f"{endpoint}.json")


def read_file(path: Path) -> Pointer | None:
    """The pointer in a file, as `read` gives it."""
    try:
        return Pointer(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def names(pointer: Pointer | None, version: Version) -> bool:
    """Whether the pointer is that of this version, holds its scores, which older ones do not, and
    says of its data what the entry says now."""
    if pointer is None or pointer.metrics is None:
        return False
    return replace(pointer, metrics=None) == _pointer(version)


def publish(
    endpoint: str,
    version: Version,
    home: Path | None = None,
    verified: Path | None = None,
) -> None:
    """Copy the version's artifact into `home` and point the endpoint at it; repeatable.

    verified: the artifact's folder, where this run has hashed it already.
    """
    place, pointer = folder(home), _pointer(version)
    _place_artifact(version, verified, place / pointer.artifact)
    standing = read(endpoint)
    if home is None and standing is not None and standing.name != version.name:
        _set_aside(endpoint)
    write_whole(place / f"{endpoint}.json", replace(pointer, metrics=_scores(version)).to_json())


def write_whole(path: Path, text: str) -> None:
    """Write a file that services read, in one step."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.") as scratch:
        making = Path(scratch) / path.name
        with making.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), READABLE)
            os.fsync(file.fileno())
        making.replace(path)


def publish_challenger(
    endpoint: str, version: Version, share: int, verified: Path, until: str | None = None
) -> None:
    """Publish beside the endpoint's champion who is on trial; repeatable.

    Args:
        endpoint: the champion's.
        version: the challenger.
        share: the percentage of requests that it answers; 0: it only shadows.
        verified: its artifact's folder, which this run has hashed.
        until: when its trial is over, ISO, UTC.
    """
    name, standing = f"{endpoint}{CHALLENGER}", read(endpoint)
    champion = standing.version if standing else None
    pointer = replace(_pointer(version), share=share, champion=champion, until=until)
    if read(name) == pointer and intact(name):
        return
    _place_artifact(version, verified, folder() / pointer.artifact)
    write_whole(folder() / f"{name}.json", pointer.to_json())


def challenger(endpoint: str) -> Pointer | None:
    """The pointer of the challenger that is on trial at the endpoint."""
    return read(f"{endpoint}{CHALLENGER}")


def withdraw_challenger(endpoint: str) -> None:
    """Take the challenger's pointer away: services forget it at once."""
    withdraw(f"{endpoint}{CHALLENGER}")


def withdraw(endpoint: str) -> None:
    """Take the endpoint's pointer away: no service starts with it; one that runs keeps its
    model."""
    (folder() / f"{endpoint}.json").unlink(missing_ok=True)


def intact(endpoint: str, home: Path | None = None) -> bool:
    """Whether the endpoint has a pointer and the artifact that it names is whole."""
    place = folder(home)
    pointer = read_file(place / f"{endpoint}.json")
    return pointer is not None and _is_whole(place / pointer.artifact, pointer)


def unused(before: float) -> list[Path]:
    """The artifacts, with their cards, that no pointer names, nor a service's note of what it
    served.

    before: seconds since 1970; what came here later stays, its pointer may be still to come.
    """
    place = folder()
    named = "".join(file.read_text(encoding="utf-8") for file in place.glob("*.json"))
    found = [*place.glob("artifacts/*"), *cards().glob("*")]
    old = (one for one in found if one.stat().st_ctime < before)
    return [one for one in old if one.name.partition(".")[0] not in named]


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
    return Pointer(
        version.name,
        version.version,
        f"artifacts/{digest}",
        digest,
        data=_data(version.name.split("-", 2)[2]),
        signature=version.signature,
    )


def _data(dataset: str) -> dict[str, Any]:
    """What the entry of a dataset says for people; nothing where there is none any more."""
    entry: dict[str, Any] = {}
    with suppress(DataError):
        entry = declared.entry(dataset, environment.ROOT)
    described = {
        "about": entry.get("about"),
        "interval": entry.get("interval") if entry.get("grid") == "clock" else None,
        "value": (entry.get("columns") or {}).get("value"),
    }
    return {name: value for name, value in described.items() if value is not None}
