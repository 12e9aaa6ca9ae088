"""Follow the champions of a registry on another machine: a thread for each registered model.

Every two seconds it asks which version is champion. A new one is fetched into a place of its own
and proven, byte by byte; then its artifact and a pointer are put where the watcher of `champions`
looks, as `promote` does on the trainers' machine. While the registry is away, or what it has is
damaged, all stays as it is.
"""

import fcntl
import hashlib
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

from models.artifact import artifact
from serving.champions import fallback
from serving.champions.registry_client import Registry, Version
from serving.http.metrics import counter

ASK_SECONDS = 2
AWAY_SECONDS = 10  # at most between two questions to a registry that is away
REFUSED_SECONDS = 60  # until a damaged version is fetched once more

GONE = (400, 404, 410)  # how a server says that there is no such thing
# What a registered manifest that is no manifest of ours makes of reading it.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

log = logging.getLogger("bentoml.espalier")


class Damaged(Exception):
    """A version that must not be taken; the message says why."""


class Follower:
    """Keeps a task's pointer in `folder` in line with the champion of the model `name`."""

    def __init__(self, registry: Registry, task: str, name: str, folder: Path):
        self.registry, self.task, self.name = registry, task, name
        self.pointer = folder / f"{task}.json"
        self.artifacts = folder / task
        self._proven: Version | None = None  # whose artifact was found whole by this process
        self._refused: Version | None = None
        self._again = 0.0  # when the refused one is fetched once more
        self._stop = threading.Event()

    def start(self) -> None:
        log.info("Following the champion of %s at %s", self.name, self.registry.url)
        threading.Thread(target=self._run, name=f"follow {self.task}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more; what is being fetched is given up with the process."""
        self._stop.set()

    def look(self) -> None:
        """Bring the pointer in line with the registry; raises Damaged, or what `Registry` does."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        with _alone(self.artifacts / ".lock") as alone:
            if alone:
                self._follow(self.registry.champion(self.name))

    def _run(self) -> None:
        wait, away = 0.0, False
        while not self._stop.wait(wait):
            wait = ASK_SECONDS
            try:
                self.look()
                if away:
                    log.info("%s is followed again.", self.name)
                away = False
            except Damaged as damage:
                log.error("Refused %s from %s: %s", self.task, self.registry.url, damage)
                counter("espalier_model_refusals", "task").labels(self.task).inc()
            except Exception as error:  # whatever it was, the next look may go well
                if not away:
                    log.warning("%s cannot be followed for now: %s", self.name, _said(error))
                wait, away = AWAY_SECONDS if away else ASK_SECONDS, True

    def _follow(self, version: Version) -> None:
        if version == self._refused and time.monotonic() < self._again:
            return
        published = {
            "name": self.name,
            "version": version.number,
            "artifact": f"{self.task}/{version.manifest_sha256}",
            "manifest_sha256": version.manifest_sha256,
        }
        stands = published.items() <= _read(self.pointer).items()
        if stands and version == self._proven:
            return
        try:
            fetched = self._place(version)
        except Damaged:
            self._refused, self._again = version, time.monotonic() + REFUSED_SECONDS
            raise
        if fetched or not stands:  # what the watcher has refused it reads again
            said = published | {"metrics": self._scores(version)}
            beside = self.pointer.with_suffix(".new")
            beside.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
            beside.replace(self.pointer)
        self._proven = version

    def _scores(self, version: Version) -> dict[str, float]:
        """What is shown of the version; nothing where its run is gone, which hinders no serving."""
        try:
            return self.registry.scores(version)
        except LookupError:
            return {}
        except HTTPError as error:
            if error.code in GONE:
                return {}
            raise

    def _place(self, version: Version) -> bool:
        """Have the version's artifact in its place, whole; returns whether it was fetched."""
        _check(version)
        target = self.artifacts / version.manifest_sha256
        try:
            artifact.check(target, version.manifest_sha256)
            return False
        except (artifact.ArtifactError, OSError):
            self._clear()
        fetching = self.artifacts / ".fetching"
        fetching.mkdir()
        try:
            self._fetch(version, fetching)
            shutil.rmtree(target, ignore_errors=True)
            fetching.replace(target)
        except (HTTPError, *MALFORMED) as error:
            if isinstance(error, HTTPError) and error.code not in GONE:
                raise  # it is the server that fails, for now
            raise Damaged(f"version {version.number}: {_said(error)}") from error
        finally:
            shutil.rmtree(fetching, ignore_errors=True)
        return True

    def _clear(self) -> None:
        """Remove what a kill has left, and every artifact that no pointer names any more."""
        pointers = [self.pointer, *fallback.of(self.pointer)]
        named = {str(_read(pointer).get("manifest_sha256")) for pointer in pointers}
        for folder in self.artifacts.iterdir():
            if folder.is_dir() and folder.name not in named:
                shutil.rmtree(folder)

    def _fetch(self, version: Version, folder: Path) -> None:
        """Fetch the files that the manifest names, once it is proven to be the registered one."""
        self._save(version, folder / artifact.MANIFEST, artifact.MAX_MANIFEST_BYTES)
        content = (folder / artifact.MANIFEST).read_bytes()
        if hashlib.sha256(content).hexdigest() != version.manifest_sha256:
            raise ValueError("its manifest is not the one that was registered")
        files = json.loads(content)["files"]
        if strange := files.keys() - artifact.FILES:  # a name may lead out of the folder
            raise ValueError(f"its manifest names strange files: {sorted(strange)}")
        for name, entry in files.items():
            self._save(version, folder / name, min(entry["bytes"], artifact.MAX_FILE_BYTES))
        artifact.check(folder, version.manifest_sha256)

    def _save(self, version: Version, target: Path, most: int) -> None:
        with target.open("wb") as file:
            for piece in self.registry.file(self.name, version, target.name, most):
                file.write(piece)


def _check(version: Version) -> None:
    """Raise Damaged for a version that was never let serve, or that says no digest."""
    if version.state != "ready":
        said = version.state or "unknown"
        raise Damaged(f"version {version.number} is {said}: its tag espalier.state is not ready")
    if not re.fullmatch(r"[0-9a-f]{64}", version.manifest_sha256):
        raise Damaged(f"version {version.number} has no tag with the sha256 of its manifest")


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether this process is the one that looks for the time of the block: of several workers, or
    services with a home in common, one does."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _read(pointer: Path) -> dict:
    """What a pointer says; nothing where there is none, or one that is no JSON."""
    try:
        said = json.loads(pointer.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
